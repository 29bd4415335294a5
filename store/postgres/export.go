package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlColumns = `
SELECT a.attname, a.atttypid::regtype::text FROM pg_attribute a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`
	sqlKeyColumns = `
SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (attnum, n)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY k.n`
	// Whoever takes the rows may be slow, and Postgres be done with a table long before.
	sqlExportSettings = `
SELECT set_config('TimeZone', 'UTC', true), set_config('idle_in_transaction_session_timeout', '1h', true)`
)

// notExported are columns that can be made again from the others, and are most of a tenant's bytes.
var notExported = map[string][]string{"embeddings": {"vector"}}

// Export hands over all rows of the tenant in every table, the audit log included, as JSON objects in the order of their
// keys; all of it is of one moment. begin is told of each table, those without rows among them, and returns what takes its
// rows: a slice is valid only until the next. Rows are streamed: Postgres waits for whoever takes them. It stops at the
// first error.
func (t *Tenant) Export(ctx context.Context, begin func(store.ExportedTable) (row func(line []byte) error, err error)) error {
	tables, err := t.tables(ctx)
	if err != nil {
		return err
	}
	tables = append(tables, "audit")
	return t.db.transact(ctx, "export", func(tx *transaction) error {
		batch := tx.beginSnapshot(lastView(t.id))
		batch.Queue(sqlExportSettings)
		if err := tx.send(ctx, batch); err != nil {
			return err
		}
		for _, name := range tables {
			statement, table, err := tx.exportOf(ctx, name)
			if err != nil {
				return err
			}
			row, err := begin(table)
			if err != nil {
				return err
			}
			if err := tx.stream(ctx, statement, t.key(), row); err != nil {
				return err
			}
		}
		return nil
	})
}

// exportOf is the statement that reads a table, and what it says of its columns.
func (tx *transaction) exportOf(ctx context.Context, name string) (statement string, table store.ExportedTable, err error) {
	var columns [][2]string
	var key []string
	batch := &pgx.Batch{}
	batch.Queue(sqlColumns, name).Query(collect(&columns, func(row pgx.CollectableRow) (c [2]string, err error) {
		return c, row.Scan(&c[0], &c[1])
	}))
	batch.Queue(sqlKeyColumns, name).Query(collect(&key, pgx.RowTo[string]))
	if err := tx.send(ctx, batch); err != nil {
		return "", table, err
	}
	table = store.ExportedTable{Name: name}
	var selected, order []string
	for _, column := range columns {
		quoted := pgx.Identifier{column[0]}.Sanitize()
		switch {
		case slices.Contains(notExported[name], column[0]):
			table.Omitted = append(table.Omitted, column[0])
			continue
		case column[1] == "bytea":
			table.Base64 = append(table.Base64, column[0])
			quoted = base64Of(quoted) + " AS " + quoted
		case column[1] == "bytea[]":
			table.Base64 = append(table.Base64, column[0])
			quoted = "ARRAY(SELECT " + base64Of("b") + " FROM unnest(" + quoted + ") WITH ORDINALITY AS u (b, n) ORDER BY n) AS " + quoted
		}
		selected = append(selected, quoted)
	}
	for _, column := range key {
		order = append(order, pgx.Identifier{column}.Sanitize())
	}
	return "SELECT row_to_json(r)::text FROM (SELECT " + strings.Join(selected, ", ") + " FROM " + name +
		" WHERE tenant_id = $1 ORDER BY " + strings.Join(order, ", ") + ") r", table, nil
}

// base64Of encodes without the line breaks that Postgres adds.
func base64Of(column string) string { return `translate(encode(` + column + `, 'base64'), E'\n', '')` }

// stream reads rows of one column as they come.
func (tx *transaction) stream(ctx context.Context, statement string, tenant [16]byte, take func([]byte) error) error {
	rows, err := tx.conn.Query(ctx, statement, tenant)
	if err != nil {
		return classify(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := take(rows.RawValues()[0]); err != nil {
			return err
		}
	}
	return classify(ctx, rows.Err())
}
