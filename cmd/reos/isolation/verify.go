package isolation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrBusy says that another verification of this installation is under way.
var ErrBusy = errors.New("another verification is under way")

// Options say how the attempts are made.
type Options struct {
	// Progress is told after every attempt how many are done, of how many.
	Progress func(done, total int)
	// Keep lets the canaries live on for the next run: a prober would leave a tombstone per run otherwise.
	Keep bool

	only func(Attempt) bool // nil: all
}

const (
	// attemptWithin bounds one attempt.
	attemptWithin = 30 * time.Second
	// removeWithin bounds the removal of the canaries, which does not end with the run's context.
	removeWithin = time.Minute
	// verifyLock and probeLock are advisory locks, one run at a time of either kind.
	verifyLock = 0x72656f7376657269 // "reosveri"
	probeLock  = 0x72656f7370726f62 // "reosprob"
)

// Verify makes two canaries, attacks one in the other's name, and removes both, whatever happens: the canaries of a run
// that was killed are removed by the next. The error says why the installation cannot be verified, or that canaries
// could not be removed; the report is nil only where nothing was tried.
func Verify(ctx context.Context, in Installation, options Options) (report *Report, err error) {
	w := &World{Installation: in}
	unlock, err := w.lock(ctx, options.Keep)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if w.sql, err = w.newSession(ctx); err != nil {
		return nil, fmt.Errorf("open a session: %w", err)
	}
	defer w.sql.close(context.WithoutCancel(ctx))
	if w.tables, err = readTables(ctx, w.sql.conn); err != nil {
		return nil, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWithin)
		defer cancel()
		err = errors.Join(err, w.leave(ctx, options.Keep))
	}()
	if err := w.settle(ctx, options.Keep); err != nil {
		return nil, err
	}
	return w.attack(ctx, options)
}

// lock keeps other runs of the kind out for as long as this process lives.
func (w *World) lock(ctx context.Context, keep bool) (unlock func(), err error) {
	key := int64(verifyLock)
	if keep {
		key = probeLock
	}
	conn, err := pgx.ConnectConfig(ctx, w.DB.Pool().Config().ConnConfig)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	unlock = func() { _ = conn.Close(context.WithoutCancel(ctx)) } // and with it the lock
	var free bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&free); err != nil {
		unlock()
		return nil, fmt.Errorf("lock: %w", err)
	}
	if !free {
		unlock()
		return nil, ErrBusy
	}
	return unlock, nil
}

// attempts are all that are made in a world. Tables, handles and endpoints are attacked as they are found. The intrusive
// ones come last: they leave the victim's names in what is the attacker's own.
func (w *World) attempts(ctx context.Context, options Options) []Attempt {
	all := []Attempt{{Name: "have a canary in every table", Layer: Postgres, Try: coverage}}
	for _, of := range []func(*World) []Attempt{
		brokerAttempts, typesAttempts, readAttempts, writeAttempts, roleAttempts, sessionAttempts, vectorAttempts, s3Attempts,
		telemetryAttempts,
	} {
		all = append(all, of(w)...)
	}
	all = append(all, apiAttempts(ctx, w)...)
	all = append(all, pageAttempts(ctx, w)...)
	all = slices.DeleteFunc(all, func(a Attempt) bool {
		return options.Keep && (a.Intrusive || a.Costly) || options.only != nil && !options.only(a)
	})
	slices.SortStableFunc(all, func(a, b Attempt) int { return last(a) - last(b) })
	return all
}

func last(a Attempt) int {
	if a.Intrusive {
		return 1
	}
	return 0
}

// attack makes the attempts, one after the other. What an attempt changed of the victim's is a leak, whatever it says.
func (w *World) attack(ctx context.Context, options Options) (*Report, error) {
	report := newReport(w)
	attempts := w.attempts(ctx, options)
	before, err := w.fingerprint(ctx)
	if err != nil {
		return nil, err
	}
	defer report.end()
	for i, attempt := range attempts {
		began := time.Now()
		outcome := w.tryOne(ctx, attempt)
		after, err := w.fingerprint(ctx)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		if err != nil && outcome.Verdict != Leaked {
			outcome = fault(fmt.Errorf("look at what became of the victim: %w", err))
		}
		if err == nil && after != before {
			outcome.Verdict, outcome.Detail, before = Leaked, "the victim's rows changed; "+outcome.Detail, after
		}
		report.add(attempt, outcome, time.Since(began))
		if options.Progress != nil {
			options.Progress(i+1, len(attempts))
		}
	}
	report.Complete = report.Counts[Fault] == 0
	return report, nil
}

func (w *World) tryOne(ctx context.Context, attempt Attempt) (outcome Outcome) {
	ctx, cancel := context.WithTimeout(ctx, attemptWithin)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			outcome = fault(fmt.Errorf("panic: %v", p))
		}
	}()
	return attempt.Try(ctx, w)
}

// coverage finds tables in which there is nothing to steal: attempts on them would prove nothing.
func coverage(ctx context.Context, w *World) Outcome {
	var into tally
	for _, t := range w.tables {
		answer, err := w.sql.try(ctx, as(w.Victim.ID), w.fill("SELECT 1 FROM {table} WHERE {tenant} = '{victim}' LIMIT 1", t))
		switch {
		case err != nil:
			into.fail("%s: %v", t.name, err)
		case w.unsown[t.name] != nil:
			into.fail("%s: no canary can be planted there: %v", t.name, w.unsown[t.name])
		case len(answer.rows) == 0:
			into.fail("%s: no canary is planted there: add a seed for it", t.name)
		default:
			into.refuse()
		}
	}
	return into.outcome()
}

// movingTables change by themselves: workers move staged bytes into the archive.
var movingTables = []string{"staged_raw", "raw_archive"}

// fingerprint digests all rows of the victim's but for those that move by themselves.
func (w *World) fingerprint(ctx context.Context) (string, error) {
	var digests []string
	for _, t := range w.tables {
		if !slices.Contains(movingTables, t.name) {
			digests = append(digests, w.fill("SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} t WHERE {tenant} = '{victim}'", t))
		}
	}
	answer, err := w.sql.try(ctx, as(w.Victim.ID), digests...)
	return fmt.Sprint(answer.rows), err
}
