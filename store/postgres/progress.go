package postgres

import (
	"bytes"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// stageOrder is a message's way; an event in progress only goes forward on it.
const stageOrder = `ARRAY['ingestion', 'quality', 'embedding', 'indexing']`

// superseded is the one ending that holds at any stage.
const superseded = string(events.Superseded)

// endingSlots spreads the counters of a tenant's endings, so that its writers do not queue for one row.
const endingSlots = `(pg_backend_pid() % 16)::smallint`

// sqlMove moves events in progress.
//
// It is written as an insert of rows that are known to exist: each is then found in the primary key, whatever the
// planner believes of the table (see byKey), and the conditions are judged again once the row is locked.
//
// Invariant 2: an event that is finished, or further on, is left alone; so whatever is said twice changes nothing.
//
// Invariant 6: an event that its record has overtaken is ended wherever it is. A worker that ended after its commit and
// before its outputs were published leaves the event a stage further than its message; the redelivery is overtaken by
// then, and nothing else would come for it.
const sqlMove = `
	INSERT INTO progress AS p (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at,
		version_seq, occurred_at, run_id, traceparent, lane, ingested_at, judged_at, embedded_at, indexed_at,
		stage, outcome, reason, ended_in, finished_at)
	SELECT $1, q.event_uid, q.event_id, q.source, q.event_type, q.record_type, q.record_key, q.version_at,
		q.version_seq, q.occurred_at, q.run_id, q.traceparent, q.lane,
		CASE a.past WHEN 'ingestion' THEN now() END, CASE a.past WHEN 'quality' THEN now() END,
		CASE a.past WHEN 'embedding' THEN now() END, CASE a.past WHEN 'indexing' THEN now() END,
		a.next, a.outcome, a.reason, CASE WHEN a.outcome IS NOT NULL THEN a.past END, CASE WHEN a.outcome IS NOT NULL THEN now() END
	FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS a (uid, past, next, outcome, reason)
	CROSS JOIN LATERAL (SELECT * FROM progress WHERE tenant_id = $1 AND event_uid = a.uid OFFSET 0) q
	WHERE q.finished_at IS NULL AND (a.reason = '` + superseded + `'
		OR array_position(` + stageOrder + `, q.stage) <= array_position(` + stageOrder + `, a.past))
	ON CONFLICT (tenant_id, event_uid) DO UPDATE SET
		ingested_at = coalesce(p.ingested_at, excluded.ingested_at), judged_at = coalesce(p.judged_at, excluded.judged_at),
		embedded_at = coalesce(p.embedded_at, excluded.embedded_at), indexed_at = coalesce(p.indexed_at, excluded.indexed_at),
		stage = excluded.stage, outcome = excluded.outcome, reason = excluded.reason,
		ended_in = excluded.ended_in, finished_at = excluded.finished_at
	WHERE p.finished_at IS NULL AND (excluded.reason = '` + superseded + `' OR array_position(` + stageOrder + `, p.stage) <= coalesce(
		array_position(` + stageOrder + `, excluded.ended_in), array_position(` + stageOrder + `, excluded.stage) - 1))`

// sqlEnd is sqlMove that also counts the events that it ends.
const sqlEnd = `WITH moved AS (` + sqlMove + `
	RETURNING p.ended_in AS stage, p.outcome, p.reason
)
` + sqlCountEndings + ` FROM moved WHERE outcome IS NOT NULL` + sqlAddEndings

const (
	sqlCountEndings = `
INSERT INTO endings AS e (tenant_id, slot, stage, outcome, reason, events)
SELECT $1, ` + endingSlots + `, stage, outcome, coalesce(reason, ''), count(*)`

	sqlAddEndings = `
GROUP BY stage, outcome, reason ORDER BY stage, outcome, reason
ON CONFLICT (tenant_id, slot, stage, outcome, reason) DO UPDATE SET events = e.events + excluded.events`

	sqlAcceptedEndings = sqlCountEndings + `
FROM unnest($2::text[], $3::text[], $4::text[]) AS a (stage, outcome, reason)` + sqlAddEndings
)

// Advance moves events in progress, each to the stage that comes next or to its end.
func (t *Tenant) Advance(ctx context.Context, advances []store.Advance) error {
	if len(advances) == 0 {
		return nil
	}
	return t.transact(ctx, "advance", len(advances), work{first: func(b *pgx.Batch) { t.queueAdvances(b, advances) }})
}

// queueAdvances adds the advances to a batch: last in it, because the counters that it locks are shared by many.
func (t *Tenant) queueAdvances(b *pgx.Batch, advances []store.Advance) {
	if len(advances) == 0 {
		return
	}
	a := slices.SortedStableFunc(slices.Values(advances), func(a, b store.Advance) int { return bytes.Compare(a.Event[:], b.Event[:]) })
	// A message may be in a batch twice; both say the same.
	a = slices.CompactFunc(a, func(a, b store.Advance) bool { return a.Event == b.Event })
	sql := sqlMove
	if slices.ContainsFunc(a, func(a store.Advance) bool { return a.Outcome != "" }) {
		sql = sqlEnd
	}
	b.Queue(sql, t.key(),
		column(a, func(a store.Advance) [16]byte { return a.Event }),
		column(a, func(a store.Advance) string { return string(a.From) }),
		column(a, func(a store.Advance) *string { return nullable(a.Next) }),
		column(a, func(a store.Advance) *string { return nullable(a.Outcome) }),
		column(a, func(a store.Advance) *string { return nullable(a.Reason) }))
}

// queueEndings counts the events that ingestion itself ended.
func (t *Tenant) queueEndings(b *pgx.Batch, accepted []store.Acceptance) {
	ended := slices.DeleteFunc(slices.Clone(accepted), func(a store.Acceptance) bool { return a.Outcome == "" })
	if len(ended) == 0 {
		return
	}
	b.Queue(sqlAcceptedEndings, t.key(),
		column(ended, func(store.Acceptance) string { return string(events.Ingestion) }),
		column(ended, func(a store.Acceptance) string { return string(a.Outcome) }),
		column(ended, func(a store.Acceptance) *string { return nullable(a.Reason) }))
}
