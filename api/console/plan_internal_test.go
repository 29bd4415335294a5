package console

import (
	"context"

	"github.com/codybias9/real-estate-os/store"
)

// Runs are none.
func (m *manyTenants) Runs(context.Context, string, store.RunFilter, int, store.RunCursor) ([]store.TenantRun, error) {
	return nil, nil
}

// WholeRuns are none.
func (m *manyTenants) WholeRuns(context.Context, store.RunFilter, int, store.WholeRunCursor) ([]store.WholeRun, error) {
	return nil, nil
}
