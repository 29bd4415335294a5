package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// recordTables names the table of each record type.
var recordTables = map[events.RecordType]string{
	events.Property:  "properties",
	events.Ownership: "ownership",
	events.Prospect:  "prospects",
	events.Lease:     "leases",
	events.Offer:     "offers",
	events.Document:  "documents",
}

// recordSQL is the statements of one record type.
type recordSQL struct{ held, load, write string }

// recordStatements holds every record type's statements. It is never written to.
var recordStatements = func() map[events.RecordType]recordSQL {
	all := make(map[events.RecordType]recordSQL, len(recordTables))
	for record, table := range recordTables {
		all[record] = recordSQL{
			held:  byKey("r.record_key, r.version_at, r.version_seq, r.event_uid, r.deleted", table, ""),
			load:  byKey(recordColumns, table, ""),
			write: writeSQL(record, table),
		}
	}
	return all
}()

// byKey is a query for rows of a table, named r, by the record keys in $2, one look-up in the primary key each.
//
// The planner is given no choice. Without statistics, which a table that has just filled does not have, it reads all
// rows of a tenant and picks: a plan that is right while there are ten of them, and kept when there are a million.
// OFFSET 0 keeps it from turning the sub-query into such a join.
func byKey(columns, table, joins string) string {
	return `SELECT found.* FROM unnest($2::text[]) AS k (key) CROSS JOIN LATERAL (
	SELECT ` + columns + ` FROM ` + table + ` r ` + joins + ` WHERE r.tenant_id = $1 AND r.record_key = k.key OFFSET 0
) found`
}

// statementsFor finds the statements of a record type that may come from outside.
func statementsFor(record events.RecordType) (recordSQL, error) {
	statements, ok := recordStatements[record]
	if !ok {
		return recordSQL{}, fmt.Errorf("record type %q is not one of %v", record, events.RecordTypes)
	}
	return statements, nil
}

// recordColumns are what a StoredRecord is read from, of a table named r. JSON travels as text.
const recordColumns = `r.record_key, r.version_at, r.version_seq, r.deleted, r.doc::text, r.faults::text, r.prior::text`

// recordRow reads recordColumns.
type recordRow struct {
	record     store.StoredRecord
	faults     string
	doc, prior *string
}

func (r *recordRow) targets() []any {
	return []any{
		&r.record.Ref.Key, &r.record.Version.At, &r.record.Version.Sequence, &r.record.Deleted, &r.doc, &r.faults, &r.prior,
	}
}

func (r *recordRow) stored(record events.RecordType) (store.StoredRecord, error) {
	r.record.Ref.Type = record
	r.record.Doc, r.record.Prior = jsonBytes(r.doc), jsonBytes(r.prior)
	if r.faults != "[]" {
		if err := json.Unmarshal([]byte(r.faults), &r.record.Faults); err != nil {
			return store.StoredRecord{}, fmt.Errorf("read faults of %s %q: %w", record, r.record.Ref.Key, err)
		}
	}
	return r.record, nil
}

func jsonBytes(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

// Records loads the newest versions of the records that exist, tombstones among them, in no order.
func (t *Tenant) Records(ctx context.Context, record events.RecordType, wanted []store.Wanted) ([]store.StoredRecord, error) {
	statements, err := statementsFor(record)
	if err != nil || len(wanted) == 0 {
		return nil, err
	}
	if records, ok := take[store.StoredRecord](t, events.Quality, "", wanted); ok {
		return records, nil
	}
	var records []store.StoredRecord
	err = t.transact(ctx, "load records", len(wanted), work{first: func(b *pgx.Batch) {
		b.Queue(statements.load, t.key(), keysOf(wanted)).Query(collect(&records, scanStored(record)))
	}})
	return records, err
}

func scanStored(record events.RecordType) pgx.RowToFunc[store.StoredRecord] {
	return func(row pgx.CollectableRow) (store.StoredRecord, error) {
		var r recordRow
		if err := row.Scan(r.targets()...); err != nil {
			return store.StoredRecord{}, err
		}
		return r.stored(record)
	}
}

func keysOf(wanted []store.Wanted) []string {
	return column(wanted, func(w store.Wanted) string { return w.Key })
}

const (
	sqlTenantExists  = `SELECT EXISTS (SELECT FROM tenants WHERE id = $1)`
	sqlRequireTenant = `SELECT require_rows(count(*), 1) FROM tenants WHERE id = $1`
	sqlKnownEvents   = `SELECT k.uid FROM unnest($2::uuid[]) AS k (uid)
WHERE (SELECT true FROM progress WHERE tenant_id = $1 AND event_uid = k.uid)`
	sqlArchivedEvents = `SELECT k.uid FROM unnest($2::uuid[]) AS k (uid)
WHERE (SELECT true FROM raw_archive WHERE tenant_id = $1 AND event_uid = k.uid)`
)

// keysByType sorts the records named by their types.
func keysByType(refs []store.Ref) (map[events.RecordType][]string, error) {
	keys := map[events.RecordType][]string{}
	for _, ref := range refs {
		if _, err := statementsFor(ref.Type); err != nil {
			return nil, err
		}
		keys[ref.Type] = append(keys[ref.Type], ref.Key)
	}
	return keys, nil
}

// queueHeld adds the look-up of records to a batch, by record type.
func (t *Tenant) queueHeld(b *pgx.Batch, keysByType map[events.RecordType][]string, held map[store.Ref]store.Held) {
	for record, keys := range keysByType {
		b.Queue(recordStatements[record].held, t.key(), keys).Query(func(rows pgx.Rows) error {
			var one store.Held
			ref := store.Ref{Type: record}
			_, err := pgx.ForEachRow(rows, []any{
				&ref.Key, &one.Version.At, &one.Version.Sequence, (*[16]byte)(&one.Event), &one.Deleted,
			}, func() error {
				held[ref] = one
				return nil
			})
			return err
		})
	}
}
