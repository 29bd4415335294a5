package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// Those who may have an id: the UID that it is, or that follows from id and source, and those that are indexed under
	// it. Where the source is given, only a letter may lack it.
	sqlFindEvents = `
SELECT event_uid, max(event_id), max(source) FROM (
	SELECT event_uid, event_id, source FROM receipts WHERE tenant_id = $1 AND event_uid = ANY ($2::uuid[])
	UNION ALL
	SELECT event_uid, event_id, coalesce(source, '') FROM progress WHERE tenant_id = $1 AND event_uid = ANY ($2::uuid[])
	UNION ALL
	SELECT event_uid, event_id, source FROM receipts
	WHERE tenant_id = $1 AND event_id = $3 AND event_id <> event_uid::text
	UNION ALL
	SELECT event_uid, event_id, coalesce(source, '') FROM progress
	WHERE tenant_id = $1 AND event_id = $3 AND event_id <> event_uid::text
	UNION ALL
	SELECT NULL, event_id, '' FROM dead_letters WHERE tenant_id = $1 AND event_id = $3 AND event_uid IS NULL
) found (event_uid, event_id, source)
WHERE $4 IN ('', source) OR source = '' AND (event_uid IS NULL OR event_uid = ANY ($2::uuid[]))
GROUP BY event_uid ORDER BY max(source), event_uid LIMIT $5`

	sqlReceipt = `
SELECT event_uid, event_id, source, event_type, received_at, received_by, run_id, lane
FROM receipts WHERE tenant_id = $1 AND event_uid = $2`

	sqlProgress = `
SELECT event_type, coalesce(record_type, ''), coalesce(record_key, ''), version_at, version_seq, occurred_at, accepted_at,
	run_id, lane, coalesce(stage, ''), ingested_at, judged_at, embedded_at, indexed_at, finished_at,
	coalesce(ended_in, ''), coalesce(outcome, ''), coalesce(reason, ''), redriven_at, redrives
FROM progress WHERE tenant_id = $1 AND event_uid = $2`

	sqlVerdictOfEvent = `
SELECT v.record_type, v.record_key, v.version_at, v.version_seq, v.suite, v.passed, v.failures::text, v.judged_at
FROM progress p JOIN verdicts v ON v.tenant_id = p.tenant_id AND (v.record_type, v.record_key) = (p.record_type, p.record_key)
	AND (v.version_at, v.version_seq) = (p.version_at, p.version_seq)
WHERE p.tenant_id = $1 AND p.event_uid = $2 AND p.judged_at IS NOT NULL`

	sqlLettersOfEvent = `
SELECT id, stage, reason, error, attempts, first_failed_at, failed_at FROM (
	SELECT * FROM dead_letters WHERE tenant_id = $1 AND event_uid = $2
	UNION ALL
	SELECT * FROM dead_letters WHERE tenant_id = $1 AND event_id = $3 AND event_uid IS NULL
) letters ORDER BY failed_at, id LIMIT $4`

	sqlPausesOfTenant = `
SELECT tenant_id, stage, paused_at, paused_by, why, resumed_at FROM pauses WHERE tenant_id = $1 AND resumed_at IS NULL ORDER BY stage`
)

// Bounds of what is said of one id.
const (
	maxEventRefs    = 20
	maxTrailLetters = 20
)

// FindEvents finds the events that have an id: the upstream's, or a UID. Several sources may use the same id; an empty
// source asks for all of them. At most 20 are returned, by source; none is no error.
func (t *Tenant) FindEvents(ctx context.Context, id, source string) ([]store.EventRef, error) {
	id, source = printable(id), printable(source)
	candidates := [][16]byte{}
	if uid, err := uuid.Parse(id); err == nil && uid != uuid.Nil {
		candidates = append(candidates, uid)
	}
	if source != "" {
		candidates = append(candidates, events.Event{ID: id, Source: source}.UID())
	}
	var refs []store.EventRef
	err := t.roundTrip(ctx, "find events", func(b *pgx.Batch) {
		b.Queue(sqlFindEvents, t.key(), candidates, id, source, maxEventRefs).Query(collect(&refs, scanEventRef))
	})
	if len(refs) > 1 { // a letter that only has the id belongs to them all
		refs = slices.DeleteFunc(refs, func(ref store.EventRef) bool { return ref.Event == uuid.Nil })
	}
	return refs, err
}

func scanEventRef(row pgx.CollectableRow) (store.EventRef, error) {
	var ref store.EventRef
	var uid *[16]byte
	err := row.Scan(&uid, &ref.ID, &ref.Source)
	if uid != nil {
		ref.Event = *uid
	}
	return ref, err
}

// Trail is everything that is known of an event, at one moment.
func (t *Tenant) Trail(ctx context.Context, ref store.EventRef) (trail store.Trail, err error) {
	err = t.db.transact(ctx, "read trail", func(tx *transaction) error {
		var receipts []store.Receipt
		var progress []store.Progress
		var verdicts []store.Verdict
		trail = store.Trail{Ref: ref}
		batch := tx.beginSnapshot(tenantView(t.id))
		uid := [16]byte(ref.Event)
		batch.Queue(sqlReceipt, t.key(), uid).Query(collect(&receipts, scanReceipt))
		batch.Queue(sqlProgress, t.key(), uid).Query(collect(&progress, scanProgress))
		batch.Queue(sqlVerdictOfEvent, t.key(), uid).Query(collect(&verdicts, scanVerdict))
		batch.Queue(sqlLettersOfEvent, t.key(), uid, ref.ID, maxTrailLetters).Query(collect(&trail.Letters, scanTrailLetter))
		batch.Queue(sqlPausesOfTenant, t.key()).Query(collect(&trail.Pauses, scanPause))
		if err := tx.send(ctx, batch); err != nil {
			return err
		}
		trail.Receipt, trail.Progress, trail.Verdict = first(receipts), first(progress), first(verdicts)
		last := &pgx.Batch{}
		held := map[store.Ref]store.Held{}
		if trail.Progress != nil {
			ref := trail.Progress.Ref
			if _, err := statementsFor(ref.Type); err == nil { // an event that died may name a type that there is not
				t.queueHeld(last, map[events.RecordType][]string{ref.Type: {ref.Key}}, held)
			}
		}
		if err := tx.commit(ctx, last); err != nil {
			return err
		}
		for _, newest := range held {
			trail.Newest = &newest
		}
		return nil
	})
	return trail, err
}

// first is the first of a list, nil where it is empty.
func first[T any](list []T) *T {
	if len(list) == 0 {
		return nil
	}
	return &list[0]
}

func scanReceipt(row pgx.CollectableRow) (store.Receipt, error) {
	var r store.Receipt
	err := row.Scan((*[16]byte)(&r.Event), &r.ID, &r.Source, &r.Type, &r.ReceivedAt, &r.By, &r.RunID, &r.Lane)
	return r, err
}

func scanProgress(row pgx.CollectableRow) (store.Progress, error) {
	var p store.Progress
	var at, ingested, judged, embedded, indexed, finished, redriven *time.Time
	var sequence *int64
	err := row.Scan(&p.Type, &p.Ref.Type, &p.Ref.Key, &at, &sequence, &p.OccurredAt, &p.AcceptedAt, &p.RunID, &p.Lane, &p.Waiting,
		&ingested, &judged, &embedded, &indexed, &finished, &p.EndedIn, &p.Outcome, &p.Reason, &redriven, &p.Redrives)
	p.Version = version(at, sequence)
	none := &time.Time{}
	p.IngestedAt, p.JudgedAt, p.EmbeddedAt = *cmp.Or(ingested, none), *cmp.Or(judged, none), *cmp.Or(embedded, none)
	p.IndexedAt, p.FinishedAt, p.RedrivenAt = *cmp.Or(indexed, none), *cmp.Or(finished, none), *cmp.Or(redriven, none)
	return p, err
}

func scanTrailLetter(row pgx.CollectableRow) (store.TrailLetter, error) {
	var l store.TrailLetter
	err := row.Scan((*[16]byte)(&l.ID), &l.Stage, &l.Reason, &l.Error, &l.Attempts, &l.FirstFailedAt, &l.FailedAt)
	return l, err
}
