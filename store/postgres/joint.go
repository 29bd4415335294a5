package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/store"
)

// Where many tenants' messages are mixed, a batch is as many transactions as there are tenants, of two or three rows each,
// and their round trips and commits cost more than their rows. So small transactions of one kind that have to wait for
// each other anyway go together: as one, each part of it under its own tenant's context. Nobody waits for company: who
// comes alone goes at once, and alone.

const (
	// jointRows is the size up to which a transaction goes with others; a larger one gains nothing by that.
	jointRows = 16

	// jointParts bounds how many go together.
	jointParts = 128

	// jointsAtOnce is how many of one kind are under way before others wait. That is what brings them together.
	jointsAtOnce = 1

	// jointPatience is how long others wait at most: something may keep what is under way from ending.
	jointPatience = 200 * time.Millisecond

	// betweenAtOnce bounds how many side effects of one joint transaction are under way.
	betweenAtOnce = 16
)

// work is what a tenant's transaction does: statements, and perhaps a side effect between these and those that come last.
// Each function may be called again; the callbacks of statements must set their results anew.
type work struct {
	first   func(*pgx.Batch)
	between func(context.Context) error // nil: there is nothing but first, and it is one round trip
	last    func(*pgx.Batch)
	onward  []onward // the events that it sends on: see readAhead. It is not for a work with a side effect
}

// part is one tenant's work on its way.
type part struct {
	ctx    context.Context
	tenant *Tenant
	work   work
	turn   chan turn
}

// turn ends a part's wait: it leads these parts, the first of which it is; or others have led, and this came of it.
type turn struct {
	lead []*part
	err  error
}

// errApart says that nothing came of going together: every part is on its own.
var errApart = errors.New("the joint transaction failed")

// joint is where transactions of one kind meet.
type joint struct {
	what     string
	patience time.Duration // how long anybody waits here at most

	mu       sync.Mutex
	underWay int
	waiting  []*part
}

// joint returns the meeting point of a kind.
func (db *DB) joint(what string) *joint {
	if met, ok := db.joints.Load(what); ok {
		return met.(*joint)
	}
	met, _ := db.joints.LoadOrStore(what, &joint{what: what, patience: db.patience})
	return met.(*joint)
}

// transact runs a tenant's work on about so many rows as one transaction, together with that of other tenants where it is
// small.
//
// A joint transaction that fails leaves nothing behind, and each of its parts is then run by itself: what is wrong with one
// tenant's harms no other's.
func (t *Tenant) transact(ctx context.Context, what string, rows int, w work) error {
	if rows > jointRows {
		return t.alone(ctx, what, w)
	}
	return t.db.joint(what).run(&part{ctx: ctx, tenant: t, work: w, turn: make(chan turn, 1)})
}

// alone runs a tenant's work by itself.
func (t *Tenant) alone(ctx context.Context, what string, w work) error {
	if w.between == nil {
		return t.roundTrip(ctx, what, w.first)
	}
	return t.db.transact(ctx, what, func(tx *transaction) error {
		batch := tx.begin(tenantView(t.id))
		w.first(batch)
		if err := tx.send(ctx, batch); err != nil {
			return err
		}
		if err := w.between(ctx); err != nil {
			return err
		}
		last := &pgx.Batch{}
		w.last(last)
		return tx.commit(ctx, last)
	})
}

// aloneReadingAhead is alone for what comes while nothing else of the kind is under way: then time is better spent on it
// than throughput.
func (t *Tenant) aloneReadingAhead(ctx context.Context, what string, w work) error {
	if len(w.onward) == 0 {
		return t.alone(ctx, what, w)
	}
	keep := func() {}
	err := t.roundTrip(ctx, what, func(b *pgx.Batch) {
		w.first(b)
		keep = t.readAhead(b, w.onward)
	})
	if err == nil {
		keep()
	}
	return err
}

// run brings a part to its end: at once while few are under way, else with those who wait as well.
func (j *joint) run(p *part) error {
	if j.enter(p) {
		defer j.leave()
		return p.tenant.aloneReadingAhead(p.ctx, j.what, p.work)
	}
	next := j.await(p)
	switch {
	case errors.Is(next.err, errApart):
		return p.alone(j.what)
	case next.lead == nil:
		return next.err
	}
	defer j.leave()
	if len(next.lead) == 1 {
		return p.alone(j.what)
	}
	err := together(p.tenant.db, next.lead)
	for _, other := range next.lead[1:] {
		other.turn <- turn{err: err}
	}
	if err != nil {
		return p.alone(j.what)
	}
	return nil
}

func (p *part) alone(what string) error { return p.tenant.alone(p.ctx, what, p.work) }

// enter says that a part may go at once; else it waits for its turn.
func (j *joint) enter(p *part) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.underWay < jointsAtOnce {
		j.underWay++
		return true
	}
	j.waiting = append(j.waiting, p)
	return false
}

// await waits for a part's turn. When that takes too long, it is the part's turn to lead those who wait.
func (j *joint) await(p *part) turn {
	patience := time.NewTimer(j.patience)
	defer patience.Stop()
	select {
	case next := <-p.turn:
		return next
	case <-patience.C:
		if lead := j.hurry(p); lead != nil {
			return turn{lead: lead}
		}
	case <-p.ctx.Done():
		if j.withdraw(p) {
			return turn{err: fmt.Errorf("%s: %w", j.what, context.Cause(p.ctx))}
		}
	}
	return <-p.turn // somebody has taken it along meanwhile
}

// whenIdle does something by itself if nothing of the kind is under way; else it reports false.
func (j *joint) whenIdle(do func() error) (idle bool, err error) {
	j.mu.Lock()
	if idle = j.underWay == 0; idle {
		j.underWay++
	}
	j.mu.Unlock()
	if !idle {
		return false, nil
	}
	defer j.leave()
	return true, do()
}

// leave lets those who wait go, with the first of them in the lead.
func (j *joint) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 || j.underWay > jointsAtOnce {
		j.underWay--
		return
	}
	next := j.next()
	next[0].turn <- turn{lead: next}
}

// next takes the next to go from those who wait, the first of them for sure. The caller holds mu.
//
// Invariant 3: no two of one tenant go together. In one transaction the second would not wait for the first one's locks, and
// the side effects of two versions of a record would run at the same time.
func (j *joint) next() []*part {
	var next, stay []*part
	taken := map[uuid.UUID]bool{}
	for _, p := range j.waiting {
		if len(next) == jointParts || taken[p.tenant.id] {
			stay = append(stay, p)
			continue
		}
		taken[p.tenant.id] = true
		next = append(next, p)
	}
	j.waiting = stay
	return next
}

// hurry lets those who wait go, with p in the lead, beside what is under way; nil where p does not wait any more.
func (j *joint) hurry(p *part) []*part {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := slices.Index(j.waiting, p)
	if at < 0 {
		return nil
	}
	j.waiting[0], j.waiting[at] = p, j.waiting[0]
	j.underWay++
	return j.next()
}

// withdraw says that a part waits no longer; false where it does not wait any more.
func (j *joint) withdraw(p *part) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := slices.Index(j.waiting, p)
	if at >= 0 {
		j.waiting = slices.Delete(j.waiting, at, at+1)
	}
	return at >= 0
}

// together runs parts as one transaction. Its error is errApart, whatever went wrong: a panic over one part as well.
//
// Invariant 4: each part sets its tenant's context before its own statements, and what fails keeps all behind it from being
// run.
func together(db *DB, parts []*part) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errApart
		}
	}()
	sorted := slices.SortedFunc(slices.Values(parts), func(a, b *part) int { // two joint transactions must not deadlock
		return bytes.Compare(a.tenant.id[:], b.tenant.id[:])
	})
	ctx, cancel := whileAnyLives(sorted)
	defer cancel()
	acquiring, stop := context.WithTimeout(ctx, store.Timeout)
	defer stop()
	conn, err := db.pool.Acquire(acquiring)
	if err != nil {
		return errApart
	}
	tx := &transaction{conn: conn}
	defer tx.release(ctx)
	if err := tx.join(ctx, sorted); err != nil {
		return errApart
	}
	return nil
}

// join sends what the parts do.
func (tx *transaction) join(ctx context.Context, parts []*part) error {
	sideEffects := parts[0].work.between != nil // as all of a kind
	first, last := &pgx.Batch{}, &pgx.Batch{}
	if sideEffects {
		first.Queue("BEGIN")
	}
	for _, p := range parts {
		view := tenantView(p.tenant.id)
		first.Queue(view.sql, view.arg)
		p.work.first(first)
	}
	if err := tx.send(ctx, first); err != nil || !sideEffects {
		return err
	}
	if err := between(ctx, parts); err != nil {
		return err
	}
	for _, p := range parts {
		view := tenantView(p.tenant.id)
		last.Queue(view.sql, view.arg)
		p.work.last(last)
	}
	return tx.commit(ctx, last)
}

// between has all side effects, and the first error of one.
func between(ctx context.Context, parts []*part) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(betweenAtOnce)
	for _, p := range parts {
		group.Go(func() (err error) {
			defer func() {
				if panicked := recover(); panicked != nil {
					err = fmt.Errorf("panic: %v", panicked)
				}
			}()
			return p.work.between(ctx)
		})
	}
	return group.Wait()
}

// whileAnyLives is a context that ends when all of the parts' have.
func whileAnyLives(parts []*part) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parts[0].ctx))
	living := &atomic.Int32{}
	living.Store(int32(len(parts)))
	stops := make([]func() bool, len(parts))
	for i, p := range parts {
		stops[i] = context.AfterFunc(p.ctx, func() {
			if living.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
