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

// endingSlots spreads the counters of a tenant's endings, so that its writers do not queue for one row.
const endingSlots = `(pg_backend_pid() % 16)::smallint`

// sqlAdvance moves events in progress and counts those that it ends.
//
// Invariant 2: an event that is finished, or further on, is left alone; so whatever is said twice changes nothing.
const sqlAdvance = `
WITH moved AS (
	UPDATE progress p SET
		ingested_at = CASE a.past WHEN 'ingestion' THEN coalesce(p.ingested_at, now()) ELSE p.ingested_at END,
		judged_at   = CASE a.past WHEN 'quality'   THEN coalesce(p.judged_at, now())   ELSE p.judged_at END,
		embedded_at = CASE a.past WHEN 'embedding' THEN coalesce(p.embedded_at, now()) ELSE p.embedded_at END,
		indexed_at  = CASE a.past WHEN 'indexing'  THEN coalesce(p.indexed_at, now())  ELSE p.indexed_at END,
		stage       = a.next,
		outcome     = a.outcome,
		reason      = a.reason,
		ended_in    = CASE WHEN a.outcome IS NOT NULL THEN a.past END,
		finished_at = CASE WHEN a.outcome IS NOT NULL THEN now() END
	FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]) AS a (uid, past, next, outcome, reason)
	WHERE p.tenant_id = $1 AND p.event_uid = a.uid AND p.finished_at IS NULL
		AND array_position(` + stageOrder + `, p.stage) <= array_position(` + stageOrder + `, a.past)
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
	return t.roundTrip(ctx, "advance", func(b *pgx.Batch) { t.queueAdvances(b, advances) })
}

// queueAdvances adds the advances to a batch: last in it, because the counters that it locks are shared by many.
func (t *Tenant) queueAdvances(b *pgx.Batch, advances []store.Advance) {
	if len(advances) == 0 {
		return
	}
	a := slices.SortedStableFunc(slices.Values(advances), func(a, b store.Advance) int { return bytes.Compare(a.Event[:], b.Event[:]) })
	// A message may be in a batch twice; both say the same.
	a = slices.CompactFunc(a, func(a, b store.Advance) bool { return a.Event == b.Event })
	b.Queue(sqlAdvance, t.key(),
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
