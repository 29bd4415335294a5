package reconcile

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Metrics are what the leading process exports. Those of the others are absent, or zero.
type Metrics struct {
	redrivenEvents, stuckEvents *prometheus.CounterVec
	findings                    *prometheus.GaugeVec
	redriveRun, reconcileRun    prometheus.Gauge
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		redrivenEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_redriven_events_total", Help: "Unfinished events driven again, by the stage that they wait at.",
		}, []string{"stage"}),
		stuckEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_redriven_unmoved_events_total",
			Help: "Unfinished events driven again that had not moved the last four times, by the stage that they wait at.",
		}, []string{"stage"}),
		findings: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_reconcile_findings", Help: "What the last comparison of the stores found, by kind.",
		}, []string{"kind"}),
		redriveRun: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "reos_redrive_run_timestamp_seconds", Help: "When unfinished events were last looked through.",
		}),
		reconcileRun: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "reos_reconcile_run_timestamp_seconds", Help: "When the stores were last compared.",
		}),
	}
	registry.MustRegister(m.redrivenEvents, m.stuckEvents, m.findings, m.redriveRun, m.reconcileRun)
	return m
}

func (m *Metrics) redriven(stage events.Stage) { m.redrivenEvents.WithLabelValues(string(stage)).Inc() }

func (m *Metrics) stuck(stage events.Stage) { m.stuckEvents.WithLabelValues(string(stage)).Inc() }

func (m *Metrics) redrove(at time.Time) { m.redriveRun.Set(seconds(at)) }

// found shows what a comparison found, zeros among it.
func (m *Metrics) found(report Report, at time.Time) {
	for _, kind := range store.FindingKinds {
		m.findings.WithLabelValues(string(kind)).Set(float64(report.Count(kind)))
	}
	m.reconcileRun.Set(seconds(at))
}

// retire takes back what was found: another process may find something else.
func (m *Metrics) retire() { m.findings.Reset() }

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }
