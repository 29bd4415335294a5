package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// apiTenancy is the life of tenants as the API offers it.
type apiTenancy struct {
	in        *installation
	lifecycle *tenancy.Lifecycle
}

func (a *apiTenancy) List(ctx context.Context) ([]store.Tenant, error) {
	all, err := a.in.db.Platform().Tenants(ctx)
	return withoutPlatform(all), err
}

func (a *apiTenancy) Find(ctx context.Context, id uuid.UUID) (store.Tenant, error) {
	return a.in.db.Platform().Tenant(ctx, id.String())
}

func (a *apiTenancy) Show(ctx context.Context, tenant store.Tenant) (store.TenantDetail, error) {
	detail, err := a.lifecycle.Show(ctx, tenant)
	return detail, spoken(err)
}

func (a *apiTenancy) Create(ctx context.Context, order store.TenantOrder, act store.Act) (store.Tenant, error) {
	if order.Lane != "" {
		if err := a.in.checkLane(order.Lane); err != nil {
			return store.Tenant{}, fmt.Errorf("%w: %w", store.ErrConflict, err)
		}
	}
	tenant, err := a.lifecycle.Create(ctx, order, act)
	return tenant, spoken(err)
}

func (a *apiTenancy) Credentials(ctx context.Context, tenant store.Tenant, act store.Act) (*events.Credentials, error) {
	if a.lifecycle.Users == nil {
		return nil, nil
	}
	given, err := a.lifecycle.Credentials(ctx, tenant, act)
	if err != nil {
		return nil, spoken(err)
	}
	return &given, nil
}

func (a *apiTenancy) Suspend(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error) {
	changed, err := a.lifecycle.Suspend(ctx, tenant, act)
	return changed, spoken(err)
}

func (a *apiTenancy) Resume(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error) {
	changed, err := a.lifecycle.Resume(ctx, tenant, act)
	return changed, spoken(err)
}

func (a *apiTenancy) Export(ctx context.Context, tenant store.Tenant, w io.Writer, act store.Act) error {
	_, err := a.lifecycle.Export(ctx, tenant, w, act, nil)
	return spoken(err)
}

func (a *apiTenancy) Delete(ctx context.Context, tenant store.Tenant, act store.Act, patience time.Duration) (store.Erasure, error) {
	erasure, err := a.lifecycle.Delete(ctx, tenant, act, tenancy.Deletion{Timeout: patience, Settle: store.Timeout})
	return erasure, spoken(err)
}

// spoken says an error of the lifecycle in the words that every adapter speaks.
func spoken(err error) error {
	switch {
	case errors.Is(err, tenancy.ErrNotServed), errors.Is(err, tenancy.ErrUsersUnreachable):
		return fmt.Errorf("%w: %w", store.ErrConflict, err)
	case errors.Is(err, tenancy.ErrBroker):
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
