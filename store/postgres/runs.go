package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// A run that is published a second time begins anew, unless its first publisher lives.
	sqlStartRun = `
INSERT INTO runs AS r (tenant_id, id, kind, state, started_by, source, lane) VALUES ($1, $2, $3, 'publishing', $4, $5, $6)
ON CONFLICT (tenant_id, id) DO UPDATE SET
	state = excluded.state, started_by = excluded.started_by, source = excluded.source, lane = excluded.lane,
	published = 0, known = 0, rejected = 0, problems = '[]', error = '',
	started_at = now(), updated_at = now(), finished_at = NULL
WHERE r.kind = excluded.kind AND (r.state <> 'publishing' OR r.updated_at < now() - $7::interval)
RETURNING started_at`

	// Its events that are removed are counted anew if they come again.
	sqlForgetRemoved = `
DELETE FROM run_removed WHERE tenant_id = $1 AND run_id = $2
	AND (SELECT true FROM runs WHERE tenant_id = $1 AND id = $2 AND started_at = now())`

	// What began anew in the meantime is another publisher's.
	sqlSaveRun = `
UPDATE runs SET state = $4, published = $5, known = $6, rejected = $7, problems = $8::text::jsonb, error = $9, updated_at = now(),
	finished_at = CASE WHEN $4 <> 'publishing' THEN now() END
WHERE tenant_id = $1 AND id = $2 AND started_at = $3 AND finished_at IS NULL`

	sqlRunColumns = `
SELECT problems::text, selection::text, ` + runColumns + ` FROM runs WHERE tenant_id = $1`
	// runColumns are those that hold nothing of what records hold.
	runColumns = `id, kind, state, started_by, source, lane, published, known, rejected, error, started_at, updated_at, finished_at,
	stage, why, ticket, rate, canary, stop_above, digest, selected, released, ended, dead, skipped, cancelled, settled_at`
	sqlRun  = sqlRunColumns + ` AND id = $2`
	sqlRuns = sqlRunColumns + ` AND (started_at, id) < ($2, $3) AND ` + runIsMeant + ` ORDER BY started_at DESC, id DESC LIMIT $7`
	// runIsMeant narrows runs to a kind, $4, and a state, $5; $6 is how long a publisher that lives may be silent.
	runIsMeant = `($4 = '' OR kind = $4)
	AND ($5 = '' OR $5 = CASE WHEN state = 'publishing' AND updated_at < now() - $6::interval THEN 'interrupted' ELSE state END)`

	sqlRunCounts = `
SELECT stage, outcome, reason, sum(events)::bigint FROM (
	SELECT coalesce(ended_in, stage), coalesce(outcome, ''), coalesce(reason, ''), count(*)
	FROM progress WHERE tenant_id = $1 AND run_id = $2 AND run_id <> '' GROUP BY 1, 2, 3
	UNION ALL
	SELECT stage, outcome, reason, events FROM run_removed WHERE tenant_id = $1 AND run_id = $2
) c (stage, outcome, reason, events) GROUP BY 1, 2, 3`

	sqlKnownOfOthers = `
SELECT count(*) FROM unnest($2::uuid[]) AS k (uid)
WHERE (SELECT run_id <> $3 FROM progress WHERE tenant_id = $1 AND event_uid = k.uid)`
)

// StartRun begins a run and returns when. store.ErrExists says that it is being published just now, or is one of
// another kind.
func (t *Tenant) StartRun(ctx context.Context, run store.Run) (startedAt time.Time, err error) {
	err = t.roundTrip(ctx, "start run", func(b *pgx.Batch) {
		startedAt = time.Time{}
		b.Queue(sqlStartRun, t.key(), run.ID, string(run.Kind), printable(run.By), printable(run.Source), string(run.Lane), store.RunSilence).
			Query(func(rows pgx.Rows) error {
				_, err := pgx.ForEachRow(rows, []any{&startedAt}, func() error { return nil })
				return err
			})
		b.Queue(sqlForgetRemoved, t.key(), run.ID)
	})
	if err == nil && startedAt.IsZero() {
		err = fmt.Errorf("start run %q: %w", run.ID, store.ErrExists)
	}
	return startedAt, err
}

// SaveRun writes how far a run is, and ends it where its state says so. store.ErrConflict says that it has ended, or
// began anew.
func (t *Tenant) SaveRun(ctx context.Context, run store.Run) error {
	problems := "[]"
	if len(run.Problems) > 0 {
		encoded, err := json.Marshal(column(run.Problems, func(p store.RunProblem) store.RunProblem {
			p.Field, p.Must, p.Got = printable(p.Field), printable(p.Must), printable(p.Got)
			return p
		}))
		if err != nil {
			return fmt.Errorf("encode problems of run %q: %w", run.ID, err)
		}
		problems = string(encoded)
	}
	written, err := t.execute(ctx, "save run", sqlSaveRun, t.key(), run.ID, run.StartedAt, string(run.State),
		run.Published, run.Known, run.Rejected, problems, printable(run.Error))
	if err == nil && written == 0 {
		err = fmt.Errorf("save run %q: %w", run.ID, store.ErrConflict)
	}
	return err
}

// Run finds a run; else store.ErrNotFound.
func (t *Tenant) Run(ctx context.Context, id string) (store.Run, error) {
	var runs []store.Run
	err := t.roundTrip(ctx, "find run", func(b *pgx.Batch) {
		b.Queue(sqlRun, t.key(), printable(id)).Query(collect(&runs, scanRun))
	})
	return only(runs, err, "find run")
}

// Runs lists those of the tenant's runs that are meant, newest first, at most limit of them. The zero cursor begins; the
// last run's goes on.
func (t *Tenant) Runs(ctx context.Context, filter store.RunFilter, limit int, after store.RunCursor) ([]store.Run, error) {
	var runs []store.Run
	err := t.roundTrip(ctx, "list runs", func(b *pgx.Batch) {
		b.Queue(sqlRuns, t.key(), before(after.StartedAt), printable(after.ID), printable(string(filter.Kind)), printable(string(filter.State)),
			store.RunSilence, limit).Query(collect(&runs, scanRun))
	})
	return runs, err
}

// before is the time of a cursor; the zero time begins behind everything.
func before(at time.Time) pgtype.Timestamptz {
	if at.IsZero() {
		return pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: at, Valid: true}
}

// RunCounts says where the accepted events of a run are, in no order: of one that is no row in runs as well, while its
// events are kept.
func (t *Tenant) RunCounts(ctx context.Context, id string) ([]store.RunCount, error) {
	var counts []store.RunCount
	err := t.roundTrip(ctx, "count events of run", func(b *pgx.Batch) {
		b.Queue(sqlRunCounts, t.key(), printable(id)).Query(collect(&counts, func(row pgx.CollectableRow) (store.RunCount, error) {
			var c store.RunCount
			err := row.Scan(&c.Stage, &c.Outcome, &c.Reason, &c.Events)
			return c, err
		}))
	})
	return counts, err
}

// KnownEvents counts those of the events that were accepted under another run than this one.
func (t *Tenant) KnownEvents(ctx context.Context, eventIDs []uuid.UUID, run string) (known int64, err error) {
	err = t.roundTrip(ctx, "count known events", func(b *pgx.Batch) {
		b.Queue(sqlKnownOfOthers, t.key(), uuids(eventIDs), run).QueryRow(func(row pgx.Row) error { return row.Scan(&known) })
	})
	return known, err
}

func scanRun(row pgx.CollectableRow) (store.Run, error) {
	var r runRow
	var problems string
	var selection *string
	if err := row.Scan(append([]any{&problems, &selection}, r.targets()...)...); err != nil {
		return store.Run{}, err
	}
	run := r.read()
	run.Selection = jsonBytes(selection)
	if err := json.Unmarshal([]byte(problems), &run.Problems); err != nil {
		return run, fmt.Errorf("read problems of run %q: %w", run.ID, err)
	}
	return run, nil
}

// runRow reads runColumns.
type runRow struct {
	run               store.Run
	finished, settled *time.Time
}

func (r *runRow) targets() []any {
	run := &r.run
	return []any{
		&run.ID, &run.Kind, &run.State, &run.By, &run.Source, &run.Lane, &run.Published, &run.Known, &run.Rejected, &run.Error,
		&run.StartedAt, &run.UpdatedAt, &r.finished, &run.Stage, &run.Why, &run.Ticket, &run.Rate, &run.Canary, &run.StopAbove,
		&run.Digest, &run.Selected, &run.Released, &run.Ended, &run.Dead, &run.Skipped, &run.Cancelled, &r.settled,
	}
}

func (r *runRow) read() store.Run {
	r.run.FinishedAt, r.run.SettledAt = orZero(r.finished), orZero(r.settled)
	return r.run
}

// execute runs one statement and says how many rows it wrote.
func (t *Tenant) execute(ctx context.Context, what, statement string, parameters ...any) (written int64, err error) {
	err = t.roundTrip(ctx, what, func(b *pgx.Batch) {
		written = 0
		b.Queue(statement, parameters...).Exec(func(tag pgconn.CommandTag) error {
			written = tag.RowsAffected()
			return nil
		})
	})
	return written, err
}
