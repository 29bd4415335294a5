package freshness

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/store"
)

// Metrics are what the tracker shows in the process that leads.
// Times are exported as timestamps: an age would stand still with the tracker.
type Metrics struct {
	leader      prometheus.Gauge
	endedEvents *prometheus.CounterVec

	mu    sync.Mutex
	shown []prometheus.Metric // of the last look; nil where this process does not lead
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		leader: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "reos_freshness_leader", Help: "1 where this process leads the freshness tracker, else 0.",
		}),
		endedEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_ended_events_total", Help: "Events of all tenants that ended, each counted once, while this process has led.",
		}, []string{"stage", "outcome", "reason"}),
	}
	registry.MustRegister(m.leader, m.endedEvents, m)
	return m
}

// lead says whether this process leads. One that does no longer shows nothing: another one may see something else.
func (m *Metrics) lead(leads bool) {
	if leads {
		m.leader.Set(1)
		return
	}
	m.leader.Set(0)
	m.show(nil)
}

// show replaces what the gauges show.
func (m *Metrics) show(gauges []prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown = gauges
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range gaugeDescs {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	shown := m.shown
	m.mu.Unlock()
	for _, metric := range shown {
		metrics <- metric
	}
}

// endings turns counters of Postgres, which go down when a tenant is deleted, into counters that only go up.
type endings struct {
	began time.Time
	seen  map[[16]byte][]store.StageCount
}

// count adds what has ended since the last time. Of a tenant that is seen for the first time, what ended before this
// process led counts for nothing.
func (e *endings) count(facts store.FreshnessFacts, metrics *Metrics) {
	if e.seen == nil {
		e.began, e.seen = facts.At, map[[16]byte][]store.StageCount{}
	}
	for _, tenant := range facts.Tenants {
		before, known := e.seen[tenant.Tenant.ID]
		if known || tenant.Tenant.CreatedAt.After(e.began) {
			for _, now := range tenant.Ended {
				if more := now.Count - countIn(before, now); more > 0 {
					metrics.endedEvents.WithLabelValues(string(now.Stage), string(now.Outcome), string(now.Reason)).Add(float64(more))
				}
			}
		}
		e.seen[tenant.Tenant.ID] = tenant.Ended
	}
}

func countIn(counts []store.StageCount, like store.StageCount) int {
	for _, count := range counts {
		if count.Stage == like.Stage && count.Outcome == like.Outcome && count.Reason == like.Reason {
			return count.Count
		}
	}
	return 0
}
