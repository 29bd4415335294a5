package postgres

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// anyRecord looks up the record that an item n is about, in the one table that it can be in.
var anyRecord = func() string {
	var parts []string
	for _, record := range events.RecordTypes {
		parts = append(parts, `SELECT version_at, version_seq, deleted, event_uid FROM `+recordTables[record]+`
		WHERE n.record_type = '`+string(record)+`' AND tenant_id = $1 AND record_key = n.record_key`)
	}
	return strings.Join(parts, "\n\tUNION ALL ")
}()

// sqlRelease accepts the next items of a running run: what is said of each, and that it is on its way, is written at once.
// Locking the run's row first keeps two processes that both lead for a moment from taking the same items, and an
// operator's pause or cancel apart from a release.
//
// An item whose record has moved on, or is not in a state in which its stage can work on it, is skipped: see
// candidate.refused. A letter at ingestion has no record yet that could be looked at.
//
// Invariant 6: an event that begins behind ingestion has its row in progress from here on, and is driven from there
// whatever becomes of its message. One that begins at ingestion is published until the broker confirms.
var sqlRelease = `
WITH run AS MATERIALIZED (
	SELECT released_to, selection ->> 'model' AS model FROM runs WHERE tenant_id = $1 AND id = $2 AND state = 'running' FOR UPDATE
), next AS MATERIALIZED (
	SELECT i.*, run.model FROM run CROSS JOIN LATERAL (
		SELECT * FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND ordinal > run.released_to AND state = 'selected'
		ORDER BY ordinal LIMIT $3) i
), held AS MATERIALIZED (
	` + heldItems + `
), judged AS MATERIALIZED (
	SELECT n.*, r.deleted, coalesce(v.passed, false) AS passed, c.source, c.event_type, CASE
		WHEN n.letter_id IS NOT NULL AND n.letter_state IS DISTINCT FROM 'open' THEN coalesce('letter_' || n.letter_state, 'letter_gone')
		WHEN n.letter_id IS NOT NULL AND n.stage = 'ingestion' THEN NULL
		WHEN r.version_at IS NULL THEN '` + store.SkipMissing + `'
		WHEN (r.version_at, r.version_seq) <> (n.version_at, n.version_seq) THEN '` + store.SkipSuperseded + `'
		WHEN n.stage = 'ingestion' AND r.event_uid <> n.cause_uid THEN '` + store.SkipSuperseded + `'
		WHEN n.stage = 'ingestion' THEN NULL
		WHEN r.deleted AND n.stage <> 'indexing' THEN '` + store.SkipDeleted + `'
		WHEN n.stage = 'embedding' AND v.passed IS NOT TRUE THEN '` + store.SkipNotPassed + `'
		WHEN n.stage = 'indexing' AND NOT r.deleted AND (v.passed IS NULL OR v.passed AND e.embedded IS NULL) THEN '` + store.SkipNotEmbedded + `'
	END AS refused
	FROM held n
	LEFT JOIN LATERAL (` + anyRecord + ` OFFSET 0) r ON true
	LEFT JOIN LATERAL (SELECT passed FROM verdicts WHERE tenant_id = $1 AND record_type = n.record_type AND record_key = n.record_key
		AND (version_at, version_seq) = (n.version_at, n.version_seq) OFFSET 0) v ON true
	LEFT JOIN LATERAL (SELECT true AS embedded FROM embeddings WHERE tenant_id = $1 AND model = n.model AND record_key = n.record_key
		AND (version_at, version_seq) = (n.version_at, n.version_seq) OFFSET 0) e ON true
	LEFT JOIN LATERAL (SELECT source, event_type FROM progress WHERE tenant_id = $1 AND event_uid = n.cause_uid OFFSET 0) c ON true
), accepted AS (
	INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
		occurred_at, run_id, traceparent, lane, stage, ingested_at, judged_at, embedded_at)
	SELECT $1, event_uid, event_uid::text, coalesce(source, 'reos/runs'),
		coalesce(event_type, 'reos.' || record_type || CASE WHEN deleted THEN '.deleted.v1' ELSE '.upserted.v1' END),
		record_type, record_key, version_at, version_seq, now(), $2, '', '` + events.BulkLane + `', stage, now(),
		CASE WHEN stage <> 'quality' AND NOT deleted THEN now() END, CASE WHEN stage = 'indexing' AND passed AND NOT deleted THEN now() END
	FROM judged j WHERE refused IS NULL AND stage <> 'ingestion' ORDER BY j.event_uid
	ON CONFLICT (tenant_id, event_uid) DO NOTHING
), doubted AS (
	INSERT INTO index_entries AS i (tenant_id, record_key, version_at, version_seq, present)
	SELECT DISTINCT ON (j.record_key) $1, j.record_key, j.version_at, j.version_seq, NOT e.present
	FROM judged j CROSS JOIN LATERAL (SELECT present FROM index_entries WHERE tenant_id = $1 AND record_key = j.record_key
		AND (version_at, version_seq) = (j.version_at, j.version_seq) OFFSET 0) e
	WHERE j.stage = 'indexing' AND j.refused IS NULL AND e.present = (j.passed AND NOT j.deleted) ORDER BY j.record_key
	ON CONFLICT (tenant_id, record_key) DO UPDATE SET present = excluded.present, indexed_at = now()
	WHERE (i.version_at, i.version_seq) = (excluded.version_at, excluded.version_seq) AND i.present <> excluded.present
), marked AS (
	INSERT INTO run_items AS i (` + frozenColumns + `, state, reason)
	SELECT ` + frozenColumns + `, CASE WHEN refused IS NULL THEN 'released' ELSE 'skipped' END, coalesce(refused, '') FROM judged
	ON CONFLICT (tenant_id, run_id, ordinal) DO UPDATE SET state = excluded.state, reason = excluded.reason
	RETURNING i.ordinal, i.state
), told AS (
	SELECT max(ordinal) AS ordinal, count(*) FILTER (WHERE state = 'released') AS released, count(*) FILTER (WHERE state = 'skipped') AS skipped
	FROM marked
)
UPDATE runs r SET released_to = t.ordinal, released = r.released + t.released, skipped = r.skipped + t.skipped, updated_at = now()
FROM told t WHERE r.tenant_id = $1 AND r.id = $2 AND t.ordinal IS NOT NULL
RETURNING t.released, t.skipped`

const (
	// What a progress row says of an event that waits is all that its message is made of.
	sqlUnpublished = `
SELECT ` + itemColumns + `,
	p.event_id, p.occurred_at, p.accepted_at, p.run_id, p.traceparent, p.stage, p.lane, p.judged_at IS NOT NULL, p.embedded_at IS NOT NULL,
	c.event_id, c.source, c.event_type, c.occurred_at
FROM (SELECT * FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND state = 'released' ORDER BY ordinal LIMIT $3) i
LEFT JOIN LATERAL (SELECT * FROM progress WHERE tenant_id = $1 AND event_uid = i.event_uid OFFSET 0) p
	ON i.stage <> 'ingestion' AND p.finished_at IS NULL
LEFT JOIN LATERAL (SELECT * FROM progress WHERE tenant_id = $1 AND event_uid = i.cause_uid OFFSET 0) c
	ON i.stage = 'ingestion' AND c.source IS NOT NULL
ORDER BY i.ordinal`

	// What another process has marked meanwhile stays as it is, and is counted once.
	sqlPublished = `
WITH marked AS (
	INSERT INTO run_items AS i (` + frozenColumns + `, state, reason, published_at, outcome)
	SELECT ` + frozenColumns + `, became, why, CASE WHEN became <> 'skipped' THEN now() END, CASE WHEN became = 'ended' THEN 'done' END
	FROM unnest($3::bigint[], $4::text[], $5::text[]) AS m (item, became, why)
	CROSS JOIN LATERAL (SELECT * FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND ordinal = m.item OFFSET 0) r
	WHERE r.state = 'released'
	ON CONFLICT (tenant_id, run_id, ordinal) DO UPDATE SET
		state = excluded.state, reason = excluded.reason, published_at = excluded.published_at, outcome = excluded.outcome
	WHERE i.state = 'released'
	RETURNING i.state
), told AS (
	SELECT count(*) FILTER (WHERE state IN ('published', 'ended')) AS published, count(*) FILTER (WHERE state = 'ended') AS ended,
		count(*) FILTER (WHERE state = 'skipped') AS skipped FROM marked
)
UPDATE runs r SET published = r.published + t.published, ended = r.ended + t.ended, released = r.released - t.skipped,
	skipped = r.skipped + t.skipped, updated_at = now()
FROM told t WHERE r.tenant_id = $1 AND r.id = $2`
)

// ReleaseRun accepts up to limit further items of a run, in their order, and says how many are on their way now, and for
// how many there was nothing to do; none of a run that does not run. Unpublished then has what is to be published.
func (t *Tenant) ReleaseRun(ctx context.Context, id string, limit int) (released, skipped int, err error) {
	err = t.roundTrip(ctx, "release items", func(b *pgx.Batch) {
		released, skipped = 0, 0
		b.Queue(sqlInOrder)
		b.Queue(sqlRelease, t.key(), id, limit).Query(func(rows pgx.Rows) error {
			_, err := pgx.ForEachRow(rows, []any{&released, &skipped}, func() error { return nil })
			return err
		})
		t.queueReplays(b, id)
	})
	return released, skipped, err
}

// Unpublished lists items of a run that are accepted and not known to be published, in their order, at most limit.
func (t *Tenant) Unpublished(ctx context.Context, id string, limit int) ([]store.ReleasedItem, error) {
	var items []store.ReleasedItem
	err := t.roundTrip(ctx, "list unpublished items", func(b *pgx.Batch) {
		b.Queue(sqlInOrder)
		b.Queue(sqlUnpublished, t.key(), id, limit).Query(collect(&items, scanReleased))
	})
	return items, err
}

// MarkPublished notes what became of released items. What was noted before stays as it is.
func (t *Tenant) MarkPublished(ctx context.Context, id string, published store.Published) error {
	var ordinals []int64
	var states, reasons []string
	add := func(ordinal int64, state store.ItemState, reason string) {
		ordinals, states, reasons = append(ordinals, ordinal), append(states, string(state)), append(reasons, printable(reason))
	}
	for _, ordinal := range published.Confirmed {
		add(ordinal, store.ItemPublished, "")
	}
	for _, ordinal := range published.Final {
		add(ordinal, store.ItemEnded, "")
	}
	for _, ordinal := range slices.Sorted(maps.Keys(published.Skipped)) {
		add(ordinal, store.ItemSkipped, published.Skipped[ordinal])
	}
	if len(ordinals) == 0 {
		return nil
	}
	return t.roundTrip(ctx, "mark published items", func(b *pgx.Batch) {
		b.Queue(sqlPublished, t.key(), id, ordinals, states, reasons)
	})
}

func scanReleased(row pgx.CollectableRow) (store.ReleasedItem, error) {
	var i itemRow
	var w struct {
		id, run, trace, stage, lane *string
		occurred, accepted          *time.Time
		judged, embedded            bool
	}
	var o struct {
		id, source, eventType *string
		occurred              *time.Time
	}
	err := row.Scan(append(i.targets(), &w.id, &w.occurred, &w.accepted, &w.run, &w.trace, &w.stage, &w.lane, &w.judged, &w.embedded,
		&o.id, &o.source, &o.eventType, &o.occurred)...)
	released := store.ReleasedItem{RunItem: i.read()}
	if w.id != nil {
		released.Waiting = &store.Unmoved{
			Event: released.Event, ID: *w.id, Ref: released.Ref, Version: released.Version, OccurredAt: *w.occurred, AcceptedAt: *w.accepted,
			RunID: *w.run, Trace: *w.trace, Place: store.Place{Stage: events.Stage(*w.stage), Lane: *w.lane}, Judged: w.judged, Embedded: w.embedded,
		}
	}
	if o.id != nil {
		released.Origin = &store.RunOrigin{ID: *o.id, Source: *o.source, Type: *o.eventType, OccurredAt: *o.occurred}
	}
	return released, err
}
