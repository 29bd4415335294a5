package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// The catalog knows every table that holds rows of tenants: a new one cannot be forgotten. The audit log stays; what
	// was done to a tenant is not the tenant's to take along.
	sqlTenantTables = `
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND c.oid <> 'audit'::regclass
ORDER BY 1`

	// purgeRows bounds one transaction.
	purgeRows = 2000
)

// purgeView becomes the role that may remove a tenant's rows: the policies let it see only those of a tenant that is
// deleted, or just being.
func purgeView(id uuid.UUID) viewpoint {
	return viewpoint{sql: `SELECT set_tenant_context($1), set_config('role', '` + purgeRole + `', true)`, arg: [16]byte(id)}
}

// Purge removes all rows of a tenant that is being deleted, from every table but the audit log, and tells removed of each
// transaction how many rows it took. It may be called again. A tenant that is not being deleted loses nothing.
func (t *Tenant) Purge(ctx context.Context, removed func(table string, rows int)) error {
	tables, err := t.tables(ctx)
	if err != nil {
		return err
	}
	for len(tables) > 0 {
		referred, err := t.purgeTables(ctx, tables, removed)
		switch {
		case err != nil && len(referred) == len(tables):
			return err
		case len(referred) == 0:
			return nil
		}
		tables = referred // by rows that were in their way, and are gone now
	}
	return nil
}

// purgeTables empties tables, and returns those whose rows others refer to, with the last error.
func (t *Tenant) purgeTables(ctx context.Context, tables []string, removed func(string, int)) (referred []string, err error) {
	for _, table := range tables {
		purgeErr := t.purgeTable(ctx, table, removed)
		switch {
		case codeOf(purgeErr) == "23503": // foreign key violation
			referred, err = append(referred, table), purgeErr
		case purgeErr != nil:
			return tables, purgeErr
		}
	}
	return referred, err
}

func (t *Tenant) purgeTable(ctx context.Context, table string, removed func(string, int)) error {
	statement := `DELETE FROM ` + table + ` WHERE tenant_id = $1 AND ctid = ANY (ARRAY(SELECT ctid FROM ` + table + ` WHERE tenant_id = $1 LIMIT $2))`
	for {
		var rows int64
		err := t.db.roundTrip(ctx, "purge "+table, purgeView(t.id), func(b *pgx.Batch) {
			b.Queue(statement, t.key(), purgeRows).Exec(func(tag pgconn.CommandTag) error {
				rows = tag.RowsAffected()
				return nil
			})
		})
		if err != nil || rows == 0 {
			return err
		}
		removed(table, int(rows))
	}
}

// Leftovers counts the rows of a tenant that is being deleted, by table; tables without any are left out.
func (t *Tenant) Leftovers(ctx context.Context) ([]store.Leftover, error) {
	tables, err := t.tables(ctx)
	if err != nil {
		return nil, err
	}
	var found []store.Leftover
	err = t.db.roundTrip(ctx, "count what is left", purgeView(t.id), func(b *pgx.Batch) {
		found = nil
		for _, table := range tables {
			b.Queue(`SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, t.key()).QueryRow(func(row pgx.Row) error {
				left := store.Leftover{Place: table}
				err := row.Scan(&left.Count)
				if left.Count > 0 {
					found = append(found, left)
				}
				return err
			})
		}
	})
	return found, err
}

// tables lists the tables that hold rows of tenants.
func (t *Tenant) tables(ctx context.Context) ([]string, error) {
	var tables []string
	err := t.db.roundTrip(ctx, "list tables", lastView(t.id), func(b *pgx.Batch) {
		b.Queue(sqlTenantTables).Query(collect(&tables, pgx.RowTo[string]))
	})
	if err == nil && len(tables) == 0 {
		return nil, fmt.Errorf("list tables: %w", store.ErrNotFound)
	}
	return tables, err
}
