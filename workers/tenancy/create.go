package tenancy

import (
	"context"
	"fmt"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Create makes a tenant, or finds the one of the same id and name, which stays in its lane, and lets its events in.
// store.ErrExists: the id or the name is another's, or was.
func (l *Lifecycle) Create(ctx context.Context, order store.TenantOrder, act store.Act) (tenant store.Tenant, err error) {
	if order.Lane == "" {
		if order.Lane, err = l.emptiestLane(ctx); err != nil {
			return store.Tenant{}, err
		}
	}
	if err := l.Broker.Declare(ctx); err != nil {
		return store.Tenant{}, atBroker("declare the topology", err)
	}
	err = l.Register.WithBindings(ctx, func(ctx context.Context) error {
		if err := l.Register.CreateTenant(ctx, store.Tenant{ID: order.ID, Name: order.Name, Lane: order.Lane}, act); err != nil {
			return err
		}
		if tenant, err = l.Register.Tenant(ctx, order.ID.String()); err != nil {
			return err
		}
		if !tenant.State.Served() {
			return fmt.Errorf("create tenant %s: %w: %w", tenant.ID, store.ErrExists, ErrNotServed)
		}
		return l.bind(ctx, tenant)
	})
	return tenant, err
}

// bind lets a tenant's events in, as its row says.
func (l *Lifecycle) bind(ctx context.Context, tenant store.Tenant) error {
	return atBroker(fmt.Sprintf("bind tenant %s", tenant.ID), l.Broker.MoveTenant(ctx, tenant.ID, tenant.Lane, tenant.Draining))
}

// Bind lets every tenant's events in that is served, as the tenants' rows say. Creating and moving a tenant do so too; this
// heals a broker that was replaced, and a move that was cut off.
func (l *Lifecycle) Bind(ctx context.Context) error {
	return l.Register.WithBindings(ctx, func(ctx context.Context) error {
		tenants, err := l.served(ctx)
		if err != nil {
			return err
		}
		for _, tenant := range tenants {
			if err := l.bind(ctx, tenant); err != nil {
				return err
			}
		}
		return nil
	})
}

// emptiestLane is the lane for a new tenant.
func (l *Lifecycle) emptiestLane(ctx context.Context) (string, error) {
	tenants, err := l.served(ctx)
	if err != nil {
		return "", err
	}
	count := map[string]int{}
	for _, tenant := range tenants {
		count[tenant.Lane]++
	}
	return l.topology.LaneFor(count), nil
}

// served lists the tenants that are served, without the platform.
func (l *Lifecycle) served(ctx context.Context) ([]store.Tenant, error) {
	tenants, err := l.Register.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	real := make([]store.Tenant, 0, len(tenants))
	for _, tenant := range tenants {
		if tenant.ID != store.PlatformTenant {
			real = append(real, tenant)
		}
	}
	return real, nil
}

// Credentials makes a tenant's user at the broker, or gives it a new password: from then on nobody can connect with the
// old one, and whoever is connected with it is cut off. It may publish under its tenant's keys, unless the tenant is
// suspended. They are shown this once: nothing keeps them. ErrUsersUnreachable: there is no way to the broker's users.
func (l *Lifecycle) Credentials(ctx context.Context, tenant store.Tenant, act store.Act) (events.Credentials, error) {
	switch {
	case l.Users == nil:
		return events.Credentials{}, ErrUsersUnreachable
	case !tenant.State.Served():
		return events.Credentials{}, ErrNotServed
	}
	// The note comes first: no user is there that nobody knows of.
	if err := l.Register.NoteBrokerUser(ctx, tenant.ID, true, act); err != nil {
		return events.Credentials{}, err
	}
	given, err := l.Users.Grant(ctx, tenant.ID, tenant.State == store.TenantActive)
	return given, atBroker("make credentials", err)
}
