package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// owners remembers for a moment which tenants there are, so that not every request asks Postgres.
type owners struct {
	tenants Tenants
	keep    time.Duration

	mu    sync.Mutex
	known map[uuid.UUID]knownOwner
}

type knownOwner struct {
	tenant store.Tenant
	until  time.Time
}

// maxOwners bounds what is remembered.
const maxOwners = 10_000

func newOwners(tenants Tenants, keep time.Duration) *owners {
	return &owners{tenants: tenants, keep: keep, known: map[uuid.UUID]knownOwner{}}
}

// find returns a tenant. One that does not exist is forbidden, like any that is not the caller's.
func (o *owners) find(ctx context.Context, id uuid.UUID) (store.Tenant, error) {
	o.mu.Lock()
	known, ok := o.known[id]
	o.mu.Unlock()
	if ok && time.Now().Before(known.until) {
		return known.tenant, nil
	}
	tenant, err := o.tenants.Tenant(ctx, id.String())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && tenant.ID == store.PlatformTenant:
		return store.Tenant{}, forbidden("the token is not for this tenant")
	case err != nil:
		return store.Tenant{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known) >= maxOwners {
		clear(o.known)
	}
	o.known[id] = knownOwner{tenant: tenant, until: time.Now().Add(o.keep)}
	return tenant, nil
}
