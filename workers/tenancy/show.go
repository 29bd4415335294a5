package tenancy

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Show says how a tenant is.
func (l *Lifecycle) Show(ctx context.Context, tenant store.Tenant) (store.TenantDetail, error) {
	detail := store.TenantDetail{Pauses: []store.Pause{}}
	statuses, err := l.Register.Status(ctx, []uuid.UUID{tenant.ID})
	if err != nil {
		return detail, err
	}
	detail.Tenant = tenant
	if len(statuses) > 0 {
		detail.TenantStatus = statuses[0]
	}
	pauses, err := l.Register.Pauses(ctx)
	if err != nil {
		return detail, err
	}
	for _, pause := range pauses {
		if pause.Tenant == tenant.ID {
			detail.Pauses = append(detail.Pauses, pause)
		}
	}
	detail.Held, err = l.Broker.Held(ctx, tenant.ID)
	return detail, atBroker("count held messages", err)
}
