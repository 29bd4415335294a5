package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
)

// exportAdapters registers what the open adapters say of themselves.
func (in *installation) exportAdapters() {
	if in.db != nil {
		in.registry.MustRegister(in.db.Collector())
	}
	if points := cmp.Or(in.points, in.comparedPoints); points != nil {
		in.registry.MustRegister(points.Collector())
	}
	if exporter, ok := in.transport.(prometheus.Collector); ok {
		in.registry.MustRegister(exporter)
	}
}

// measured is a transport that counts and times what it publishes, and exports what the transport below it exports.
type measured struct {
	events.Transport
	messages *prometheus.CounterVec
	seconds  prometheus.Histogram
	parts    []prometheus.Collector
}

// measure wraps a transport.
func measure(transport events.Transport) *measured {
	m := &measured{
		Transport: transport,
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_published_messages_total",
			Help: "Messages published, by what became of them: confirmed, unroutable or failed. A bundle of events is one message.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "reos_publish_seconds", Help: "From handing a batch to the transport until every confirm is in.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
	}
	m.parts = []prometheus.Collector{m.messages, m.seconds}
	if below, ok := transport.(interface{ Collector() prometheus.Collector }); ok {
		m.parts = append(m.parts, below.Collector())
	}
	for _, result := range []string{confirmed, unroutable, failed} {
		m.messages.WithLabelValues(result)
	}
	return m
}

// What becomes of a published message.
const (
	confirmed  = "confirmed"
	unroutable = "unroutable"
	failed     = "failed"
)

// PublishBatch implements events.Transport.
func (m *measured) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	began := time.Now()
	err := m.Transport.PublishBatch(ctx, batch)
	m.seconds.Observe(time.Since(began).Seconds())
	var failures events.PublishErrors
	if err != nil && (!errors.As(err, &failures) || len(failures) != len(batch)) {
		m.messages.WithLabelValues(failed).Add(float64(len(batch)))
		return err
	}
	counts := map[string]int{confirmed: len(batch)}
	for _, failure := range failures {
		switch {
		case errors.Is(failure, events.ErrUnroutable):
			counts[unroutable]++
			counts[confirmed]--
		case failure != nil:
			counts[failed]++
			counts[confirmed]--
		}
	}
	for result, n := range counts {
		m.messages.WithLabelValues(result).Add(float64(n))
	}
	return err
}

// Describe implements prometheus.Collector.
func (m *measured) Describe(descs chan<- *prometheus.Desc) {
	for _, part := range m.parts {
		part.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (m *measured) Collect(metrics chan<- prometheus.Metric) {
	for _, part := range m.parts {
		part.Collect(metrics)
	}
}
