package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// The first keys of the advisory locks on lanes; the second is 0 for all tenants, or made of one tenant's id.
const (
	bindingsLock = 0x6c616e65 // "lane"
	moveLock     = 0x6d6f7665 // "move"
)

const (
	sqlChangeLane = `
WITH before AS (SELECT id, lane FROM tenants WHERE id = $1 FOR UPDATE), changed AS (
	UPDATE tenants t SET lane = $2, draining = array_remove(array_append(draining, t.lane), $2)
	FROM before b WHERE t.id = b.id AND t.lane <> $2 AND state IN ('active', 'suspended')
	RETURNING t.id, t.name, b.lane AS left_lane, t.lane
)
` + sqlAuditInto + `SELECT id, $3, $4, name, $5, jsonb_build_object('from', left_lane, 'to', lane) FROM changed`
	sqlDrained = `UPDATE tenants SET draining = array_remove(draining, $2) WHERE id = $1`

	sqlUnfinishedIn = `SELECT count(*) FROM progress WHERE tenant_id = $1 AND finished_at IS NULL AND lane = $2`
)

// ChangeLane writes which lane a tenant is in; the lane that it leaves drains from then on. The same lane again
// changes nothing.
func (p *Platform) ChangeLane(ctx context.Context, tenant uuid.UUID, lane string, act store.Act) (store.Tenant, error) {
	var changed []store.Tenant
	what := fmt.Sprintf("change the lane of tenant %s", tenant)
	err := p.roundTrip(ctx, what, func(b *pgx.Batch) {
		b.Queue(sqlChangeLane, [16]byte(tenant), lane, printable(act.By), string(store.TenantMoved), printable(act.Why))
		b.Queue(sqlTenant+` WHERE id = $1`, [16]byte(tenant)).Query(collect(&changed, scanTenant))
	})
	return only(changed, err, what)
}

// Drained writes that a lane holds nothing of a tenant any more.
func (p *Platform) Drained(ctx context.Context, tenant uuid.UUID, lane string) error {
	return p.roundTrip(ctx, fmt.Sprintf("note that lane %s has drained", lane), func(b *pgx.Batch) {
		b.Queue(sqlDrained, [16]byte(tenant), lane)
	})
}

// UnfinishedIn counts the tenant's events that were accepted in a lane and are unfinished.
func (t *Tenant) UnfinishedIn(ctx context.Context, lane string) (int, error) {
	var n int
	err := t.roundTrip(ctx, "count unfinished events", func(b *pgx.Batch) {
		b.Queue(sqlUnfinishedIn, t.key(), lane).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	})
	return n, err
}

// WithBindings runs work that binds tenants as their rows say, while no tenant changes its lane. Several may at once.
func (p *Platform) WithBindings(ctx context.Context, work func(context.Context) error) error {
	return p.db.locked(ctx, `pg_advisory_lock_shared($1, $2)`, bindingsLock, 0, work)
}

// ChangingBindings runs work that changes a tenant's lane, alone of its kind and without WithBindings beside it: keep
// it short.
func (p *Platform) ChangingBindings(ctx context.Context, work func(context.Context) error) error {
	return p.db.locked(ctx, `pg_advisory_lock($1, $2)`, bindingsLock, 0, work)
}

// Moving runs work that moves a tenant, for as long as it takes. store.ErrConflict: somebody else moves it just now.
func (p *Platform) Moving(ctx context.Context, tenant uuid.UUID, work func(context.Context) error) error {
	key := int32(binary.BigEndian.Uint32(tenant[12:])) //nolint:gosec // any 32 bits will do
	return p.db.locked(ctx, `pg_try_advisory_lock($1, $2)`, moveLock, key, work)
}

// locked runs work under an advisory lock, on a connection of its own: the lock ends with the connection, whatever
// becomes of this process, and work has the whole pool. lock is the function that takes it; one that answers false
// makes a store.ErrConflict.
func (db *DB) locked(ctx context.Context, lock string, class, key int32, work func(context.Context) error) error {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return fmt.Errorf("lock lanes: %w", classify(ctx, err))
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = conn.Close(ctx) // Postgres finds out by itself where this fails
	}()
	var taken bool
	err = conn.QueryRow(ctx, `SELECT `+lock+`::text IN ('', 'true')`, class, key).Scan(&taken)
	switch {
	case err != nil:
		return fmt.Errorf("lock lanes: %w", classify(ctx, err))
	case !taken:
		return fmt.Errorf("lock lanes: %w", store.ErrConflict)
	}
	return work(ctx)
}
