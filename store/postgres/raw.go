package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlArchive = `
INSERT INTO raw_archive (tenant_id, event_uid, object_key, byte_offset, byte_length, sha256)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

	sqlStage = `
INSERT INTO staged_raw (tenant_id, event_uid, sha256, bytes, frame)
SELECT $1, uid, sha256, octet_length(frame), frame FROM unnest($2::uuid[], $3::bytea[], $4::bytea[]) AS s (uid, sha256, frame)
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

	// One statement sees one moment: what is moved meanwhile is found in one of the two.
	sqlRawPlace = `
SELECT frame, sha256, '', 0::bigint, 0::bigint FROM staged_raw WHERE tenant_id = $1 AND event_uid = $2
UNION ALL
SELECT NULL, sha256, object_key, byte_offset, byte_length FROM raw_archive WHERE tenant_id = $1 AND event_uid = $2`

	// The oldest rows, up to and including the one that makes them $3 bytes. What is sorted are narrow rows.
	sqlStagedRaw = `
SELECT event_uid, s.staged_at, s.sha256, s.frame FROM (
	SELECT event_uid, staged_at, sum(bytes) OVER (ORDER BY staged_at, event_uid) - bytes AS before
	FROM staged_raw WHERE tenant_id = $1 AND staged_at < now() - $2::interval
) o CROSS JOIN LATERAL (SELECT staged_at, sha256, frame FROM staged_raw WHERE tenant_id = $1 AND event_uid = o.event_uid OFFSET 0) s
WHERE o.before < $3 ORDER BY o.staged_at, event_uid`

	// What another process has moved before stays as it is.
	sqlUnstage = `
WITH unstaged AS (
	DELETE FROM staged_raw WHERE tenant_id = $1 AND event_uid = ANY ($2::uuid[]) RETURNING event_uid
)
INSERT INTO raw_archive (tenant_id, event_uid, object_key, byte_offset, byte_length, sha256)
SELECT $1, event_uid, object_key, byte_offset, byte_length, sha256
FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
	AS a (event_uid, object_key, byte_offset, byte_length, sha256) JOIN unstaged USING (event_uid)
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

	// sqlScan lets the statement behind it, in the same transaction, read a table in the order of its pages. By the order of
	// an index, a large one is read a page per row.
	sqlScan    = `SELECT set_config('enable_seqscan', 'on', true)`
	sqlStaging = `
SELECT tenant_id, count(*), sum(bytes)::bigint, min(staged_at) FROM staged_raw GROUP BY tenant_id ORDER BY min(staged_at)`
)

// queueArchived adds where the events' raw bytes lie. Their progress rows are new and locked, so no other worker can
// be at the same keys, and their order does not matter.
func (t *Tenant) queueArchived(b *pgx.Batch, eventIDs []uuid.UUID, spans []store.Span) {
	if len(spans) > 0 {
		b.Queue(sqlArchive, t.spanColumns(eventIDs, spans)...)
	}
}

// queueStaged adds the events' raw bytes themselves; in no order, like queueArchived.
func (t *Tenant) queueStaged(b *pgx.Batch, eventIDs []uuid.UUID, frames []store.Frame) {
	if len(frames) > 0 {
		b.Queue(sqlStage, t.key(), uuids(eventIDs),
			column(frames, func(f store.Frame) []byte { return f.SHA256[:] }),
			column(frames, func(f store.Frame) []byte { return f.Packed }))
	}
}

func (t *Tenant) spanColumns(eventIDs []uuid.UUID, spans []store.Span) []any {
	return []any{
		t.key(), uuids(eventIDs),
		column(spans, func(s store.Span) string { return s.Key }),
		column(spans, func(s store.Span) int64 { return s.Offset }),
		column(spans, func(s store.Span) int64 { return s.Length }),
		column(spans, func(s store.Span) []byte { return s.SHA256[:] }),
	}
}

// RawPlace says where the raw bytes of an accepted event are, and holds them where they are still staged; else
// store.ErrNotFound.
func (t *Tenant) RawPlace(ctx context.Context, event uuid.UUID) (store.RawPlace, error) {
	var places []store.RawPlace
	err := t.roundTrip(ctx, "find raw bytes", func(b *pgx.Batch) {
		b.Queue(sqlRawPlace, t.key(), [16]byte(event)).Query(collect(&places, scanRawPlace))
	})
	return only(places, err, "find raw bytes")
}

func scanRawPlace(row pgx.CollectableRow) (store.RawPlace, error) {
	var place store.RawPlace
	var packed, digest []byte
	if err := row.Scan(&packed, &digest, &place.Span.Key, &place.Span.Offset, &place.Span.Length); err != nil {
		return place, err
	}
	if packed != nil {
		return store.RawPlace{Staged: &store.Frame{Packed: packed, SHA256: [32]byte(digest)}}, nil
	}
	place.Span.SHA256 = [32]byte(digest)
	return place, nil
}

// StagedRaw lists raw bytes that were staged longer ago than after, in the order in which they were: as many as make up
// so many packed bytes, the last one included.
//
// For ingestion's sake no index knows that order: all that is staged of the tenant is read. After a long outage of the
// object store that is much, and has to be done all the same, or it would only become more.
func (t *Tenant) StagedRaw(ctx context.Context, after time.Duration, bytes int64) ([]store.StagedRaw, error) {
	var staged []store.StagedRaw
	err := t.db.roundTripWithin(ctx, scanTimeout, "list staged raw bytes", tenantView(t.id), func(b *pgx.Batch) {
		b.Queue(sqlStagedRaw, t.key(), after, bytes).Query(collect(&staged, func(row pgx.CollectableRow) (store.StagedRaw, error) {
			var s store.StagedRaw
			var digest []byte
			err := row.Scan((*[16]byte)(&s.Event), &s.StagedAt, &digest, &s.Frame.Packed)
			copy(s.Frame.SHA256[:], digest)
			return s, err
		}))
	})
	return staged, err
}

// Unstage puts spans of a stored object in the place of staged bytes, in one transaction: the events' raw bytes lie there
// from now on. What is not staged is left as it is.
func (t *Tenant) Unstage(ctx context.Context, eventIDs []uuid.UUID, spans []store.Span) error {
	return t.roundTrip(ctx, "unstage raw bytes", func(b *pgx.Batch) {
		b.Queue(sqlUnstage, t.spanColumns(eventIDs, spans)...)
	})
}

// Staging says what waits in Postgres to be archived, of each tenant that has such; the one that waits longest first. It
// reads all of it.
func (p *Platform) Staging(ctx context.Context) ([]store.Staging, error) {
	var staging []store.Staging
	err := p.db.roundTripWithin(ctx, scanTimeout, "list what is staged", platformView, func(b *pgx.Batch) {
		b.Queue(sqlScan)
		b.Queue(sqlStaging).Query(collect(&staging, func(row pgx.CollectableRow) (store.Staging, error) {
			var s store.Staging
			err := row.Scan((*[16]byte)(&s.Tenant), &s.Events, &s.Bytes, &s.Oldest)
			return s, err
		}))
	})
	return staging, err
}
