package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// standing looks up what is known of properties named r; each look-up is one in a primary key, see byKey.
const standing = `
LEFT JOIN LATERAL (SELECT version_at, version_seq, passed FROM verdicts
	WHERE tenant_id = $1 AND record_type = 'property' AND record_key = r.record_key OFFSET 0) v ON true
LEFT JOIN LATERAL (SELECT version_at, version_seq FROM embeddings
	WHERE tenant_id = $1 AND model = $2 AND record_key = r.record_key OFFSET 0) e ON true
LEFT JOIN LATERAL (SELECT version_at, version_seq, present FROM index_entries
	WHERE tenant_id = $1 AND record_key = r.record_key OFFSET 0) i ON true
LEFT JOIN LATERAL (SELECT finished_at IS NULL AS unfinished, occurred_at FROM progress
	WHERE tenant_id = $1 AND event_uid = r.event_uid OFFSET 0) p ON true
ORDER BY r.record_key`

const standingColumns = `
SELECT r.record_key, r.version_at, r.version_seq, r.deleted, r.event_uid,
	coalesce((v.version_at, v.version_seq) = (r.version_at, r.version_seq), false), coalesce(v.passed, false),
	coalesce((e.version_at, e.version_seq) = (r.version_at, r.version_seq), false),
	coalesce(p.unfinished, false), coalesce(p.occurred_at, r.version_at), i.version_at, i.version_seq, i.present
FROM `

const (
	sqlStandingsAfter = standingColumns + `(SELECT * FROM properties
	WHERE tenant_id = $1 AND record_key > $3 ORDER BY record_key LIMIT $4) r` + standing

	sqlStandings = standingColumns + `unnest($3::text[]) AS k (key) CROSS JOIN LATERAL (SELECT * FROM properties
	WHERE tenant_id = $1 AND record_key = k.key OFFSET 0) r` + standing

	// Only an entry that is still as it was seen is changed; its row is there, because nobody may delete one.
	sqlDoubtEntries = `
INSERT INTO index_entries AS i (tenant_id, record_key, version_at, version_seq, present)
SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::boolean[])
ON CONFLICT (tenant_id, record_key) DO UPDATE SET present = excluded.present, indexed_at = now()
WHERE (i.version_at, i.version_seq) = (excluded.version_at, excluded.version_seq) AND i.present <> excluded.present`
)

var sqlExisting = byKey("r.record_key", "properties", "")

// StandingsAfter lists what is known of the tenant's properties, a page in the order of their keys; the empty key
// begins.
func (t *Tenant) StandingsAfter(ctx context.Context, model, after string, limit int) ([]store.IndexStanding, error) {
	return t.standings(ctx, sqlStandingsAfter, model, after, limit)
}

// Standings says what is known of these properties, in the order of their keys; those that do not exist are left out.
func (t *Tenant) Standings(ctx context.Context, model string, keys []string) ([]store.IndexStanding, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	return t.standings(ctx, sqlStandings, model, keys)
}

func (t *Tenant) standings(ctx context.Context, sql, model string, params ...any) ([]store.IndexStanding, error) {
	var standings []store.IndexStanding
	err := t.roundTrip(ctx, "compare the index", func(b *pgx.Batch) {
		b.Queue(sql, append([]any{t.key(), model}, params...)...).Query(collect(&standings, scanStanding))
	})
	return standings, err
}

func scanStanding(row pgx.CollectableRow) (store.IndexStanding, error) {
	var s store.IndexStanding
	var acted versionRow
	var present *bool
	err := row.Scan(&s.Key, &s.Version.At, &s.Version.Sequence, &s.Deleted, (*[16]byte)(&s.Event),
		&s.Judged, &s.Passed, &s.Embedded, &s.Unfinished, &s.OccurredAt, &acted.at, &acted.sequence, &present)
	if present != nil {
		s.Entry = &store.IndexEntry{Key: s.Key, Version: acted.version(), Present: *present}
	}
	return s, err
}

// Existing lists which of the keys are properties' keys, those of tombstones among them.
func (t *Tenant) Existing(ctx context.Context, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var existing []string
	err := t.roundTrip(ctx, "look up properties", func(b *pgx.Batch) {
		b.Queue(sqlExisting, t.key(), keys).Query(collect(&existing, pgx.RowTo[string]))
	})
	return existing, err
}

// Doubt turns index entries into the opposite of what they say, so that indexing finds them wanting when it is asked
// next, and acts. An entry that has changed since it was read stays as it is. No key may be named twice.
func (t *Tenant) Doubt(ctx context.Context, entries []store.IndexEntry) error {
	if len(entries) == 0 {
		return nil
	}
	e := slices.SortedFunc(slices.Values(entries), func(a, b store.IndexEntry) int { return cmp.Compare(a.Key, b.Key) })
	return t.roundTrip(ctx, "doubt index entries", func(b *pgx.Batch) {
		b.Queue(sqlDoubtEntries, t.key(),
			column(e, func(e store.IndexEntry) string { return e.Key }),
			column(e, func(e store.IndexEntry) time.Time { return e.Version.At }),
			column(e, func(e store.IndexEntry) int64 { return e.Version.Sequence }),
			column(e, func(e store.IndexEntry) bool { return !e.Present }))
	})
}
