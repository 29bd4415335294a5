package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlIndexView = `SELECT version_at, version_seq, present, indexed_at FROM index_entries WHERE tenant_id = $1 AND record_key = $2`

	sqlHistory = `
SELECT event_uid, event_id, coalesce(source, ''), event_type, version_at, version_seq, occurred_at, accepted_at, run_id,
	coalesce(stage, ''), finished_at, coalesce(ended_in, ''), coalesce(outcome, ''), coalesce(reason, '')
FROM progress WHERE tenant_id = $1 AND record_key = $2 AND record_type = $3 AND (accepted_at, event_uid) < ($4, $5)
ORDER BY accepted_at DESC, event_uid DESC LIMIT $6`

	sqlEventOfRecord = `SELECT event_uid FROM progress
WHERE tenant_id = $1 AND event_uid = $2 AND record_key = $3 AND record_type = $4`
)

// viewSQL finds one record of a table.
func viewSQL(columns, table string) string {
	return `SELECT ` + columns + ` FROM ` + table + ` r WHERE r.tenant_id = $1 AND r.record_key = $2`
}

// tableOf is the table of a record type that may come from outside.
func tableOf(record events.RecordType) (string, error) {
	table, ok := recordTables[record]
	if !ok {
		return "", fmt.Errorf("record type %q is not one of %v", record, events.RecordTypes)
	}
	return table, nil
}

// RecordView says everything that is known of a record, with the first part of its history; else store.ErrNotFound.
func (t *Tenant) RecordView(ctx context.Context, ref store.Ref, historyLimit int) (store.RecordView, error) {
	table, err := tableOf(ref.Type)
	if err != nil {
		return store.RecordView{}, err
	}
	var views []store.RecordView
	var verdicts []store.Verdict
	var entries []store.IndexView
	var history store.EventPage
	err = t.db.transact(ctx, "view record", func(tx *transaction) error {
		batch := tx.beginSnapshot(tenantView(t.id))
		batch.Queue(viewSQL(recordColumns+`, r.event_uid, r.updated_at`, table), t.key(), ref.Key).Query(
			collect(&views, func(row pgx.CollectableRow) (store.RecordView, error) { return scanView(row, ref.Type) }))
		batch.Queue(sqlVerdict, t.key(), string(ref.Type), ref.Key).Query(collect(&verdicts, scanVerdict))
		entries = nil
		if ref.Type.Searchable() {
			batch.Queue(sqlIndexView, t.key(), ref.Key).Query(collect(&entries, func(row pgx.CollectableRow) (store.IndexView, error) {
				view := store.IndexView{IndexEntry: store.IndexEntry{Key: ref.Key}}
				return view, row.Scan(&view.Version.At, &view.Version.Sequence, &view.Present, &view.IndexedAt)
			}))
		}
		t.queueHistory(batch, ref, store.EventCursor{}, historyLimit, &history)
		return tx.commit(ctx, batch)
	})
	view, err := only(views, err, "view record")
	if err != nil {
		return store.RecordView{}, err
	}
	view.Verdict, view.Indexed, view.History = first(verdicts), first(entries), history
	return view, nil
}

func scanView(row pgx.CollectableRow, record events.RecordType) (store.RecordView, error) {
	var view store.RecordView
	var r recordRow
	err := row.Scan(append(r.targets(), (*[16]byte)(&view.Event), &view.UpdatedAt)...)
	if err == nil {
		view.Record, err = r.stored(record)
	}
	return view, err
}

// RecordHistory lists a page of a record's events, newest first; store.ErrNotFound where there is no such record.
func (t *Tenant) RecordHistory(ctx context.Context, ref store.Ref, after store.EventCursor, limit int) (store.EventPage, error) {
	table, err := tableOf(ref.Type)
	if err != nil {
		return store.EventPage{}, err
	}
	var exists []bool
	var page store.EventPage
	err = t.roundTrip(ctx, "list events of record", func(b *pgx.Batch) {
		b.Queue(viewSQL(`true`, table), t.key(), ref.Key).Query(collect(&exists, pgx.RowTo[bool]))
		t.queueHistory(b, ref, after, limit, &page)
	})
	_, err = only(exists, err, "list events of record")
	return page, err
}

// queueHistory adds the look-up of a page to a batch. One row more than asked for says whether there are more.
func (t *Tenant) queueHistory(b *pgx.Batch, ref store.Ref, after store.EventCursor, limit int, page *store.EventPage) {
	before := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if !after.AcceptedAt.IsZero() {
		before = pgtype.Timestamptz{Time: after.AcceptedAt, Valid: true}
	}
	b.Queue(sqlHistory, t.key(), ref.Key, string(ref.Type), before, [16]byte(after.Event), limit+1).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scanRecordEvent)
		*page = store.EventPage{Events: found[:min(limit, len(found))], More: len(found) > limit}
		return err
	})
}

func scanRecordEvent(row pgx.CollectableRow) (store.RecordEvent, error) {
	var e store.RecordEvent
	var v versionRow
	var finished *time.Time
	err := row.Scan((*[16]byte)(&e.Event), &e.ID, &e.Source, &e.Type, &v.at, &v.sequence, &e.OccurredAt, &e.AcceptedAt, &e.RunID,
		&e.Waiting, &finished, &e.EndedIn, &e.Outcome, &e.Reason)
	e.Version = v.version()
	if finished != nil {
		e.FinishedAt = *finished
	}
	return e, err
}

// EventOfRecord finds an event among those of a record, uuid.Nil asks for the one that brought the newest version; else
// store.ErrNotFound.
func (t *Tenant) EventOfRecord(ctx context.Context, ref store.Ref, event uuid.UUID) (uuid.UUID, error) {
	table, err := tableOf(ref.Type)
	if err != nil {
		return uuid.Nil, err
	}
	var found []uuid.UUID
	err = t.roundTrip(ctx, "find event of record", func(b *pgx.Batch) {
		scan := collect(&found, func(row pgx.CollectableRow) (id uuid.UUID, err error) {
			return id, row.Scan((*[16]byte)(&id))
		})
		if event == uuid.Nil {
			b.Queue(viewSQL(`r.event_uid`, table), t.key(), ref.Key).Query(scan)
		} else {
			b.Queue(sqlEventOfRecord, t.key(), [16]byte(event), ref.Key, string(ref.Type)).Query(scan)
		}
	})
	return only(found, err, "find event of record")
}
