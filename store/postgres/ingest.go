package postgres

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Ingest reads what is known of the events and records named, lets plan decide, and writes the plan, all in one
// transaction of three round trips. The plan's Archive runs beside the writes; Ingest returns only after it has.
//
// store.ErrConflict says that another worker wrote one of the events or records in the meantime: nothing is written,
// and the caller plans again. Errors of plan and Archive are passed on. A transaction that loses against
// others is run again, with plan and Archive. store.ErrNotFound: there is no such tenant.
//
// Invariants 2, 3 and 6: an event's progress, its record and the place of its raw bytes are committed together.
func (t *Tenant) Ingest(
	ctx context.Context, eventIDs []uuid.UUID, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error),
) error {
	return t.db.transact(ctx, "ingest", func(tx *transaction) error {
		known, err := t.known(ctx, tx, eventIDs, refs)
		if err != nil {
			return err
		}
		decided, err := plan(known)
		if err != nil {
			return err
		}
		if len(decided.Accepted)+len(decided.Records)+len(decided.Archived) == 0 {
			return nil
		}
		spans, err := t.write(ctx, tx, decided)
		if err != nil {
			return err
		}
		last := &pgx.Batch{}
		t.queueArchived(last, decided.Archived, spans)
		t.queueEndings(last, decided.Accepted)
		return tx.commit(ctx, last)
	})
}

// known reads what Postgres knows of a batch.
func (t *Tenant) known(ctx context.Context, tx *transaction, eventIDs []uuid.UUID, refs []store.Ref) (store.Known, error) {
	known := store.Known{
		Events:  make(map[uuid.UUID]bool, len(eventIDs)),
		Records: make(map[store.Ref]store.Held, len(refs)),
	}
	exists := false
	batch := tx.begin(tenantView(t.id))
	batch.Queue(sqlTenantExists, t.key()).QueryRow(func(row pgx.Row) error { return row.Scan(&exists) })
	batch.Queue(sqlKnownEvents, t.key(), uuids(eventIDs)).Query(func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&id)}, func() error {
			known.Events[id] = true
			return nil
		})
		return err
	})
	if err := t.queueHeld(batch, refs, known.Records); err != nil {
		return store.Known{}, err
	}
	if err := tx.send(ctx, batch); err != nil {
		return store.Known{}, err
	}
	if !exists {
		return store.Known{}, fmt.Errorf("tenant %s: %w", t.id, store.ErrNotFound)
	}
	return known, nil
}

// archived is what a plan's Archive returned.
type archived struct {
	spans []store.Span
	err   error
}

// write stores progress and records while the plan's Archive runs beside it, and returns where the raw bytes lie.
func (t *Tenant) write(ctx context.Context, tx *transaction, plan store.IngestPlan) ([]store.Span, error) {
	archiving, stop := context.WithCancel(ctx)
	defer stop()
	result := make(chan archived, 1)
	go func() {
		var a archived
		if len(plan.Archived) > 0 {
			a.spans, a.err = plan.Archive(archiving)
		}
		result <- a
	}()
	err := t.writeRows(ctx, tx, plan)
	if err != nil {
		stop() // what is archived now belongs to nothing; the next plan archives again
	}
	a := <-result
	switch {
	case err != nil:
		return nil, err
	case a.err != nil:
		return nil, fmt.Errorf("archive: %w", a.err)
	case len(a.spans) != len(plan.Archived):
		return nil, fmt.Errorf("archive: got %d spans for %d events", len(a.spans), len(plan.Archived))
	}
	return a.spans, nil
}

// writeRows stores progress and records. Fewer rows than planned mean that another worker was faster.
func (t *Tenant) writeRows(ctx context.Context, tx *transaction, plan store.IngestPlan) error {
	batch := &pgx.Batch{}
	var want, written int64
	count := func(rows int, query *pgx.QueuedQuery) {
		want += int64(rows)
		query.Exec(func(tag pgconn.CommandTag) error {
			written += tag.RowsAffected()
			return nil
		})
	}
	if len(plan.Accepted) > 0 {
		count(len(plan.Accepted), batch.Queue(sqlAccept, t.acceptedColumns(plan.Accepted)...))
	}
	byType := map[events.RecordType][]store.RecordWrite{}
	for _, write := range plan.Records {
		if _, err := statementsFor(write.Record.Type); err != nil {
			return err
		}
		byType[write.Record.Type] = append(byType[write.Record.Type], write)
	}
	for _, record := range events.RecordTypes { // in a fixed order, for the locks' sake
		if writes := byType[record]; len(writes) > 0 {
			columns, err := t.writeColumns(record, writes)
			if err != nil {
				return err
			}
			count(len(writes), batch.Queue(recordStatements[record].write, columns...))
		}
	}
	if err := tx.send(ctx, batch); err != nil {
		return err
	}
	if written != want {
		return store.ErrConflict
	}
	return nil
}

const sqlAccept = `
INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
	occurred_at, run_id, traceparent, lane, stage, ended_in, outcome, reason, ingested_at, finished_at)
SELECT $1, uid, id, source, event_type, record_type, record_key, version_at, version_seq,
	occurred_at, run_id, traceparent, lane, stage, CASE WHEN outcome IS NOT NULL THEN 'ingestion' END, outcome, reason,
	now(), CASE WHEN outcome IS NOT NULL THEN now() END
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[], $9::bigint[],
	$10::timestamptz[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
	AS a (uid, id, source, event_type, record_type, record_key, version_at, version_seq,
		occurred_at, run_id, traceparent, lane, stage, outcome, reason)
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

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

const sqlArchive = `
INSERT INTO raw_archive (tenant_id, event_uid, object_key, byte_offset, byte_length, sha256)
SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bytea[])
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

// queueArchived adds where the events' raw bytes lie. Their progress rows are new and locked, so no other worker can
// be at the same keys, and their order does not matter.
func (t *Tenant) queueArchived(b *pgx.Batch, eventIDs []uuid.UUID, spans []store.Span) {
	if len(spans) == 0 {
		return
	}
	b.Queue(sqlArchive, t.key(), uuids(eventIDs),
		column(spans, func(s store.Span) string { return s.Key }),
		column(spans, func(s store.Span) int64 { return s.Offset }),
		column(spans, func(s store.Span) int64 { return s.Length }),
		column(spans, func(s store.Span) []byte { return s.SHA256[:] }))
}
