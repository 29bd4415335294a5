package freshness_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

// Canaries prove isolation: whatever they look like, nobody is called for them.
func TestCanariesAreInNoSLI(t *testing.T) {
	canary := store.NewCanary(store.CanaryProbe)
	stuck := waiting(of(canary.ID), events.Quality, 2, noon.Add(-48*time.Hour))
	stuck.Tenant = canary
	b := newBench(freshness.Config{}, stuck, of(tenantB))
	_, _, err := b.tracker.Watch().Look(t.Context())
	require.NoError(t, err)
	reports := b.transport.reports(t)
	require.Len(t, reports, 1)
	require.Equal(t, tenantB, reports[0].Tenant)
	for _, row := range b.platform.rows {
		require.Equal(t, tenantB, row.Tenant)
	}
}
