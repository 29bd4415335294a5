package freshness

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// tenantLabels bounds the tenants that get time series of their own: those whose work is oldest. The rest are summed
// under "other".
const tenantLabels = 100

// Metrics are the tracker's gauges. Times are exported as timestamps: an age would stand still with the tracker.
type Metrics struct {
	duration *prometheus.HistogramVec

	mu       sync.Mutex
	statuses []store.TenantStatus
	at       time.Time

	unfinished, oldest, ended, evaluated *prometheus.Desc
}

// NewMetrics registers the tracker's metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "reos_acceptance_to_end_seconds",
			Help:    "From an event's acceptance to its last stage, by what that stage said.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 20),
		}, []string{"end"}),
		unfinished: prometheus.NewDesc("reos_unfinished_events", "Accepted events that wait at a stage.", []string{"tenant", "stage"}, nil),
		oldest: prometheus.NewDesc("reos_oldest_unfinished_timestamp_seconds",
			"Event time of the oldest unfinished event at a stage. Absent where nothing waits.", []string{"tenant", "stage"}, nil),
		ended:     prometheus.NewDesc("reos_ended_events", "Events that ended at a stage, by outcome.", []string{"tenant", "stage", "outcome"}, nil),
		evaluated: prometheus.NewDesc("reos_freshness_evaluated_timestamp_seconds", "When the tracker last looked.", nil, nil),
	}
	registry.MustRegister(m.duration, m)
	return m
}

func (m *Metrics) took(verb events.Verb, duration time.Duration) {
	m.duration.WithLabelValues(string(verb)).Observe(duration.Seconds())
}

// publish replaces what the gauges show.
func (m *Metrics) publish(statuses []store.TenantStatus, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.statuses, m.at = statuses, at
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{m.unfinished, m.oldest, m.ended, m.evaluated} {
		descs <- desc
	}
}

// stageKey labels a gauge.
type stageKey struct {
	tenant  string
	stage   events.Stage
	outcome events.Outcome
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	m.mu.Lock()
	statuses, at := slices.Clone(m.statuses), m.at
	m.mu.Unlock()
	if at.IsZero() {
		return
	}
	slices.SortStableFunc(statuses, oldestFirst) // tenants without work keep their order, and so their labels
	waiting, oldest, ended := map[stageKey]float64{}, map[stageKey]time.Time{}, map[stageKey]float64{}
	for i, status := range statuses {
		tenant := status.Tenant.ID.String()
		if i >= tenantLabels {
			tenant = "other"
		}
		for _, w := range status.Waiting {
			key := stageKey{tenant: tenant, stage: w.Stage}
			waiting[key] += float64(w.Count)
			if first, ok := oldest[key]; !ok || w.OldestOccurred.Before(first) {
				oldest[key] = w.OldestOccurred
			}
		}
		for _, c := range status.Counts {
			ended[stageKey{tenant, c.Stage, c.Outcome}] += float64(c.Count)
		}
	}
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	for key, n := range waiting {
		gauge(m.unfinished, n, key.tenant, string(key.stage))
		gauge(m.oldest, seconds(oldest[key]), key.tenant, string(key.stage))
	}
	for key, n := range ended {
		gauge(m.ended, n, key.tenant, string(key.stage), string(key.outcome))
	}
	gauge(m.evaluated, seconds(at))
}

// oldestFirst sorts tenants by their oldest unfinished work; those without any come last.
func oldestFirst(a, b store.TenantStatus) int {
	first, second := oldestOf(a), oldestOf(b)
	switch {
	case first.IsZero() && second.IsZero():
		return 0
	case first.IsZero():
		return 1
	case second.IsZero():
		return -1
	}
	return first.Compare(second)
}

// oldestOf is the event time of a tenant's oldest unfinished event; zero where nothing waits.
func oldestOf(status store.TenantStatus) time.Time {
	var oldest time.Time
	for _, w := range status.Waiting {
		if oldest.IsZero() || w.OldestOccurred.Before(oldest) {
			oldest = w.OldestOccurred
		}
	}
	return oldest
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
