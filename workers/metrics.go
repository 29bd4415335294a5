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
	settled  *prometheus.CounterVec
	inHand   *prometheus.GaugeVec
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
		settled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_lane_batches_total", Help: "Batches settled, by stage and lane.",
		}, []string{"stage", "lane"}),
		inHand: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_lane_batch_began_timestamp_seconds",
			Help: "When the batch in hand was taken, by stage and lane. 0 while none is in hand.",
		}, []string{"stage", "lane"}),
	}
	registry.MustRegister(m.messages, m.batches, m.seconds, m.settled, m.inHand)
	for _, reason := range events.Reasons { // at zero, so that the first letter is an increase
		m.messages.WithLabelValues(string(events.DeadLetters), string(events.Done), string(reason))
	}
	return m
}

// began notes that a batch is in hand. A lane has one at a time.
func (m *Metrics) began(stage events.Stage, lane string, at time.Time) {
	m.inHand.WithLabelValues(string(stage), lane).Set(float64(at.UnixMicro()) / 1e6)
}

func (m *Metrics) message(stage events.Stage, outcome events.Outcome, reason events.Reason) {
	m.messages.WithLabelValues(string(stage), string(outcome), string(reason)).Inc()
}

func (m *Metrics) batch(stage events.Stage, lane string, messages int, took time.Duration) {
	m.settled.WithLabelValues(string(stage), lane).Inc()
	m.inHand.WithLabelValues(string(stage), lane).Set(0)
	m.batches.WithLabelValues(string(stage)).Observe(float64(messages))
	m.seconds.WithLabelValues(string(stage)).Observe(took.Seconds())
}
