package postgres

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Tenant is the handle to one tenant's rows. It is safe for concurrent use.
//
// Invariant 4: row-level security and every statement's own condition confine it, each by itself.
type Tenant struct {
	db *DB
	id uuid.UUID
}

// key is the tenant as the first parameter of every statement.
func (t *Tenant) key() [16]byte { return t.id }

// roundTrip runs one transaction in one round trip.
func (t *Tenant) roundTrip(ctx context.Context, what string, queue func(*pgx.Batch)) error {
	return t.db.roundTrip(ctx, what, tenantView(t.id), queue)
}
