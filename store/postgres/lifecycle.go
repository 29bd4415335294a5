package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlChangeState = `
WITH changed AS (
	UPDATE tenants SET state = $2, state_since = now(), state_by = $4, state_why = $5 WHERE id = $1 AND state = ANY ($3)
	RETURNING id, name
)
` + sqlAuditInto + `SELECT id, $4, $6, name, $5, $7::jsonb FROM changed`

	// What was held goes on from here, as after any other pause; one that an operator made lasts.
	sqlEndSuspension = `
INSERT INTO pauses AS p (tenant_id, stage, paused_at, paused_by, why, resumed_at)
SELECT id, 'ingestion', state_since, state_by, 'suspended', now() FROM tenants
WHERE id = $1 AND state = 'active' AND state_since = now()
ON CONFLICT (tenant_id, stage) DO UPDATE SET resumed_at = excluded.resumed_at WHERE p.resumed_at IS NOT NULL`

	sqlBury = `
WITH buried AS (
	UPDATE tenants SET state = 'deleted', state_since = now(), state_by = $2, state_why = $3,
		name = id::text, lane = '', draining = '{}', broker_user = false
	WHERE id = $1 AND state = 'deleting' RETURNING id
)
` + sqlAuditInto + `SELECT id, $2, $4, $5, $3, $6::jsonb FROM buried`

	sqlBrokerUser = `
WITH changed AS (
	UPDATE tenants SET broker_user = $2 WHERE id = $1 AND state IN ('active', 'suspended') RETURNING id, name
)
` + sqlAuditInto + `SELECT id, $3, $5, name, $4, jsonb_build_object('broker_user', $2::boolean) FROM changed`

	// There are ever more tombstones. What is found of older ones is refused when it is worked on.
	sqlGone = `
SELECT id FROM tenants WHERE state = 'deleting' OR (state = 'deleted' AND state_since > now() - interval '1 day')`

	sqlNow       = `SELECT clock_timestamp()`
	sqlOlderWork = `
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND xact_start <= $1 AND pid <> pg_backend_pid()`
)

// Suspend has a tenant's events held at ingestion from now on. It reports false where the tenant is not active.
func (p *Platform) Suspend(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error) {
	return p.changeState(ctx, "suspend tenant", tenant, store.TenantSuspended, []string{"active"}, store.TenantStopped, act, nil)
}

// Resume ends a suspension: what was held is let go from now on. It reports false where the tenant is not suspended.
func (p *Platform) Resume(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error) {
	return p.changeState(ctx, "resume tenant", tenant, store.TenantActive, []string{"suspended"}, store.TenantResumed, act,
		func(b *pgx.Batch) {
			b.Queue(`SELECT set_config('role', 'none', true)`)
			b.Queue(lastView(tenant).sql, lastView(tenant).arg)
			b.Queue(sqlEndSuspension, [16]byte(tenant))
		})
}

// BeginDeletion ends a tenant: from the commit on nothing is written for it any more. It reports false where that has
// happened before.
func (p *Platform) BeginDeletion(ctx context.Context, tenant uuid.UUID, act store.Act) (bool, error) {
	return p.changeState(ctx, "begin to delete tenant", tenant, store.TenantDeleting, []string{"active", "suspended"},
		store.TenantDeletion, act, nil)
}

func (p *Platform) changeState(
	ctx context.Context, what string, tenant uuid.UUID, to store.TenantState, from []string, action store.Action, act store.Act,
	more func(*pgx.Batch),
) (changed bool, err error) {
	err = p.roundTrip(ctx, fmt.Sprintf("%s %s", what, tenant), func(b *pgx.Batch) {
		b.Queue(sqlChangeState, [16]byte(tenant), string(to), from, printable(act.By), printable(act.Why), string(action), "{}").
			Exec(affected(&changed))
		if more != nil {
			more(b)
		}
	})
	return changed, err
}

// affected notes whether a statement changed anything.
func affected(changed *bool) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*changed = tag.RowsAffected() > 0
		return nil
	}
}

// Bury ends the deletion of a tenant of which nothing is left: its row becomes a tombstone, and its name is free. name
// is what it was called; removed is what was found of it, for the audit log. It reports false where it is buried already.
func (p *Platform) Bury(ctx context.Context, tenant store.Tenant, act store.Act, removed map[string]int) (changed bool, err error) {
	err = p.roundTrip(ctx, fmt.Sprintf("bury tenant %s", tenant.ID), func(b *pgx.Batch) {
		b.Queue(sqlBury, [16]byte(tenant.ID), printable(act.By), printable(act.Why), string(store.TenantErased),
			printable(tenant.Name), removed).Exec(affected(&changed))
	})
	return changed, err
}

// NoteBrokerUser writes whether a tenant has a user of its own at the broker. store.ErrNotFound: it is not served.
func (p *Platform) NoteBrokerUser(ctx context.Context, tenant uuid.UUID, has bool, act store.Act) error {
	var changed bool
	what := fmt.Sprintf("note the broker user of tenant %s", tenant)
	err := p.roundTrip(ctx, what, func(b *pgx.Batch) {
		b.Queue(sqlBrokerUser, [16]byte(tenant), has, printable(act.By), printable(act.Why), string(store.TenantCredentials)).
			Exec(affected(&changed))
	})
	if err == nil && !changed {
		return fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return err
}

// Gone lists the tenants that are being deleted, or were within the last day.
func (p *Platform) Gone(ctx context.Context) ([]uuid.UUID, error) {
	var gone []uuid.UUID
	err := p.roundTrip(ctx, "list deleted tenants", func(b *pgx.Batch) {
		b.Queue(sqlGone).Query(collect(&gone, func(row pgx.CollectableRow) (uuid.UUID, error) {
			var id uuid.UUID
			return id, row.Scan((*[16]byte)(&id))
		}))
	})
	return gone, err
}

// Now is Postgres' clock.
func (t *Tenant) Now(ctx context.Context) (now time.Time, err error) {
	err = t.db.roundTrip(ctx, "read the clock", lastView(t.id), func(b *pgx.Batch) {
		b.Queue(sqlNow).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	})
	return now, err
}

// OlderWork counts the transactions of all processes that began at a moment or before it and have not ended. Only the
// role that they run as may see them.
func (t *Tenant) OlderWork(ctx context.Context, moment time.Time) (n int, err error) {
	err = t.db.roundTrip(ctx, "look for older transactions", lastView(t.id), func(b *pgx.Batch) {
		b.Queue(sqlOlderWork, moment).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
	})
	return n, err
}
