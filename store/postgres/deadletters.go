package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// A letter that is there already changes nothing, its event's progress included.
	//
	// Invariants 2, 5 and 6: the letter and the end of its event are committed together. An event that died before
	// anybody accepted it gets its row here; one that is finished stays as it is.
	sqlSaveDeadLetter = `
WITH kept AS (
	INSERT INTO dead_letters (tenant_id, id, event_uid, event_id, event_type, record_type, record_key, stage, lane, reason,
		error, attempts, routing_key, header_names, header_values, payload, run_id, first_failed_at, failed_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
	ON CONFLICT (tenant_id, id) DO NOTHING
	RETURNING event_uid, event_id, event_type, record_type, record_key, coalesce(nullif(stage, ''), 'deadletters') AS stage,
		lane, reason, run_id, first_failed_at
), died AS (
	INSERT INTO progress AS p (tenant_id, event_uid, event_id, event_type, record_type, record_key, occurred_at,
		run_id, traceparent, lane, ended_in, outcome, reason, finished_at)
	SELECT $1, event_uid, event_id, event_type, nullif(record_type, ''), nullif(record_key, ''), first_failed_at,
		run_id, '', lane, stage, 'dead', reason, now()
	FROM kept WHERE event_uid IS NOT NULL
	ON CONFLICT (tenant_id, event_uid) DO UPDATE SET
		stage = NULL, ended_in = excluded.ended_in, outcome = 'dead', reason = excluded.reason, finished_at = now()
	WHERE p.finished_at IS NULL
	RETURNING p.ended_in AS stage, p.outcome, p.reason
)
` + sqlCountEndings + ` FROM died` + sqlAddEndings

	sqlLetterColumns = `
SELECT tenant_id, id, event_uid, event_id, event_type, record_type, record_key, stage, lane, reason,
	error, attempts, routing_key, header_names, header_values, payload, run_id, first_failed_at, failed_at
FROM dead_letters`
	sqlLetterFilter = `($1 = '' OR stage = $1) AND ($2 = '' OR reason = $2) AND (failed_at, id) < ($3, $4)
ORDER BY failed_at DESC, id DESC LIMIT $5`
	sqlDeadLetters    = sqlLetterColumns + ` WHERE tenant_id = $6 AND ` + sqlLetterFilter
	sqlDeadLetter     = sqlLetterColumns + ` WHERE tenant_id = $1 AND id = $2`
	sqlAllDeadLetters = sqlLetterColumns + ` WHERE ` + sqlLetterFilter
	sqlAnyDeadLetter  = sqlLetterColumns + ` WHERE id = $1 LIMIT 1`
)

// defaultLetters is the page of a listing that names no limit.
const defaultLetters = 50

// SaveDeadLetters keeps letters, each once by its id, and ends their events' progress as dead, in one transaction. An
// event that was never accepted gets a finished row; one that is finished already stays as it is.
func (t *Tenant) SaveDeadLetters(ctx context.Context, letters []store.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	// Statement by statement: headers are lists of their own, and letters are rare.
	sorted := slices.SortedFunc(slices.Values(letters), func(a, b store.DeadLetter) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return t.roundTrip(ctx, "save dead letters", func(b *pgx.Batch) {
		for _, letter := range sorted {
			b.Queue(sqlSaveDeadLetter, t.letterColumns(letter)...)
		}
	})
}

func (t *Tenant) letterColumns(l store.DeadLetter) []any {
	names := slices.Sorted(maps.Keys(l.Headers))
	payload := l.Payload
	if payload == nil {
		payload = []byte{} // NULL is for what is not known
	}
	return []any{
		t.key(), [16]byte(l.ID), nullableUUID(l.Event), printable(l.EventID), printable(l.EventType),
		printable(string(l.RecordType)), printable(l.Key), printable(string(l.Stage)), printable(l.Lane),
		printable(string(l.Reason)), printable(l.Error), l.Attempts, []byte(l.RoutingKey),
		column(names, func(name string) []byte { return []byte(name) }),
		column(names, func(name string) []byte { return []byte(l.Headers[name]) }),
		payload, printable(l.RunID), l.FirstFailedAt, l.FailedAt,
	}
}

// DeadLetters lists the tenant's letters, newest first.
func (t *Tenant) DeadLetters(ctx context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := t.roundTrip(ctx, "list dead letters", func(b *pgx.Batch) {
		b.Queue(sqlDeadLetters, append(filterParams(filter), t.key())...).Query(collect(&letters, scanDeadLetter))
	})
	return letters, err
}

// DeadLetter returns one of the tenant's letters; else store.ErrNotFound.
func (t *Tenant) DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := t.roundTrip(ctx, "find dead letter", func(b *pgx.Batch) {
		b.Queue(sqlDeadLetter, t.key(), [16]byte(id)).Query(collect(&letters, scanDeadLetter))
	})
	return only(letters, err, "find dead letter")
}

// DeadLetters lists the letters of all tenants, those of store.PlatformTenant among them, newest first.
func (p *Platform) DeadLetters(ctx context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := p.roundTrip(ctx, "list dead letters", func(b *pgx.Batch) {
		b.Queue(sqlAllDeadLetters, filterParams(filter)...).Query(collect(&letters, scanDeadLetter))
	})
	return letters, err
}

// DeadLetter returns any tenant's letter; else store.ErrNotFound.
func (p *Platform) DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := p.roundTrip(ctx, "find dead letter", func(b *pgx.Batch) {
		b.Queue(sqlAnyDeadLetter, [16]byte(id)).Query(collect(&letters, scanDeadLetter))
	})
	return only(letters, err, "find dead letter")
}

// filterParams are the parameters of sqlLetterFilter.
func filterParams(filter store.DeadLetterFilter) []any {
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultLetters
	}
	before := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if !filter.After.FailedAt.IsZero() {
		before = pgtype.Timestamptz{Time: filter.After.FailedAt, Valid: true}
	}
	return []any{string(filter.Stage), string(filter.Reason), before, [16]byte(filter.After.ID), limit}
}

func scanDeadLetter(row pgx.CollectableRow) (store.DeadLetter, error) {
	var l store.DeadLetter
	var event *[16]byte
	var names, values [][]byte
	var routingKey []byte
	err := row.Scan((*[16]byte)(&l.Tenant), (*[16]byte)(&l.ID), &event, &l.EventID, &l.EventType, &l.RecordType, &l.Key,
		&l.Stage, &l.Lane, &l.Reason, &l.Error, &l.Attempts, &routingKey, &names, &values, &l.Payload, &l.RunID,
		&l.FirstFailedAt, &l.FailedAt)
	if err != nil {
		return l, err
	}
	if event != nil {
		l.Event = *event
	}
	l.RoutingKey = string(routingKey)
	l.Headers = make(map[string]string, len(names))
	for i, name := range names {
		l.Headers[string(name)] = string(values[i])
	}
	return l, nil
}
