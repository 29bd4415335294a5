package workers

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
)

// Metrics are what the runners of one process count.
type Metrics struct {
	messages *prometheus.CounterVec
	batches  *prometheus.HistogramVec
	seconds  *prometheus.HistogramVec
}

// NewMetrics registers the runners' metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_stage_messages_total", Help: "Messages settled, by stage, outcome and reason.",
		}, []string{"stage", "outcome", "reason"}),
		batches: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "reos_stage_batch_messages", Help: "Messages in a batch.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100, 200, 500},
		}, []string{"stage"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "reos_stage_batch_seconds", Help: "From a batch's first message in hand to its acks.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"stage"}),
	}
	registry.MustRegister(m.messages, m.batches, m.seconds)
	return m
}

func (m *Metrics) message(stage events.Stage, outcome events.Outcome, reason events.Reason) {
	m.messages.WithLabelValues(string(stage), string(outcome), string(reason)).Inc()
}

func (m *Metrics) batch(stage events.Stage, messages int, took time.Duration) {
	m.batches.WithLabelValues(string(stage)).Observe(float64(messages))
	m.seconds.WithLabelValues(string(stage)).Observe(took.Seconds())
}
