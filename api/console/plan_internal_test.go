package console

import (
	"context"

	"github.com/codybias9/real-estate-os/store"
)

// Runs are none.
func (m *manyTenants) Runs(context.Context, string, int, store.RunCursor) ([]store.TenantRun, error) {
	return nil, nil
}
