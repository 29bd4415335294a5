package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// forgottenAfter is how long an event that begins at ingestion may be published without being accepted: longer than all
// retries together take.
const forgottenAfter = 15 * time.Minute

// cancelPage bounds the items that are cancelled in one statement.
const cancelPage = 5000

const (
	// What has ended is found in progress, by the keys of what is on its way.
	sqlNoteEnded = `
WITH marked AS (
	INSERT INTO run_items AS i (` + frozenColumns + `, state, outcome, reason)
	SELECT ` + frozenColumns + `, 'ended', ended_as, coalesce(ended_why, '')
	FROM (SELECT ` + frozenColumns + ` FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND state = 'published') r
	CROSS JOIN LATERAL (SELECT outcome AS ended_as, reason AS ended_why, finished_at FROM progress
		WHERE tenant_id = $1 AND event_uid = r.event_uid OFFSET 0) p
	WHERE finished_at IS NOT NULL
	ON CONFLICT (tenant_id, run_id, ordinal) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, reason = excluded.reason
	WHERE i.state = 'published'
	RETURNING i.outcome
), told AS (
	UPDATE runs r SET ended = r.ended + t.ended, dead = r.dead + t.dead, updated_at = now()
	FROM (SELECT count(*) AS ended, count(*) FILTER (WHERE outcome = 'dead') AS dead FROM marked) t
	WHERE r.tenant_id = $1 AND r.id = $2 AND t.ended > 0
)
SELECT outcome, count(*) FROM marked GROUP BY outcome`

	// Before ingestion has accepted it, only the broker knows of an event. Where that must have forgotten it, it is published
	// once more. What a pause or a suspension holds is left alone.
	sqlForgotten = `
WITH forgotten AS (
	UPDATE run_items i SET state = 'released' WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.state = 'published' AND i.stage = 'ingestion'
		AND i.published_at < now() - $3::interval
		AND NOT EXISTS (SELECT FROM progress p WHERE p.tenant_id = $1 AND p.event_uid = i.event_uid)
		AND NOT EXISTS (SELECT FROM pauses p WHERE p.tenant_id = $1 AND p.stage = 'ingestion')
		AND EXISTS (SELECT FROM tenants t WHERE t.id = $1 AND t.state = 'active')
	RETURNING 1
), counted AS (SELECT count(*) AS items FROM forgotten)
UPDATE runs SET published = published - c.items FROM counted c WHERE tenant_id = $1 AND id = $2 AND c.items > 0 RETURNING c.items`

	// The items of a run that goes no further are many, perhaps: a part of them at a time.
	sqlCancelItems = `
WITH run AS MATERIALIZED (
	SELECT released_to FROM runs WHERE tenant_id = $1 AND id = $2 AND state IN ('cancelled', 'stopped') AND settled_at IS NULL FOR UPDATE
), marked AS (
	INSERT INTO run_items AS i (` + frozenColumns + `, state)
	SELECT ` + frozenColumns + `, 'cancelled' FROM run CROSS JOIN LATERAL (SELECT ` + frozenColumns + ` FROM run_items
		WHERE tenant_id = $1 AND run_id = $2 AND ordinal > run.released_to AND state = 'selected' ORDER BY ordinal LIMIT $3) r
	ON CONFLICT (tenant_id, run_id, ordinal) DO UPDATE SET state = excluded.state WHERE i.state = 'selected'
	RETURNING i.ordinal
)
UPDATE runs r SET cancelled = r.cancelled + t.items, released_to = t.ordinal, updated_at = now()
FROM (SELECT count(*) AS items, max(ordinal) AS ordinal FROM marked) t
WHERE r.tenant_id = $1 AND r.id = $2 AND t.items > 0`

	sqlSettleRun = `
UPDATE runs SET state = CASE state WHEN 'running' THEN 'done' ELSE state END, finished_at = coalesce(finished_at, now()), settled_at = now()
WHERE tenant_id = $1 AND id = $2 AND kind IN ('rerun', 'replay') AND state IN ('running', 'cancelled', 'stopped') AND settled_at IS NULL
	AND released = ended AND released + skipped + cancelled = selected`

	sqlRunsAtWork = `
SELECT r.tenant_id, r.id, t.state = 'active' FROM runs r JOIN tenants t ON t.id = r.tenant_id
WHERE r.kind IN ('rerun', 'replay') AND r.state <> 'planned' AND r.settled_at IS NULL AND t.state IN ('active', 'suspended')
ORDER BY r.started_at, r.id, r.tenant_id`

	sqlAllRuns = `SELECT tenant_id, ` + runColumns + ` FROM runs
WHERE (started_at, id) < ($1, $2) AND ($3 = '' OR id = $3) AND ` + runIsMeant + `
ORDER BY started_at DESC, id DESC, tenant_id LIMIT $7`
)

// SettleRun looks at a run with items once more: it notes which of its events have ended, cancels the next items of one that
// goes no further, and finishes one that has come to its end. It may be called by anybody at any time.
func (t *Tenant) SettleRun(ctx context.Context, id string) (store.Settled, error) {
	settled := store.Settled{}
	var runs []store.Run
	err := t.roundTrip(ctx, "settle run", func(b *pgx.Batch) {
		settled.Ended, settled.Forgotten = map[events.Outcome]int{}, 0
		b.Queue(sqlInOrder)
		b.Queue(sqlNoteEnded, t.key(), id).Query(func(rows pgx.Rows) error {
			var outcome events.Outcome
			var n int
			_, err := pgx.ForEachRow(rows, []any{&outcome, &n}, func() error {
				settled.Ended[outcome] = n
				return nil
			})
			return err
		})
		b.Queue(sqlForgotten, t.key(), id, forgottenAfter).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&settled.Forgotten}, func() error { return nil })
			return err
		})
		b.Queue(sqlCancelItems, t.key(), id, cancelPage)
		b.Queue(sqlSettleRun, t.key(), id)
		b.Queue(sqlRun, t.key(), id).Query(collect(&runs, scanRun))
	})
	settled.Run, err = only(runs, err, "settle run")
	return settled, err
}

// RunsAtWork lists the runs with items for which the leading process has something to do, the oldest first: those that
// run or are paused, and those that ended with events on their way.
func (p *Platform) RunsAtWork(ctx context.Context) ([]store.RunAtWork, error) {
	var runs []store.RunAtWork
	err := p.roundTrip(ctx, "find runs at work", func(b *pgx.Batch) {
		b.Queue(sqlRunsAtWork).Query(collect(&runs, func(row pgx.CollectableRow) (store.RunAtWork, error) {
			var run store.RunAtWork
			err := row.Scan((*[16]byte)(&run.Tenant), &run.ID, &run.Active)
			return run, err
		}))
	})
	return runs, err
}

// Runs lists those runs of all tenants that are meant, newest first, at most limit of them; of one id
// only where it is not empty. The zero cursor begins; the last run's goes on. A run over several tenants is one entry for each.
func (p *Platform) Runs(ctx context.Context, id string, filter store.RunFilter, limit int, after store.RunCursor) ([]store.TenantRun, error) {
	var runs []store.TenantRun
	err := p.roundTrip(ctx, "list runs", func(b *pgx.Batch) {
		b.Queue(sqlAllRuns, before(after.StartedAt), printable(after.ID), printable(id), printable(string(filter.Kind)),
			printable(string(filter.State)), store.RunSilence, limit).Query(collect(&runs, scanTenantRun))
	})
	return runs, err
}

func scanTenantRun(row pgx.CollectableRow) (store.TenantRun, error) {
	var r runRow
	var tenant uuid.UUID
	err := row.Scan(append([]any{(*[16]byte)(&tenant)}, r.targets()...)...)
	return store.TenantRun{Tenant: tenant, Run: r.read()}, err
}
