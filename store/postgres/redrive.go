package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// lastMoved is when an event in progress moved last; greatest passes over NULLs.
const lastMoved = `greatest(accepted_at, ingested_at, judged_at, embedded_at)`

// openLane is the lane of a row, or the bulk lane where its own is closed.
const openLane = `CASE WHEN lane = ANY ($6::text[]) THEN lane ELSE '` + events.BulkLane + `' END`

const (
	// A tenant is asked in its own index entries, oldest first; one that has unfinished work which is not overdue is
	// found as well, and answers for itself.
	sqlBehind = `
SELECT t.id FROM tenants t CROSS JOIN LATERAL (
	SELECT FROM progress WHERE tenant_id = t.id AND finished_at IS NULL AND accepted_at < now() - $1::interval LIMIT 1) p
WHERE t.state IN ('active', 'suspended') ORDER BY t.id`

	// Oldest first is the order of progress_unfinished. Planned by what statistics say, all unfinished rows would be
	// read and sorted for every batch.
	sqlInOrder = `SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)`

	// What was driven again and did not move has to wait twice as long each time, up to 16 times: that it does not move
	// is not for want of a message. One that a worker holds just now is moving. What waits at a paused stage is held
	// elsewhere than in its queue.
	//
	// It is written as an insert of rows that are known to exist, like sqlMove.
	sqlRedrive = `
WITH overdue AS MATERIALIZED (
	SELECT q.*, coalesce(q.redriven_at >= ` + lastMoved + `, false) AS again FROM progress q
	WHERE q.tenant_id = $1 AND q.finished_at IS NULL AND ` + lastMoved + ` < now() - $2::interval
		AND (q.redriven_at IS NULL OR q.redriven_at < now() - $2::interval * power(2, least(4,
			CASE WHEN q.redriven_at >= ` + lastMoved + ` THEN q.redrives - 1 ELSE 0 END)))
		AND (q.stage, ` + openLane + `) IN (SELECT * FROM unnest($3::text[], $4::text[]))
		AND q.stage <> ALL (ARRAY(SELECT stage FROM pauses WHERE tenant_id = $1))
	ORDER BY q.occurred_at LIMIT $5
	FOR UPDATE SKIP LOCKED
)
INSERT INTO progress AS p (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at,
	version_seq, occurred_at, run_id, traceparent, lane, stage, redriven_at, redrives)
SELECT $1, event_uid, event_id, source, event_type, record_type, record_key, version_at,
	version_seq, occurred_at, run_id, traceparent, lane, stage, now(), CASE WHEN again THEN redrives + 1 ELSE 1 END
FROM overdue
ON CONFLICT (tenant_id, event_uid) DO UPDATE SET redriven_at = excluded.redriven_at, redrives = excluded.redrives
RETURNING event_uid, event_id, record_type, record_key, version_at, version_seq, occurred_at, accepted_at, run_id,
	traceparent, stage, ` + openLane + `, judged_at IS NOT NULL, embedded_at IS NOT NULL, redrives`
)

// Behind lists the tenants that have unfinished events which were accepted longer ago than after.
func (p *Platform) Behind(ctx context.Context, after time.Duration) ([]uuid.UUID, error) {
	var tenants []uuid.UUID
	err := p.roundTrip(ctx, "find tenants with overdue events", func(b *pgx.Batch) {
		b.Queue(sqlBehind, after).Query(collect(&tenants, func(row pgx.CollectableRow) (uuid.UUID, error) {
			var id [16]byte
			err := row.Scan(&id)
			return id, err
		}))
	})
	return tenants, err
}

// Redrive marks events of the tenant that do not move as driven again, and returns them, at most q.Limit. An event that
// is marked is not returned again before q.After has passed, whoever asks.
//
// The mark is committed before the caller publishes: a publish that fails costs an event one more wait.
func (t *Tenant) Redrive(ctx context.Context, q store.Overdue) ([]store.Unmoved, error) {
	var marked []store.Unmoved
	err := t.roundTrip(ctx, "mark overdue events", func(b *pgx.Batch) {
		b.Queue(sqlInOrder)
		b.Queue(sqlRedrive, t.key(), q.After,
			column(q.Places, func(p store.Place) string { return string(p.Stage) }),
			column(q.Places, func(p store.Place) string { return p.Lane }), q.Limit, q.Lanes,
		).Query(collect(&marked, scanUnmoved))
	})
	return marked, err
}

func scanUnmoved(row pgx.CollectableRow) (store.Unmoved, error) {
	var u store.Unmoved
	err := row.Scan((*[16]byte)(&u.Event), &u.ID, &u.Ref.Type, &u.Ref.Key, &u.Version.At, &u.Version.Sequence,
		&u.OccurredAt, &u.AcceptedAt, &u.RunID, &u.Trace, &u.Place.Stage, &u.Place.Lane, &u.Judged, &u.Embedded, &u.Redrives)
	return u, err
}
