package freshness_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")

	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// fakePlatform is Postgres across tenants.
type fakePlatform struct {
	mu       sync.Mutex
	statuses []store.TenantStatus
	rows     []store.SLI
	looks    int
	looked   chan struct{}        // gets a token per look
	status   func(look int) error // what the nth look answers, from 1
	save     func(rows []store.SLI) error
}

func (f *fakePlatform) Status(_ context.Context, tenants []uuid.UUID) ([]store.TenantStatus, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if tenants != nil {
		return nil, fmt.Errorf("asked for %d tenants, not for all", len(tenants))
	}
	f.looks++
	select {
	case f.looked <- struct{}{}:
	default:
	}
	if f.status != nil {
		if err := f.status(f.looks); err != nil {
			return nil, err
		}
	}
	return f.statuses, nil
}

func (f *fakePlatform) SaveSLIs(_ context.Context, rows []store.SLI) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.save != nil {
		if err := f.save(rows); err != nil {
			return err
		}
	}
	f.rows = append(f.rows, rows...)
	return nil
}

// fakeTransport keeps what is published. Everything else is its embedded nil.
type fakeTransport struct {
	events.Transport
	mu        sync.Mutex
	published []events.Outgoing
	publish   func(ctx context.Context) error // what PublishBatch answers
	confirmed chan struct{}                   // gets a token per confirmed batch
}

func (f *fakeTransport) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	if f.publish != nil {
		if err := f.publish(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = append(f.published, batch...)
	select {
	case f.confirmed <- struct{}{}:
	default:
	}
	return nil
}

// bench is a tracker on fakes.
type bench struct {
	platform  *fakePlatform
	transport *fakeTransport
	topology  events.Topology
	registry  *prometheus.Registry
	metrics   *freshness.Metrics
	tracker   *freshness.Tracker
}

func newBench(interval time.Duration, statuses ...store.TenantStatus) *bench {
	b := &bench{
		platform:  &fakePlatform{statuses: statuses, looked: make(chan struct{}, 100)},
		transport: &fakeTransport{confirmed: make(chan struct{}, 100)},
		topology:  events.DefaultTopology(), registry: prometheus.NewRegistry(),
	}
	b.metrics = freshness.NewMetrics(b.registry)
	b.tracker = freshness.NewTracker(b.platform, b.transport, b.topology, freshness.Config{Interval: interval}, b.metrics, zerolog.Nop())
	return b
}

// run starts the tracker; the function that it returns ends it.
func (b *bench) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.tracker.Run(ctx); close(done) }()
	stop = func() { cancel(); await(t, done, "the tracker does not end") }
	t.Cleanup(stop)
	return stop
}

func await(t *testing.T, signal <-chan struct{}, otherwise string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(10 * time.Second):
		require.FailNow(t, otherwise)
	}
}

// gauges gives the samples of the registry's gauges by name and labels: name{label=value,…}.
func (b *bench) gauges(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := b.registry.Gather()
	require.NoError(t, err)
	samples := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			if metric.GetGauge() != nil {
				samples[family.GetName()+"{"+strings.Join(labels, ",")+"}"] = metric.GetGauge().GetValue()
			}
		}
	}
	return samples
}

// named lists the samples of one gauge.
func named(samples map[string]float64, name string) []string {
	var found []string
	for _, sample := range slices.Sorted(maps.Keys(samples)) {
		if strings.HasPrefix(sample, name+"{") {
			found = append(found, sample)
		}
	}
	return found
}

func of(tenant uuid.UUID) store.TenantStatus {
	return store.TenantStatus{Tenant: store.Tenant{ID: tenant, Name: tenant.String(), Lane: "a"}}
}

func waiting(status store.TenantStatus, stage events.Stage, n int, oldest time.Time) store.TenantStatus {
	status.Waiting = append(slices.Clone(status.Waiting), store.Waiting{
		Stage: stage, Count: n, OldestOccurred: oldest, OldestAccepted: oldest.Add(time.Minute),
	})
	return status
}

func ended(status store.TenantStatus, stage events.Stage, outcome events.Outcome, reason events.Reason, n int) store.TenantStatus {
	status.Counts = append(slices.Clone(status.Counts), store.StageCount{Stage: stage, Outcome: outcome, Reason: reason, Count: n})
	return status
}
