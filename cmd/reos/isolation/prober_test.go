package isolation

import (
	"context"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

// canariesOf are the tenants that are canaries of a purpose, whatever their state.
func (f *fixture) canariesOf(t *testing.T, purpose string) (all []store.Tenant) {
	t.Helper()
	tenants, err := f.Tenants.All(t.Context())
	require.NoError(t, err)
	for _, tenant := range tenants {
		if tenant.Canary() == purpose {
			all = append(all, tenant)
		}
	}
	return all
}

// fewReads are attempts enough to see how a probe is told.
func fewReads(a Attempt) bool {
	return strings.HasPrefix(a.Name, "read tables with ") || strings.HasPrefix(a.Name, "have a canary")
}

func TestAProberKeepsItsCanariesAndCountsLeaks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	registry := prometheus.NewRegistry()
	f.Metrics = registry
	metrics := NewMetrics(registry)
	prober := NewProber(f.Installation, metrics, zerolog.New(zerolog.NewTestWriter(t)))
	prober.only = fewReads
	require.Equal(t, len(Layers), testutil.CollectAndCount(metrics.failures), "every layer is there before its first failure")
	require.Zero(t, testutil.CollectAndCount(metrics.complete), "absent before the first probe")

	require.NoError(t, prober.Probe(t.Context()))
	kept := f.canariesOf(t, store.CanaryProbe)
	require.Len(t, kept, 2)
	require.Equal(t, 1, testutil.CollectAndCount(metrics.complete))
	require.Positive(t, testutil.ToFloat64(metrics.complete.WithLabelValues()))
	for _, layer := range Layers {
		require.Zero(t, testutil.ToFloat64(metrics.failures.WithLabelValues(string(layer))), layer)
	}

	execute(t, f.AdminURL, `ALTER POLICY tenant ON properties USING (true)`)
	require.NoError(t, prober.Probe(t.Context()), "a leak is no reason why a probe is not complete")
	require.Positive(t, testutil.ToFloat64(metrics.failures.WithLabelValues(string(Postgres))))
	require.Equal(t, kept, f.canariesOf(t, store.CanaryProbe), "no tombstone per probe")

	metrics.Retire()
	require.Zero(t, testutil.CollectAndCount(metrics.complete))
}

func TestAnIncompleteProbeIsNoCompleteOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	execute(t, f.AdminURL, `CREATE TABLE notes (tenant_id uuid PRIMARY KEY); SELECT isolate_tenants('notes'); GRANT SELECT ON notes TO reos_app`)
	metrics := NewMetrics(prometheus.NewRegistry())
	prober := NewProber(f.Installation, metrics, zerolog.Nop())
	prober.only = fewReads
	require.ErrorContains(t, prober.Probe(t.Context()), "could not be probed in full")
	require.Zero(t, testutil.CollectAndCount(metrics.complete))
}

func TestAnInterruptedRunRemovesItsCanariesAndTheNextThoseOfAKilledOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, err := f.Tenants.Create(t.Context(), store.NewCanary(store.CanaryVerify))
	require.NoError(t, err)
	customer, err := f.Tenants.Create(t.Context(), store.Tenant{ID: store.NewCanary("x").ID, Name: "reos-canary-verify-acme"})
	require.NoError(t, err)

	ctx, interrupt := context.WithCancel(t.Context())
	report, err := Verify(ctx, f.Installation, Options{Progress: func(done, _ int) {
		if done == 3 {
			interrupt()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, report.Results, 3)
	require.False(t, report.Complete)
	require.Empty(t, f.canariesOf(t, store.CanaryVerify), "its own, and those of a run that was killed")
	left, err := f.DB.Platform().Tenant(t.Context(), customer.ID.String())
	require.NoError(t, err)
	require.Equal(t, store.TenantActive, left.State, "a name alone makes no canary")
}

func TestOneVerificationAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var second error
	_, err := Verify(t.Context(), f.Installation, Options{only: func(a Attempt) bool { return strings.HasPrefix(a.Name, "have a canary") }, Progress: func(int, int) {
		_, second = Verify(t.Context(), f.Installation, Options{})
	}})
	require.NoError(t, err)
	require.ErrorIs(t, second, ErrBusy)
}
