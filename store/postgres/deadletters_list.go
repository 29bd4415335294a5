package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlLetterColumns = `
SELECT l.tenant_id, l.id, event_uid, event_id, event_type, record_type, record_key, version_at, version_seq, stage, lane, reason,
	error, attempts, failed_times, worker_version, routing_key, run_id, traceparent, first_failed_at, l.failed_at,
	kind, fingerprint, state, discarded_at, coalesce(discarded_by, ''), coalesce(discarded_why, ''),
	replayed_at, coalesce(replayed_run, ''), replayed_event, octet_length(payload)`
	sqlLetterWhole   = `, header_names, header_values, payload`
	sqlLetterSummary = `, NULL::bytea[], NULL::bytea[], NULL::bytea`

	// All tenants that ever had a letter, those that nobody knows among them.
	lettersOwners = `(SELECT DISTINCT tenant_id FROM dead_letter_groups) o`

	sqlDeadLetter    = sqlLetterColumns + sqlLetterWhole + ` FROM dead_letters l WHERE tenant_id = $1 AND id = $2`
	sqlAnyDeadLetter = sqlLetterColumns + sqlLetterWhole + `
FROM ` + lettersOwners + ` CROSS JOIN LATERAL (SELECT * FROM dead_letters WHERE tenant_id = o.tenant_id AND id = $1 OFFSET 0) l LIMIT 1`

	// What became of letters' replays, and which of them a newer version of their record has overtaken: newer than the
	// letter's own, or accepted after it died, where the letter does not say.
	sqlLetterStandings = `
SELECT l.id, coalesce(r.stage, ''), coalesce(r.outcome, ''), coalesce(r.reason, ''), l.record_key <> '' AND EXISTS (
	SELECT FROM progress p WHERE p.tenant_id = $1 AND p.record_key = l.record_key AND p.record_type = l.record_type
		AND p.outcome IN ('done', 'quarantined') AND p.event_uid IS DISTINCT FROM l.event_uid
		AND p.event_uid IS DISTINCT FROM l.replayed_event
		AND CASE WHEN l.version_at IS NULL THEN p.accepted_at > l.failed_at
			ELSE (p.version_at, p.version_seq) > (l.version_at, l.version_seq) END)
FROM unnest($2::uuid[]) AS k (id)
CROSS JOIN LATERAL (SELECT * FROM dead_letters WHERE tenant_id = $1 AND id = k.id OFFSET 0) l
LEFT JOIN LATERAL (SELECT * FROM progress WHERE tenant_id = $1 AND event_uid = l.replayed_event OFFSET 0) r ON true`
)

// defaultLetters is the page of a listing that names no limit.
const defaultLetters = 50

// DeadLetters lists the tenant's letters, newest first.
func (t *Tenant) DeadLetters(ctx context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	c := &letterConditions{}
	owner := c.param(t.key())
	letters, err := list(ctx, t.roundTrip, c, filter, func(keys string) string {
		return `(SELECT tenant_id, id, failed_at FROM dead_letters WHERE tenant_id = ` + owner + keys + `) k`
	})
	if err != nil {
		return nil, err
	}
	return letters, t.standingOf(ctx, letters)
}

// DeadLetters lists the letters of all tenants, those of store.PlatformTenant among them, newest first.
func (p *Platform) DeadLetters(ctx context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	letters, err := list(ctx, p.roundTrip, &letterConditions{}, filter, func(keys string) string {
		return lettersOwners + ` CROSS JOIN LATERAL (SELECT tenant_id, id, failed_at FROM dead_letters WHERE tenant_id = o.tenant_id` + keys + `) k`
	})
	if err != nil {
		return nil, err
	}
	return letters, p.standingOf(ctx, letters)
}

// list reads a page: first its keys, from indexes alone, then how large their payloads are, where these are asked for, and
// then the letters. A payload's length is known without reading it.
func list(
	ctx context.Context, send roundTrip, c *letterConditions, filter store.DeadLetterFilter, keys func(conditions string) string,
) ([]store.DeadLetter, error) {
	c.letters(filter)
	c.after(filter.After)
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultLetters
	}
	const newest = ` ORDER BY failed_at DESC, id DESC LIMIT `
	n := c.param(limit)
	page := `(SELECT k.* FROM ` + keys(c.sql.String()+newest+n) + ` ORDER BY k.failed_at DESC, k.id DESC LIMIT ` + n + `) k`
	columns := sqlLetterColumns + sqlLetterSummary
	if filter.Whole {
		columns = sqlLetterColumns + sqlLetterWhole
		page = `(SELECT * FROM (SELECT k.*, sum(s.bytes) OVER (ORDER BY k.failed_at DESC, k.id DESC) - s.bytes AS before FROM ` + page + `
	CROSS JOIN LATERAL (SELECT octet_length(payload) AS bytes FROM dead_letters WHERE tenant_id = k.tenant_id AND id = k.id OFFSET 0) s) k
WHERE before < ` + c.param(store.PageBytes) + `) k`
	}
	statement := columns + ` FROM ` + page + `
CROSS JOIN LATERAL (SELECT * FROM dead_letters WHERE tenant_id = k.tenant_id AND id = k.id OFFSET 0) l
ORDER BY l.failed_at DESC, l.id DESC`
	var letters []store.DeadLetter
	err := send(ctx, "list dead letters", func(b *pgx.Batch) {
		b.Queue(statement, c.args...).Query(collect(&letters, scanDeadLetter))
	})
	return letters, err
}

// DeadLetter returns one of the tenant's letters, whole; else store.ErrNotFound.
func (t *Tenant) DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := t.roundTrip(ctx, "find dead letter", func(b *pgx.Batch) {
		b.Queue(sqlDeadLetter, t.key(), [16]byte(id)).Query(collect(&letters, scanDeadLetter))
	})
	if err == nil {
		err = t.standingOf(ctx, letters)
	}
	return only(letters, err, "find dead letter")
}

// DeadLetter returns any tenant's letter, whole; else store.ErrNotFound.
func (p *Platform) DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error) {
	var letters []store.DeadLetter
	err := p.roundTrip(ctx, "find dead letter", func(b *pgx.Batch) {
		b.Queue(sqlAnyDeadLetter, [16]byte(id)).Query(collect(&letters, scanDeadLetter))
	})
	if err == nil {
		err = p.standingOf(ctx, letters)
	}
	return only(letters, err, "find dead letter")
}

// standingOf fills in what became of letters' replays, and which of them are overtaken.
func (t *Tenant) standingOf(ctx context.Context, letters []store.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	byID := make(map[uuid.UUID]*store.DeadLetter, len(letters))
	for i := range letters {
		byID[letters[i].ID] = &letters[i]
	}
	return t.roundTrip(ctx, "look what became of dead letters", func(b *pgx.Batch) {
		b.Queue(sqlLetterStandings, t.key(), uuids(letterIDs(letters))).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var standing store.LetterReplay
			var overtaken bool
			_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id), &standing.Waiting, &standing.Outcome, &standing.Reason, &overtaken}, func() error {
				l := byID[id]
				l.Overtaken = overtaken
				if l.Replay != nil {
					l.Replay.Waiting, l.Replay.Outcome, l.Replay.Reason = standing.Waiting, standing.Outcome, standing.Reason
				}
				return nil
			})
			return err
		})
	})
}

// standingOf looks each letter up by its own tenant's handle: the platform has no right to what it takes. Of a tenant that
// is being deleted nothing is said.
func (p *Platform) standingOf(ctx context.Context, letters []store.DeadLetter) error {
	parts := map[uuid.UUID][]int{}
	for i, l := range letters {
		parts[l.Tenant] = append(parts[l.Tenant], i)
	}
	for tenant, places := range parts {
		part := column(places, func(i int) store.DeadLetter { return letters[i] })
		err := p.db.Tenant(tenant).standingOf(ctx, part)
		if err != nil && !errors.Is(err, store.ErrTenantDeleted) {
			return err
		}
		for n, i := range places {
			letters[i] = part[n]
		}
	}
	return nil
}

func scanDeadLetter(row pgx.CollectableRow) (store.DeadLetter, error) {
	var l store.DeadLetter
	var event, replayedEvent *[16]byte
	var versionAt, discardedAt, replayedAt *time.Time
	var versionSeq *int64
	var discard store.LetterDiscard
	var replay store.LetterReplay
	var names, values [][]byte
	var routingKey []byte
	err := row.Scan((*[16]byte)(&l.Tenant), (*[16]byte)(&l.ID), &event, &l.EventID, &l.EventType, &l.RecordType, &l.Key,
		&versionAt, &versionSeq, &l.Stage, &l.Lane, &l.Reason, &l.Error, &l.Attempts, &l.Failures, &l.WorkerVersion, &routingKey,
		&l.RunID, &l.TraceParent, &l.FirstFailedAt, &l.FailedAt, &l.Kind, &l.Fingerprint, &l.State,
		&discardedAt, &discard.By, &discard.Why, &replayedAt, &replay.RunID, &replayedEvent, &l.PayloadBytes, &names, &values, &l.Payload)
	if err != nil {
		return l, err
	}
	if event != nil {
		l.Event = *event
	}
	if discardedAt != nil {
		discard.At = *discardedAt
		l.Discard = &discard
	}
	if replayedAt != nil {
		replay.At, replay.Event = *replayedAt, *replayedEvent
		l.Replay = &replay
	}
	for i, at := range l.Failures {
		l.Failures[i] = at.UTC()
	}
	if len(l.Failures) == 0 {
		l.Failures = nil
	}
	l.Version, l.RoutingKey = version(versionAt, versionSeq), string(routingKey)
	if names != nil {
		l.Headers = make(map[string]string, len(names))
		for i, name := range names {
			l.Headers[string(name)] = string(values[i])
		}
	}
	return l, nil
}
