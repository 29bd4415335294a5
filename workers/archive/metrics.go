package archive

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/store"
)

// Metrics are what the process that archives exports.
type Metrics struct {
	stagedBytes, stagedOldest *prometheus.GaugeVec // without labels: a vector can be taken back
	objects, events, failures prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		stagedBytes: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_staged_raw_bytes", Help: "Raw bytes, packed, that wait in Postgres to be archived.",
		}, nil),
		stagedOldest: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_staged_raw_oldest_timestamp_seconds", Help: "When the oldest raw bytes that wait in Postgres were staged; absent without any.",
		}, nil),
		objects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "reos_archived_objects_total", Help: "Objects made of staged raw bytes.",
		}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "reos_archived_events_total", Help: "Events whose staged raw bytes became part of an object.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "reos_archive_failures_total", Help: "Attempts to archive a tenant's staged raw bytes that failed; they stay staged.",
		}),
	}
	registry.MustRegister(m.stagedBytes, m.stagedOldest, m.objects, m.events, m.failures)
	return m
}

func (m *Metrics) staged(staging []store.Staging) {
	m.retire()
	bytes := int64(0)
	for i, s := range staging {
		bytes += s.Bytes
		if i == 0 { // the one that waits longest comes first
			m.stagedOldest.WithLabelValues().Set(float64(s.Oldest.UnixMicro()) / 1e6)
		}
	}
	m.stagedBytes.WithLabelValues().Set(float64(bytes))
}

func (m *Metrics) archived(events int) {
	m.objects.Inc()
	m.events.Add(float64(events))
}

func (m *Metrics) failed() { m.failures.Inc() }

func (m *Metrics) retire() {
	m.stagedBytes.Reset()
	m.stagedOldest.Reset()
}
