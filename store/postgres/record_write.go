package postgres

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// writeSQL is the guarded upsert of a record type.
//
// Invariant 3: an older version, or the same, replaces nothing, and ends the transaction. The same version, made anew from
// the event that brought the one held, replaces that one; what it is compared with stays as it was. An event is about one
// record, so that the list of all such events of a batch says for which one.
//
// The watched fields of the version before come from the plan, else from the row that is overwritten. The price travels
// in cents: exact, and in binary.
func writeSQL(record events.RecordType, table string) string {
	names, values, sets, params, columns := "", "", "", "", ""
	if record == events.Property {
		names = ", list_price, standard_status, city, bedrooms_total"
		values = ", cents::numeric / 100, standard_status, city, bedrooms_total"
		sets = ", list_price = excluded.list_price, standard_status = excluded.standard_status, city = excluded.city," +
			" bedrooms_total = excluded.bedrooms_total"
		params = ", $11::bigint[], $12::text[], $13::text[], $14::integer[]"
		columns = ", cents, standard_status, city, bedrooms_total"
	}
	return guarded(`
INSERT INTO ` + table + ` AS r
	(tenant_id, record_key, version_at, version_seq, event_uid, deleted, doc, faults, prior` + names + `)
SELECT $1, record_key, version_at, version_seq, event_uid, doc IS NULL, doc::jsonb, faults::jsonb,
	CASE WHEN doc IS NOT NULL THEN prior::jsonb END` + values + `
FROM unnest($2::text[], $3::timestamptz[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[]` + params + `)
	AS w (record_key, version_at, version_seq, event_uid, doc, faults, prior` + columns + `)
ON CONFLICT (tenant_id, record_key) DO UPDATE SET
	version_at = excluded.version_at, version_seq = excluded.version_seq, event_uid = excluded.event_uid,
	deleted = excluded.deleted, doc = excluded.doc, faults = excluded.faults, updated_at = now(),
	prior = CASE
		WHEN (r.version_at, r.version_seq) = (excluded.version_at, excluded.version_seq) THEN r.prior
		WHEN excluded.deleted OR excluded.prior IS NOT NULL THEN excluded.prior
		WHEN NOT r.deleted THEN (SELECT coalesce(jsonb_object_agg(f.key, f.value), '{}') FROM jsonb_each(r.doc) f WHERE f.key = ANY ($9::text[]))
	END` + sets + `
WHERE (r.version_at, r.version_seq) < (excluded.version_at, excluded.version_seq)
	OR r.event_uid = ANY ($10::uuid[]) AND (r.version_at, r.version_seq) = (excluded.version_at, excluded.version_seq)`)
}

// writeColumns are the parameters of writeSQL, sorted by key.
func (t *Tenant) writeColumns(record events.RecordType, writes []store.RecordWrite) ([]any, error) {
	w := slices.SortedFunc(slices.Values(writes), func(a, b store.RecordWrite) int { return cmp.Compare(a.Record.Key, b.Record.Key) })
	faults := make([]string, len(w))
	for i, write := range w {
		var err error
		if faults[i], err = faultsJSON(write.Record.Faults); err != nil {
			return nil, fmt.Errorf("encode faults of %s %q: %w", record, write.Record.Key, err)
		}
	}
	columns := []any{
		t.key(),
		column(w, func(w store.RecordWrite) string { return w.Record.Key }),
		column(w, func(w store.RecordWrite) time.Time { return w.Record.Version.At }),
		column(w, func(w store.RecordWrite) int64 { return w.Record.Version.Sequence }),
		column(w, func(w store.RecordWrite) [16]byte { return w.Event }),
		column(w, func(w store.RecordWrite) []byte { return w.Record.Doc }),
		faults,
		column(w, func(w store.RecordWrite) []byte { return w.Prior }),
		store.WatchedFields, remadeOf(w),
	}
	if record != events.Property {
		return columns, nil
	}
	typed := make([]typedColumns, len(w))
	for i, write := range w {
		var err error
		if typed[i], err = typedColumnsOf(write.Record); err != nil {
			return nil, fmt.Errorf("read property %q: %w", write.Record.Key, err)
		}
	}
	return append(columns,
		column(typed, func(c typedColumns) *int64 { return c.cents }),
		column(typed, func(c typedColumns) *string { return c.status }),
		column(typed, func(c typedColumns) *string { return c.city }),
		column(typed, func(c typedColumns) *int32 { return c.bedrooms })), nil
}

// remadeOf lists the events from whose bytes versions are made anew: few, or none.
func remadeOf(writes []store.RecordWrite) [][16]byte {
	events := [][16]byte{}
	for _, write := range writes {
		if write.RemadeOf != uuid.Nil {
			events = append(events, write.RemadeOf)
		}
	}
	return events
}

func faultsJSON(faults []events.Fault) (string, error) {
	if len(faults) == 0 {
		return "[]", nil
	}
	encoded, err := json.Marshal(faults)
	return string(encoded), err
}

// typedColumns are the values of a property that have columns of their own; nil where the record does not say, or says
// what the contract does not take.
type typedColumns struct {
	cents        *int64
	status, city *string
	bedrooms     *int32
}

// maxTypedBytes is more than any text that the contract takes for a column, and less than an index refuses: a record keeps
// only so many faults, so that a text at fault may come without one.
const maxTypedBytes = 255

func typedColumnsOf(record events.Record) (typedColumns, error) {
	var c typedColumns
	if record.Deleted {
		return c, nil
	}
	doc, err := events.ParseDoc(record.Doc)
	if err != nil {
		return c, err
	}
	sound := func(field string) bool {
		return !slices.ContainsFunc(record.Faults, func(f events.Fault) bool { return f.Field == field })
	}
	if price, ok := doc.Decimal("ListPrice"); ok && sound("ListPrice") {
		c.cents = centsOf(string(price))
	}
	if status, ok := doc.Text("StandardStatus"); ok && sound("StandardStatus") && len(status) <= maxTypedBytes {
		c.status = &status
	}
	if city, ok := doc.Text("City"); ok && sound("City") && len(city) <= maxTypedBytes {
		c.city = &city
	}
	if bedrooms, ok := doc.Integer("BedroomsTotal"); ok && sound("BedroomsTotal") && int64(int32(bedrooms)) == bedrooms {
		narrow := int32(bedrooms)
		c.bedrooms = &narrow
	}
	return c, nil
}

// maxCents is what numeric(14,2) holds.
const maxCents = 99_999_999_999_999

// centsOf reads a decimal exactly, or not at all: a record keeps only so many faults, so that a value at fault may
// come without one.
func centsOf(decimal string) *int64 {
	whole, fraction, _ := strings.Cut(decimal, ".")
	if len(fraction) > 2 {
		return nil
	}
	cents, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	if err != nil || cents > maxCents || cents < -maxCents {
		return nil
	}
	return &cents
}
