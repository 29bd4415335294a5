package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Ingest reads what is known of the events and records named, lets plan decide, and writes the plan: two round trips, a
// transaction each. The plan's Archive runs between them: no row is locked while the object store takes its time. A few
// events are first taken for new, which is one round trip where it is true. plan may be called again.
//
// store.ErrConflict says that another worker wrote one of the events or records in the meantime: nothing is written,
// and the caller plans again. Errors of plan and Archive are passed on. store.ErrNotFound: there is no such tenant.
//
// Invariants 2, 3 and 6: an event's progress, its record and the place of its raw bytes are committed together.
func (t *Tenant) Ingest(
	ctx context.Context, eventIDs []uuid.UUID, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error),
) error {
	if done, err := t.ingestUnseen(ctx, refs, plan); done || err != nil {
		return err
	}
	known, err := t.known(ctx, eventIDs, refs)
	if err != nil {
		return err
	}
	decided, err := t.planOnce(ctx, known, plan)
	if err != nil {
		return err
	}
	if len(decided.Accepted)+len(decided.Records)+len(decided.Archived) == 0 {
		return nil
	}
	var spans []store.Span
	if decided.Staged == nil && len(decided.Archived) > 0 {
		if spans, err = decided.Archive(ctx); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
	}
	if kept := len(decided.Staged) + len(spans); kept != len(decided.Archived) {
		return fmt.Errorf("ingest: the raw bytes of %d events are kept, not of %d", kept, len(decided.Archived))
	}
	writes, err := t.writes(decided, spans)
	if err != nil {
		return err
	}
	err = t.transact(ctx, "ingest", max(len(decided.Accepted), len(decided.Records)),
		work{first: writes, onward: onwardOfAccepted(decided.Accepted)})
	if codeOf(err) == codeFewerRows {
		return fmt.Errorf("ingest: %w", store.ErrConflict)
	}
	return err
}

// planOnce lets plan decide, and once more where some of the events were accepted so long ago that only their raw bytes are
// left: such an event is late, for its record has been at its version or a newer one ever since. Others need no look-up.
func (t *Tenant) planOnce(
	ctx context.Context, known store.Known, plan func(store.Known) (store.IngestPlan, error),
) (store.IngestPlan, error) {
	decided, err := plan(known)
	var late []uuid.UUID
	for _, a := range decided.Accepted {
		if a.Reason == events.VersionOlder || a.Reason == events.VersionDuplicate {
			late = append(late, a.Event)
		}
	}
	if err != nil || len(late) == 0 {
		return decided, err
	}
	err = t.transact(ctx, "look up raw bytes", len(late), work{first: func(b *pgx.Batch) {
		known.Archived = map[uuid.UUID]bool{}
		b.Queue(sqlArchivedEvents, t.key(), uuids(late)).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id)}, func() error {
				known.Archived[id] = true
				return nil
			})
			return err
		})
	}})
	if err != nil || len(known.Archived) == 0 {
		return decided, err
	}
	return plan(known)
}

// ingestUnseen writes the plan for a few events as if nothing were known of them, where they come alone. It reports false,
// and has written nothing, where something is known.
//
// The guards of the writes find that out: an event that was accepted before ends the transaction, and so does a record
// that is held at the same version or a newer one. What is planned does not depend on older ones, but where a record is in
// the batch twice: the one held may come in between.
func (t *Tenant) ingestUnseen(
	ctx context.Context, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error),
) (done bool, err error) {
	if len(refs) > jointRows || named(refs) < len(refs) {
		return false, nil
	}
	alone, err := t.db.joint("look up what is known").whenIdle(func() error {
		decided, err := plan(store.Known{})
		if err != nil || decided.Staged == nil || len(decided.Staged) != len(decided.Archived) {
			return err
		}
		writes, err := t.writes(decided, nil)
		if err != nil {
			return err
		}
		err = t.aloneReadingAhead(ctx, "ingest", work{first: func(batch *pgx.Batch) {
			batch.Queue(sqlRequireTenant, t.key())
			writes(batch)
		}, onward: onwardOfAccepted(decided.Accepted)})
		done = err == nil
		return err
	})
	if !alone || codeOf(err) == codeFewerRows {
		return false, nil
	}
	return done, err
}

// named counts the records that refs name.
func named(refs []store.Ref) int {
	seen := make(map[store.Ref]struct{}, len(refs))
	for _, ref := range refs {
		seen[ref] = struct{}{}
	}
	return len(seen)
}

// known reads what Postgres knows of a batch.
func (t *Tenant) known(ctx context.Context, eventIDs []uuid.UUID, refs []store.Ref) (store.Known, error) {
	known := store.Known{
		Events:  make(map[uuid.UUID]bool, len(eventIDs)),
		Records: make(map[store.Ref]store.Held, len(refs)),
	}
	keys, err := keysByType(refs)
	if err != nil {
		return known, err
	}
	exists := false
	err = t.transact(ctx, "look up what is known", len(eventIDs), work{first: func(batch *pgx.Batch) {
		clear(known.Events)
		clear(known.Records)
		batch.Queue(sqlTenantExists, t.key()).QueryRow(func(row pgx.Row) error { return row.Scan(&exists) })
		batch.Queue(sqlKnownEvents, t.key(), uuids(eventIDs)).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id)}, func() error {
				known.Events[id] = true
				return nil
			})
			return err
		})
		t.queueHeld(batch, keys, known.Records)
	}})
	if err == nil && !exists {
		err = fmt.Errorf("ingest: tenant %s: %w", t.id, store.ErrNotFound)
	}
	return known, err
}

// writes returns the statements that store a plan. Each whose guard holds back a row, because another worker was faster,
// ends the transaction.
func (t *Tenant) writes(plan store.IngestPlan, spans []store.Span) (func(*pgx.Batch), error) {
	accepted := t.acceptedColumns(plan.Accepted)
	written := map[events.RecordType][]any{}
	byType := map[events.RecordType][]store.RecordWrite{}
	for _, write := range plan.Records {
		byType[write.Record.Type] = append(byType[write.Record.Type], write)
	}
	for record, writes := range byType {
		if _, err := statementsFor(record); err != nil {
			return nil, err
		}
		columns, err := t.writeColumns(record, writes)
		if err != nil {
			return nil, err
		}
		written[record] = columns
	}
	return func(batch *pgx.Batch) {
		if len(plan.Accepted) > 0 {
			batch.Queue(sqlAccept, accepted...)
		}
		for _, record := range events.RecordTypes { // in a fixed order, for the locks' sake
			if columns := written[record]; columns != nil {
				batch.Queue(recordStatements[record].write, columns...)
			}
		}
		t.queueArchived(batch, plan.Archived, spans)
		t.queueStaged(batch, plan.Archived, plan.Staged)
		t.queueEndings(batch, plan.Accepted)
	}, nil
}

// guarded makes a write end its transaction unless it writes a row for each value of $2.
func guarded(write string) string {
	return "WITH written AS (" + write + `
RETURNING true) SELECT require_rows(count(*), cardinality($2)) FROM written`
}

// codeFewerRows is the SQLSTATE with which require_rows ends a transaction.
const codeFewerRows = "RE010"

var sqlAccept = guarded(`
INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
	occurred_at, run_id, traceparent, lane, stage, ended_in, outcome, reason, ingested_at, finished_at)
SELECT $1, uid, id, source, event_type, record_type, record_key, version_at, version_seq,
	occurred_at, run_id, traceparent, lane, stage, CASE WHEN outcome IS NOT NULL THEN 'ingestion' END, outcome, reason,
	now(), CASE WHEN outcome IS NOT NULL THEN now() END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[],
	$10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
	AS a (uid, id, source, event_type, record_type, record_key, version_at, version_seq,
		occurred_at, run_id, traceparent, lane, stage, outcome, reason)
ON CONFLICT (tenant_id, event_uid) DO NOTHING`)

func (t *Tenant) acceptedColumns(accepted []store.Acceptance) []any {
	a := slices.SortedFunc(slices.Values(accepted), func(a, b store.Acceptance) int { return bytes.Compare(a.Event[:], b.Event[:]) })
	return []any{
		t.key(),
		column(a, func(a store.Acceptance) [16]byte { return a.Event }),
		column(a, func(a store.Acceptance) string { return a.ID }),
		column(a, func(a store.Acceptance) string { return a.Source }),
		column(a, func(a store.Acceptance) string { return a.Type }),
		column(a, func(a store.Acceptance) string { return string(a.Ref.Type) }),
		column(a, func(a store.Acceptance) string { return a.Ref.Key }),
		column(a, func(a store.Acceptance) time.Time { return a.Version.At }),
		column(a, func(a store.Acceptance) int64 { return a.Version.Sequence }),
		column(a, func(a store.Acceptance) time.Time { return a.OccurredAt }),
		column(a, func(a store.Acceptance) string { return a.RunID }),
		column(a, func(a store.Acceptance) string { return a.Trace }),
		column(a, func(a store.Acceptance) string { return a.Lane }),
		column(a, func(a store.Acceptance) *string { return nullable(a.Next) }),
		column(a, func(a store.Acceptance) *string { return nullable(a.Outcome) }),
		column(a, func(a store.Acceptance) *string { return nullable(a.Reason) }),
	}
}
