package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// Platform is the handle that looks across tenants. It counts, creates tenants and reads dead letters; it cannot read
// a record. It is safe for concurrent use.
//
// Invariant 4: every transaction says that it looks across tenants, by becoming reos_platform.
type Platform struct{ db *DB }

func (p *Platform) roundTrip(ctx context.Context, what string, queue func(*pgx.Batch)) error {
	return p.db.roundTrip(ctx, what, platformView, queue)
}

const (
	sqlTenant       = `SELECT id, name, lane, draining, created_at, state, state_since, state_by, state_why, broker_user FROM tenants`
	sqlCreateTenant = `
WITH created AS (
	INSERT INTO tenants (id, name, lane, state_by, state_why) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id, name, lane
)
` + sqlAuditInto + `SELECT id, $4, $6, name, $5, jsonb_build_object('lane', lane) FROM created`
	sqlSameTenant = `SELECT EXISTS (SELECT FROM tenants WHERE id = $1 AND name = $2)`
	sqlFindTenant = sqlTenant + ` WHERE id = $1 OR name = $2 ORDER BY (id = $1) DESC LIMIT 1`
	sqlServed     = sqlTenant + ` WHERE state IN ('active', 'suspended') ORDER BY name`
	sqlAllTenants = sqlTenant + ` ORDER BY name`
)

// CreateTenant adds a tenant. One of the same id and name stays as it is; store.ErrExists says that the id or the name
// is another tenant's.
func (p *Platform) CreateTenant(ctx context.Context, tenant store.Tenant, act store.Act) error {
	what := fmt.Sprintf("create tenant %s", tenant.ID)
	var same bool
	err := p.roundTrip(ctx, what, func(b *pgx.Batch) {
		b.Queue(sqlCreateTenant, [16]byte(tenant.ID), tenant.Name, tenant.Lane,
			printable(act.By), printable(act.Why), string(store.TenantCreated))
		b.Queue(sqlSameTenant, [16]byte(tenant.ID), tenant.Name).QueryRow(func(row pgx.Row) error { return row.Scan(&same) })
	})
	if err == nil && !same {
		return fmt.Errorf("%s: %w: another tenant has this id, or the name %q", what, store.ErrExists, tenant.Name)
	}
	return err
}

// Tenants lists the tenants that are served by name, the platform's own (store.PlatformTenant) among them.
func (p *Platform) Tenants(ctx context.Context) ([]store.Tenant, error) {
	return p.tenants(ctx, sqlServed)
}

// AllTenants lists those that are being deleted and those that were, too.
func (p *Platform) AllTenants(ctx context.Context) ([]store.Tenant, error) {
	return p.tenants(ctx, sqlAllTenants)
}

func (p *Platform) tenants(ctx context.Context, statement string) ([]store.Tenant, error) {
	var tenants []store.Tenant
	err := p.roundTrip(ctx, "list tenants", func(b *pgx.Batch) {
		b.Queue(statement).Query(collect(&tenants, scanTenant))
	})
	return tenants, err
}

// Tenant finds a tenant by id or, failing that, by name; else store.ErrNotFound. One that was deleted is found by its id.
func (p *Platform) Tenant(ctx context.Context, idOrName string) (store.Tenant, error) {
	var id *[16]byte
	if parsed, err := uuid.Parse(idOrName); err == nil {
		id = (*[16]byte)(&parsed)
	}
	var tenants []store.Tenant
	err := p.roundTrip(ctx, "find tenant", func(b *pgx.Batch) {
		b.Queue(sqlFindTenant, id, printable(idOrName)).Query(collect(&tenants, scanTenant))
	})
	return only(tenants, err, "find tenant")
}

func scanTenant(row pgx.CollectableRow) (store.Tenant, error) {
	var tenant store.Tenant
	err := row.Scan((*[16]byte)(&tenant.ID), &tenant.Name, &tenant.Lane, &tenant.Draining, &tenant.CreatedAt,
		&tenant.State, &tenant.StateSince, &tenant.StateBy, &tenant.StateWhy, &tenant.BrokerUser)
	if len(tenant.Draining) == 0 {
		tenant.Draining = nil
	}
	return tenant, err
}

// LiveIndex hands over what search finds, tenant by tenant in pages of at most 500 records with their vectors: all
// that it takes to build a vector store anew. It stops at page's first error. Each tenant is read by its own handle:
// the platform has no right to records.
func (p *Platform) LiveIndex(ctx context.Context, model string, page func(tenant uuid.UUID, states []store.IndexState) error) error {
	tenants, err := p.Tenants(ctx)
	if err != nil {
		return err
	}
	for _, tenant := range tenants {
		err := p.db.Tenant(tenant.ID).liveIndex(ctx, model, func(states []store.IndexState) error { return page(tenant.ID, states) })
		if err != nil {
			return err
		}
	}
	return nil
}
