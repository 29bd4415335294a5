package main

import (
	"context"
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// answers is a transport that answers what it is told to.
type answers struct {
	events.Transport
	published error
}

func (a answers) PublishBatch(context.Context, []events.Outgoing) error { return a.published }

// gathered reads the values of one metric by its labels' values, joined by a slash.
func gathered(t *testing.T, name string, from ...prometheus.Collector) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(from...)
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			key := ""
			for _, label := range m.GetLabel() {
				key += label.GetValue() + "/"
			}
			if family.GetName() == name {
				values[key] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

func TestPublishedMessagesAreCountedByWhatBecameOfThem(t *testing.T) {
	batch := make([]events.Outgoing, 3)
	for i := range batch {
		batch[i] = events.Outgoing{Topic: "q", Message: message.NewMessage("1", nil)}
	}
	for _, c := range []struct {
		err                           error
		confirmed, unroutable, failed float64
	}{
		{nil, 3, 0, 0},
		{events.PublishErrors{nil, events.ErrUnroutable, errors.New("nacked")}, 1, 1, 1},
		{errors.New("no broker"), 0, 0, 3},
	} {
		transport := measure(answers{published: c.err})
		require.Equal(t, c.err, transport.PublishBatch(t.Context(), batch), "it changes no answer")
		require.Equal(t, map[string]float64{"confirmed/": c.confirmed, "unroutable/": c.unroutable, "failed/": c.failed},
			gathered(t, "reos_published_messages_total", transport))
		require.EqualValues(t, 1, gathered(t, "reos_publish_seconds", transport)[""])
	}
}
