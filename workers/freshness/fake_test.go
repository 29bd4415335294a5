package freshness_test

import (
	"context"
	"encoding/json"
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

// fakePlatform is Postgres across tenants, and its clock.
type fakePlatform struct {
	mu      sync.Mutex
	at      time.Time
	tenants []store.TenantFacts // whole; what a call reads of it is what Postgres would
	rows    []store.SLI
	waiting []store.WaitingLane
	blocks  []store.LaneBlock
	looks   int
	signs   []uuid.UUID // whose signs were read
	noted   int
	looked  chan struct{} // gets a token per look
	fail    func(what string) error
}

func (f *fakePlatform) failing(what string) error {
	if f.fail == nil {
		return nil
	}
	return f.fail(what)
}

func (f *fakePlatform) Freshness(context.Context) (store.FreshnessFacts, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	select {
	case f.looked <- struct{}{}:
	default:
	}
	facts := store.FreshnessFacts{At: f.at}
	for _, t := range f.tenants {
		facts.Tenants = append(facts.Tenants, store.TenantFacts{
			Tenant: t.Tenant, Work: t.Work, Pauses: t.Pauses, Thresholds: t.Thresholds, Block: t.Block,
		})
	}
	return facts, f.failing("facts")
}

func (f *fakePlatform) each(tenants []store.TenantFacts, give func(to *store.TenantFacts, from store.TenantFacts)) {
	whole := make(map[uuid.UUID]store.TenantFacts, len(f.tenants))
	for _, t := range f.tenants {
		whole[t.Tenant.ID] = t
	}
	for i := range tenants {
		give(&tenants[i], whole[tenants[i].Tenant.ID])
	}
}

func (f *fakePlatform) FreshnessSigns(_ context.Context, tenants []store.TenantFacts) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.each(tenants, func(to *store.TenantFacts, from store.TenantFacts) {
		f.signs = append(f.signs, to.Tenant.ID)
		to.Sources = from.Sources
	})
	return f.failing("signs")
}

func (f *fakePlatform) FreshnessRates(_ context.Context, tenants []store.TenantFacts) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.each(tenants, func(to *store.TenantFacts, from store.TenantFacts) {
		to.Ended, to.Before, to.Coverage = from.Ended, from.Before, from.Coverage
	})
	return f.failing("rates")
}

func (f *fakePlatform) LanesWaiting(_ context.Context, lanes []store.WaitingLane, _ time.Duration) ([]store.LaneBlock, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = lanes
	return f.blocks, f.failing("lanes")
}

func (f *fakePlatform) Evaluated(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noted++
	return f.failing("noted")
}

func (f *fakePlatform) SaveSLIs(_ context.Context, rows []store.SLI) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failing("history"); err != nil {
		return err
	}
	f.rows = append(f.rows, rows...)
	return nil
}

// fakeRecords is Postgres for each tenant.
type fakeRecords struct {
	mu       sync.Mutex
	measured []int
	learned  [][]string
	thinned  int
	times    []store.SearchableTimes
	err      error
	tended   chan struct{} // gets a token per measurement
}

func (f *fakeRecords) MeasureCoverage(_ context.Context, ended int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.measured = append(f.measured, ended)
	select {
	case f.tended <- struct{}{}:
	default:
	}
	return f.err
}

func (f *fakeRecords) LearnSilence(_ context.Context, sources, lanes []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.learned = append(f.learned, sources, lanes)
	return f.err
}

func (f *fakeRecords) ThinHistory(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thinned++
	return f.err
}

func (f *fakeRecords) AddSearchableTimes(_ context.Context, times []store.SearchableTimes) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	f.times = append(f.times, times...)
	return nil
}

// fakeTransport keeps what is published. Everything else is its embedded nil.
type fakeTransport struct {
	events.Transport
	mu        sync.Mutex
	published []events.Outgoing
	depths    map[string]int
	lost      error                           // of Depths
	forgets   bool                            // it keeps nothing
	publish   func(ctx context.Context) error // what PublishBatch answers
}

func (f *fakeTransport) Depths(context.Context) (map[string]int, error) { return f.depths, f.lost }

func (f *fakeTransport) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	if f.publish != nil {
		if err := f.publish(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.forgets {
		f.published = append(f.published, batch...)
	}
	return nil
}

// reports reads and forgets what was published.
func (f *fakeTransport) reports(t *testing.T) []freshness.Report {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var reports []freshness.Report
	for _, out := range f.published {
		event, err := events.Decode(out.Message)
		require.NoError(t, err)
		require.Equal(t, events.TypeSLI, event.Type)
		require.Equal(t, "reos.sli/"+event.TenantID.String(), out.Topic)
		var report freshness.Report
		require.NoError(t, json.Unmarshal(event.Data, &report))
		require.Equal(t, event.TenantID, report.Tenant)
		require.True(t, event.Time.Equal(report.At))
		reports = append(reports, report)
	}
	f.published = nil
	return reports
}

// fakeLeadership leads where leads says so.
type fakeLeadership struct{ leads func() (bool, error) }

func (f *fakeLeadership) LeadTracking(ctx context.Context, work func(context.Context)) (bool, error) {
	led, err := f.leads()
	if led {
		work(ctx)
	}
	return led, err
}

// bench is a tracker on fakes.
type bench struct {
	platform  *fakePlatform
	records   *fakeRecords
	transport *fakeTransport
	leader    *fakeLeadership
	registry  *prometheus.Registry
	metrics   *freshness.Metrics
	times     *freshness.Times
	tracker   *freshness.Tracker
}

func newBench(config freshness.Config, tenants ...store.TenantFacts) *bench {
	b := &bench{
		platform:  &fakePlatform{at: noon, tenants: tenants, looked: make(chan struct{}, 100)},
		records:   &fakeRecords{tended: make(chan struct{}, 100)},
		transport: &fakeTransport{},
		leader:    &fakeLeadership{leads: func() (bool, error) { return true, nil }},
		registry:  prometheus.NewRegistry(),
	}
	if config.Interval == 0 {
		config.Interval = 15 * time.Second
	}
	if config.History == 0 {
		config.History = 5 * time.Minute
	}
	if config.TenantLabels == 0 {
		config.TenantLabels = 50
	}
	b.metrics = freshness.NewMetrics(b.registry)
	b.times = freshness.NewTimes(func(uuid.UUID) freshness.TimesRecords { return b.records }, b.registry, zerolog.Nop())
	b.tracker = freshness.NewTracker(freshness.Parts{
		Leadership: b.leader, Platform: b.platform, Records: func(uuid.UUID) freshness.Records { return b.records },
		Transport: b.transport, Topology: events.DefaultTopology(), Config: config, Metrics: b.metrics, Log: zerolog.Nop(),
	})
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

// samples gives the registry's gauges and counters by name and labels: name{label=value,…}.
func (b *bench) samples(t *testing.T) map[string]float64 {
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
			name := family.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case metric.GetGauge() != nil:
				samples[name] = metric.GetGauge().GetValue()
			case metric.GetCounter() != nil:
				samples[name] = metric.GetCounter().GetValue()
			}
		}
	}
	return samples
}

// of is a tenant whose source was heard of just now.
func of(tenant uuid.UUID) store.TenantFacts {
	return store.TenantFacts{
		Tenant:  store.Tenant{ID: tenant, Name: "name of " + tenant.String(), Lane: "a", State: store.TenantActive, CreatedAt: noon.AddDate(-1, 0, 0)},
		Sources: []store.SourceSigns{{Source: "mls", LastLive: noon}},
	}
}

func waiting(facts store.TenantFacts, stage events.Stage, n int, since time.Time) store.TenantFacts {
	facts.Work = append([]store.Work{}, append(facts.Work, store.Work{
		Stage: stage, Source: "mls", Entry: store.LiveEntry, Events: n, OldestOccurred: since.Add(-time.Minute), OldestAccepted: since, OldestDue: since.Add(-time.Minute),
	})...)
	return facts
}

func ended(facts store.TenantFacts, stage events.Stage, outcome events.Outcome, reason events.Reason, n int) store.TenantFacts {
	facts.Ended = append([]store.StageCount{}, append(facts.Ended, store.StageCount{Stage: stage, Outcome: outcome, Reason: reason, Count: n})...)
	return facts
}
