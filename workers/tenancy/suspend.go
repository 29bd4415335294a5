package tenancy

import (
	"context"

	"github.com/codybias9/real-estate-os/store"
)

// Suspend has a tenant's events held at ingestion: nothing is lost, and what was accepted before is finished. Its user at
// the broker, if it has one, may no longer publish. It reports whether the tenant was active before.
func (l *Lifecycle) Suspend(ctx context.Context, tenant store.Tenant, act store.Act) (changed bool, err error) {
	if err := l.usersOf(tenant); err != nil {
		return false, err
	}
	if !tenant.State.Served() {
		return false, ErrNotServed
	}
	if changed, err = l.Register.Suspend(ctx, tenant.ID, act); err != nil {
		return false, err
	}
	return changed, l.permit(ctx, tenant, false)
}

// Resume ends a suspension: what was held goes on, and the tenant's user may publish again. It reports whether the tenant
// was suspended before.
func (l *Lifecycle) Resume(ctx context.Context, tenant store.Tenant, act store.Act) (changed bool, err error) {
	if err := l.usersOf(tenant); err != nil {
		return false, err
	}
	if !tenant.State.Served() {
		return false, ErrNotServed
	}
	if changed, err = l.Register.Resume(ctx, tenant.ID, act); err != nil {
		return false, err
	}
	return changed, l.permit(ctx, tenant, true)
}

// permit is done again for a tenant that is in the state already: the call that brought it there may have been cut off.
func (l *Lifecycle) permit(ctx context.Context, tenant store.Tenant, mayPublish bool) error {
	if !tenant.BrokerUser {
		return nil
	}
	return atBroker("tell the tenant's broker user", l.Users.Permit(ctx, tenant.ID, mayPublish))
}
