package main

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// newLifecycle wires what is done to tenants to the open adapters: the database and the transport, and for an export or a
// deletion the other stores. Tenants have users of their own at RabbitMQ where RABBITMQ_MANAGEMENT_URL says how to make
// them.
func (in *installation) newLifecycle() (*tenancy.Lifecycle, error) {
	stores := tenancy.Stores{
		Register: in.db.Platform(),
		Records:  func(id uuid.UUID) tenancy.Records { return in.db.Tenant(id) },
		Points:   func(id uuid.UUID) tenancy.Hoard { return in.points.Tenant(id) },
		Objects:  func(id uuid.UUID) tenancy.Objects { return in.objects.Tenant(id) },
		Broker:   in.transport,
	}
	if in.config.RabbitMQ.URL != "" && in.config.RabbitMQ.ManagementURL != "" {
		users, err := rabbitmq.NewUsers(in.config.RabbitMQ, in.topology)
		if err != nil {
			return nil, environmentError{err}
		}
		stores.Users = users
	}
	return tenancy.New(stores, in.topology), nil
}

// tenancyError says whose an error of the lifecycle is.
func tenancyError(err error) error {
	switch {
	case errors.Is(err, store.ErrExists), errors.Is(err, tenancy.ErrNotServed):
		return inputError{err}
	case errors.Is(err, tenancy.ErrBroker), errors.Is(err, tenancy.ErrUsersUnreachable):
		return environmentError{err}
	}
	return err
}

// brokerLogin is how the credentials of a tenant's broker user are shown, once.
type brokerLogin struct {
	User string `json:"user"`
	URL  string `json:"url"` // with the password
}

// withLifecycle runs a short verb on a tenant.
func withLifecycle(
	ctx context.Context, c *console, verb func(context.Context, *installation, *tenancy.Lifecycle) error, opens ...func(*installation, context.Context) error,
) error {
	opens = append([]func(*installation, context.Context) error{(*installation).openDatabase, (*installation).openTransport}, opens...)
	return withOpen(ctx, c, func(ctx context.Context, in *installation) error {
		lifecycle, err := in.newLifecycle()
		if err != nil {
			return err
		}
		return tenancyError(verb(ctx, in, lifecycle))
	}, opens...)
}
