package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// sqlKeysInOrder has the statements behind it, in the same transaction, read keys in the order of their index. Without
// statistics the planner would rather collect all of a tenant's rows and sort them: 160 ms instead of 1 for the first of
// 200,000.
const sqlKeysInOrder = `SELECT set_config('enable_bitmapscan', 'off', true)`

const (
	// maxDocBytes is about how many bytes of documents a page has.
	maxDocBytes = 16 << 20

	// docsAtOnce bounds the documents that are read in one statement. Postgres does not know how large one is before it has
	// unpacked it, and sends what does not fit on the page as well: of a thousand large ones, a gigabyte.
	docsAtOnce = 100
)

// listingSQL is a record type's listings: of all records, of those in quarantine, and of those that are not.
type listingSQL struct{ all, quarantined, free string }

// listings holds every record type's statements. It is never written to.
var listings = func() map[events.RecordType]listingSQL {
	all := make(map[events.RecordType]listingSQL, len(recordTables))
	for record, table := range recordTables {
		all[record] = listingFor(record, table)
	}
	return all
}()

// listingFor makes a record type's statements. First they find a page of keys, and then they look up what it shows.
//
// What a table named r is narrowed by is in its primary key, so that no document is read for it; see migration 0011.
func listingFor(record events.RecordType, table string) listingSQL {
	narrowed := `($4::boolean IS NULL OR r.deleted = $4) AND ($5::timestamptz IS NULL OR r.updated_at >= $5)`
	columns := `NULL::text, NULL::text, NULL::text, NULL::bigint`
	if record == events.Property {
		narrowed += ` AND ($7::text IS NULL OR r.city = $7) AND ($8::text IS NULL OR r.standard_status = $8)
	AND ($9::numeric IS NULL OR r.list_price >= $9) AND ($10::numeric IS NULL OR r.list_price <= $10)
	AND ($11::bigint IS NULL OR r.bedrooms_total >= $11) AND ($12::bigint IS NULL OR r.bedrooms_total <= $12)`
		columns = `r.list_price::text, r.standard_status, r.city, r.bedrooms_total::bigint`
	}
	keys := `SELECT r.record_key AS key FROM ` + table + ` r WHERE r.tenant_id = $1 AND r.record_key > $2 AND ` + narrowed + `
	ORDER BY r.record_key`
	failed := `FROM verdicts v WHERE v.tenant_id = $1 AND v.record_type = '` + string(record) + `' AND NOT v.passed`
	newest := `(r.version_at, r.version_seq) = (v.version_at, v.version_seq) FROM ` + table + ` r
		WHERE r.tenant_id = $1 AND r.record_key = v.record_key`
	page := func(keys string) string {
		return `WITH page AS MATERIALIZED (` + keys + ` LIMIT $3)
SELECT r.record_key, r.version_at, r.version_seq, r.event_uid, r.deleted, r.updated_at, v.passed,
	` + columns + `, CASE WHEN $6::boolean THEN r.doc::text END
FROM page CROSS JOIN LATERAL (SELECT * FROM ` + table + ` WHERE tenant_id = $1 AND record_key = page.key OFFSET 0) r
LEFT JOIN LATERAL (SELECT passed FROM verdicts WHERE tenant_id = $1 AND record_type = '` + string(record) + `'
	AND record_key = r.record_key AND (version_at, version_seq) = (r.version_at, r.version_seq) OFFSET 0) v ON true
ORDER BY page.key`
	}
	return listingSQL{
		all: page(keys),
		// Few records fail: their verdicts have an index of their own, in the order of keys.
		quarantined: page(`SELECT v.record_key AS key ` + failed + ` AND v.record_key > $2
		AND (SELECT ` + narrowed + ` AND NOT r.deleted AND ` + newest + `) ORDER BY v.record_key`),
		free: page(`SELECT key FROM (` + keys + ` OFFSET 0) k
	WHERE (SELECT (SELECT NOT r.deleted AND ` + newest + `) ` + failed + ` AND v.record_key = k.key) IS NOT TRUE ORDER BY key`),
	}
}

// ListRecords lists a page of the tenant's records of a type, in the order of their keys.
func (t *Tenant) ListRecords(ctx context.Context, record events.RecordType, filter store.RecordFilter) (store.RecordPage, error) {
	if !filter.Docs {
		return t.listRecords(ctx, record, filter)
	}
	page, room := store.RecordPage{}, maxDocBytes
	for part := filter; ; part.After = page.Records[len(page.Records)-1].Key {
		part.Limit = min(docsAtOnce, filter.Limit-len(page.Records))
		found, err := t.listRecords(ctx, record, part)
		if err != nil {
			return store.RecordPage{}, err
		}
		for _, r := range found.Records {
			room -= len(r.Doc)
		}
		page.Records, page.More = append(page.Records, found.Records...), found.More
		if !found.More || len(page.Records) == filter.Limit || room < 0 {
			return page, nil
		}
	}
}

// listRecords reads a page, or a part of one, in one statement.
func (t *Tenant) listRecords(ctx context.Context, record events.RecordType, filter store.RecordFilter) (store.RecordPage, error) {
	if _, err := tableOf(record); err != nil {
		return store.RecordPage{}, fmt.Errorf("list records: %w", err)
	}
	params, err := t.listingParams(record, filter)
	if err != nil {
		return store.RecordPage{}, fmt.Errorf("list records: %w", err)
	}
	statements := listings[record]
	sql := statements.all
	switch {
	case filter.Quarantined == nil:
	case *filter.Quarantined:
		sql = statements.quarantined
	default:
		sql = statements.free
	}
	var page store.RecordPage
	err = t.roundTrip(ctx, "list records", func(b *pgx.Batch) {
		page = store.RecordPage{}
		b.Queue(sqlKeysInOrder)
		b.Queue(sql, params...).Query(func(rows pgx.Rows) error { return readPage(rows, filter.Limit, &page) })
	})
	return page, err
}

// listingParams are the parameters of a listing. One row more than asked for says whether there are more.
func (t *Tenant) listingParams(record events.RecordType, f store.RecordFilter) ([]any, error) {
	params := []any{t.key(), f.After, f.Limit + 1, f.Deleted, nullableTime(f.UpdatedSince), f.Docs}
	if record != events.Property {
		return params, nil
	}
	least, err := decimal(f.MinPrice)
	if err != nil {
		return nil, err
	}
	most, err := decimal(f.MaxPrice)
	return append(params, nullable(f.City), nullable(f.Status), least, most, f.MinBedrooms, f.MaxBedrooms), err
}

// decimal is a numeric parameter that is NULL where s is empty.
func decimal(s string) (pgtype.Numeric, error) {
	var number pgtype.Numeric
	if s == "" {
		return number, nil
	}
	if err := number.Scan(s); err != nil {
		return number, fmt.Errorf("read decimal %q: %w", s, err)
	}
	return number, nil
}

// readPage reads rows until the page is full; the others are passed over.
func readPage(rows pgx.Rows, limit int, page *store.RecordPage) error {
	docBytes := 0
	var r store.RecordSummary
	var price, status, city, doc *string
	_, err := pgx.ForEachRow(rows, []any{
		&r.Key, &r.Version.At, &r.Version.Sequence, (*[16]byte)(&r.Event), &r.Deleted, &r.UpdatedAt, &r.Passed,
		&price, &status, &city, &r.Bedrooms, &doc,
	}, func() error {
		if page.More || len(page.Records) == limit || docBytes > maxDocBytes {
			page.More = true
			return nil
		}
		r.ListPrice, r.Status, r.City, r.Doc = text(price), text(status), text(city), jsonBytes(doc)
		docBytes += len(r.Doc)
		page.Records = append(page.Records, r)
		return nil
	})
	return err
}

// text is empty where it is NULL.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
