package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// JOINs name the key itself, so that each is a look-up of its own.
var sqlIndexStates = byKey(recordColumns+`, v.version_at, v.version_seq, v.passed,
		e.version_at, e.version_seq, e.vector, i.version_at, i.version_seq, i.present`, "properties", `
	LEFT JOIN verdicts v ON v.tenant_id = $1 AND v.record_type = 'property' AND v.record_key = k.key
	LEFT JOIN embeddings e ON e.tenant_id = $1 AND e.model = $3 AND e.record_key = k.key
	LEFT JOIN index_entries i ON i.tenant_id = $1 AND i.record_key = k.key`)

const (
	sqlPresentKeys = `
SELECT record_key FROM index_entries WHERE tenant_id = $1 AND record_key > $2 AND present ORDER BY record_key LIMIT $3`

	// Invariants 2 and 3: an older version, or what is there already, is not granted.
	sqlGrantEntries = `
INSERT INTO index_entries AS i (tenant_id, record_key, version_at, version_seq, present)
SELECT $1, * FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::boolean[])
ON CONFLICT (tenant_id, record_key) DO UPDATE SET
	version_at = excluded.version_at, version_seq = excluded.version_seq, present = excluded.present, indexed_at = now()
WHERE (i.version_at, i.version_seq) <= (excluded.version_at, excluded.version_seq)
	AND (i.version_at, i.version_seq, i.present) IS DISTINCT FROM (excluded.version_at, excluded.version_seq, excluded.present)
RETURNING record_key`
)

// IndexStates loads everything that decides whether search may find the properties that exist, tombstones among them;
// in no order.
func (t *Tenant) IndexStates(ctx context.Context, model string, wanted []store.Wanted) ([]store.IndexState, error) {
	if states, ok := take[store.IndexState](t, events.Indexing, model, wanted); ok {
		return states, nil
	}
	return t.indexStates(ctx, model, keysOf(wanted))
}

func (t *Tenant) indexStates(ctx context.Context, model string, keys []string) ([]store.IndexState, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	var states []store.IndexState
	err := t.transact(ctx, "load index states", len(keys), work{first: func(b *pgx.Batch) {
		b.Queue(sqlIndexStates, t.key(), keys, model).Query(collect(&states, scanIndexState))
	}})
	return states, err
}

// livePage is how many records liveIndex hands over at a time.
const livePage = 500

// liveIndex hands over what search finds of the tenant, page by page. A record that was deleted or not embedded by
// this model is left out, whatever its entry says.
func (t *Tenant) liveIndex(ctx context.Context, model string, page func([]store.IndexState) error) error {
	for after := ""; ; {
		keys, err := t.presentKeys(ctx, after, livePage)
		if err != nil || len(keys) == 0 {
			return err
		}
		states, err := t.indexStates(ctx, model, keys)
		if err != nil {
			return err
		}
		states = slices.DeleteFunc(states, func(s store.IndexState) bool { return s.Record.Deleted || s.Vector == nil })
		if len(states) > 0 {
			if err := page(states); err != nil {
				return err
			}
		}
		after = keys[len(keys)-1]
	}
}

// presentKeys lists a page of what search finds, in the order of keys.
func (t *Tenant) presentKeys(ctx context.Context, after string, limit int) ([]string, error) {
	var keys []string
	err := t.roundTrip(ctx, "list index entries", func(b *pgx.Batch) {
		b.Queue(sqlPresentKeys, t.key(), after, limit).Query(collect(&keys, pgx.RowTo[string]))
	})
	return keys, err
}

// versionRow reads a version that may be absent.
type versionRow struct {
	at       *time.Time
	sequence *int64
}

func (v versionRow) version() events.Version { return version(v.at, v.sequence) }

func scanIndexState(row pgx.CollectableRow) (store.IndexState, error) {
	var state store.IndexState
	var r recordRow
	var judged, embedded, acted versionRow
	var passed, present *bool
	var vector []byte
	err := row.Scan(append(r.targets(), &judged.at, &judged.sequence, &passed,
		&embedded.at, &embedded.sequence, &vector, &acted.at, &acted.sequence, &present)...)
	if err != nil {
		return state, err
	}
	if state.Record, err = r.stored(events.Property); err != nil {
		return state, err
	}
	if passed != nil {
		state.Verdict = &store.Verdict{Ref: state.Record.Ref, Version: judged.version(), Passed: *passed}
	}
	state.Embedded, state.Vector = embedded.version(), vectorOf(vector)
	if present != nil {
		state.Entry = &store.IndexEntry{Key: state.Record.Ref.Key, Version: acted.version(), Present: *present}
	}
	return state, nil
}

// Index writes entries under their version guard, calls apply with the keys that changed while their rows are locked,
// and commits with the advances when apply succeeded; else nothing is written, and apply's error is passed on.
// apply is not called for no keys. It may be called again, when the transaction lost against others. No key may be
// named twice.
//
// Invariant 3: whoever comes with another version of a record waits for the lock until the side effect is done.
func (t *Tenant) Index(
	ctx context.Context, entries []store.IndexEntry, apply func(ctx context.Context, granted []string) error, advances []store.Advance,
) error {
	if len(entries) == 0 {
		return t.Advance(ctx, advances)
	}
	e := slices.SortedFunc(slices.Values(entries), func(a, b store.IndexEntry) int { return cmp.Compare(a.Key, b.Key) })
	var granted []string
	return t.transact(ctx, "index", len(entries), work{
		first: func(b *pgx.Batch) {
			b.Queue(sqlGrantEntries, t.key(),
				column(e, func(e store.IndexEntry) string { return e.Key }),
				column(e, func(e store.IndexEntry) time.Time { return e.Version.At }),
				column(e, func(e store.IndexEntry) int64 { return e.Version.Sequence }),
				column(e, func(e store.IndexEntry) bool { return e.Present })).Query(collect(&granted, pgx.RowTo[string]))
		},
		between: func(ctx context.Context) error {
			if len(granted) == 0 {
				return nil
			}
			return apply(ctx, granted)
		},
		last: func(b *pgx.Batch) { t.queueAdvances(b, advances) },
	})
}
