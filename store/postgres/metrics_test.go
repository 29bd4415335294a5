package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// metric reads one metric without labels.
func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	require.Fail(t, "not exported", name)
	return 0
}

func TestPoolMetricsShowCallersThatWait(t *testing.T) {
	f := newFixture(t)
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.db.Collector())
	most := int(metric(t, registry, "reos_postgres_pool_max_connections"))
	require.Positive(t, most)
	for range most {
		conn, err := f.db.Pool().Acquire(t.Context())
		require.NoError(t, err)
		defer conn.Release()
	}
	require.EqualValues(t, most, metric(t, registry, "reos_postgres_pool_acquired_connections"))
	require.Zero(t, metric(t, registry, "reos_postgres_pool_cancelled_waits_total"))

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := f.db.Pool().Acquire(ctx)
	require.Error(t, err)
	require.EqualValues(t, 1, metric(t, registry, "reos_postgres_pool_cancelled_waits_total"))
}
