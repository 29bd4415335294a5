package tenancy

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Detail is all that is known of a tenant.
type Detail struct {
	store.TenantStatus
	Pauses []store.Pause  `json:"pauses"` // a suspension is one at ingestion
	Held   map[string]int `json:"held"`   // messages that pauses hold, by queue
}

// Show says how a tenant is.
func (l *Lifecycle) Show(ctx context.Context, tenant store.Tenant) (Detail, error) {
	detail := Detail{Pauses: []store.Pause{}}
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
