package postgres

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// Entries are written by the statement that does what they tell of, or in its transaction: INSERT gives an entry its
// number and its place in the chain, and holds the end of the chain until the transaction ends. So it stands last.
const (
	sqlAuditInto = `INSERT INTO audit (tenant_id, actor, action, subject, why, details) `
	sqlAudit     = sqlAuditInto + `VALUES ($1, $2, $3, $4, $5, $6)`

	sqlAuditColumns = `SELECT seq, at, tenant_id, actor, action, subject, why, details::text, prev_hash, hash FROM audit`
	sqlAuditFilter  = ` ($1::timestamptz IS NULL OR at >= $1) AND ($2 = '' OR action = $2) AND ($3 = 0 OR seq < $3)
ORDER BY seq DESC LIMIT $4`
	sqlAuditAll = sqlAuditColumns + ` WHERE` + sqlAuditFilter
	sqlAuditOf  = sqlAuditColumns + ` WHERE tenant_id = $5 AND` + sqlAuditFilter
)

// defaultEntries is the page of a listing that names no limit.
const defaultEntries = 100

// Audit adds an entry for something that was done elsewhere than in Postgres. Number, time and hashes are the log's own.
func (p *Platform) Audit(ctx context.Context, entry store.AuditEntry) error {
	details := entry.Details
	if details == nil {
		details = json.RawMessage("{}")
	}
	return p.roundTrip(ctx, "write to the audit log", func(b *pgx.Batch) {
		b.Queue(sqlAudit, [16]byte(entry.Tenant), printable(entry.Actor), string(entry.Action), printable(entry.Subject),
			printable(entry.Why), []byte(details))
	})
}

// AuditLog lists the entries of all tenants, newest first.
func (p *Platform) AuditLog(ctx context.Context, filter store.AuditFilter) ([]store.AuditEntry, error) {
	var entries []store.AuditEntry
	err := p.roundTrip(ctx, "read the audit log", func(b *pgx.Batch) {
		b.Queue(sqlAuditAll, auditParams(filter)...).Query(collect(&entries, scanAuditEntry))
	})
	return entries, err
}

// AuditLog lists the tenant's own entries, newest first.
func (t *Tenant) AuditLog(ctx context.Context, filter store.AuditFilter) ([]store.AuditEntry, error) {
	var entries []store.AuditEntry
	err := t.db.roundTrip(ctx, "read the audit log", lastView(t.id), func(b *pgx.Batch) {
		b.Queue(sqlAuditOf, append(auditParams(filter), t.key())...).Query(collect(&entries, scanAuditEntry))
	})
	return entries, err
}

// auditParams are the parameters of sqlAuditFilter.
func auditParams(filter store.AuditFilter) []any {
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultEntries
	}
	return []any{nullableTime(filter.Since), string(filter.Action), filter.Before, limit}
}

func scanAuditEntry(row pgx.CollectableRow) (store.AuditEntry, error) {
	var entry store.AuditEntry
	var details string // as Postgres writes it: the hash is over these bytes
	err := row.Scan(&entry.Seq, &entry.At, (*[16]byte)(&entry.Tenant), &entry.Actor, &entry.Action, &entry.Subject,
		&entry.Why, &details, &entry.PrevHash, &entry.Hash)
	entry.Details = json.RawMessage(details)
	return entry, err
}
