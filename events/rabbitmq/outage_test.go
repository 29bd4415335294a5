package rabbitmq

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// An alarm of the broker holds up publishers, visibly and within their contexts; consumers go on.
func TestABlockedBrokerHoldsUpPublishersOnly(t *testing.T) {
	t.Parallel()
	broker := newPrivateBroker(t)
	transport := openAt(t, broker.url, newTopology())
	require.NoError(t, transport.Declare(within(t)))
	queue := transport.topology.StageQueue(events.Quality, "a")
	require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, 100)))

	broker.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
	published := make(chan error, 1)
	go func() { published <- transport.PublishBatch(within(t), outgoing(queue, 3000)) }()
	require.Eventually(t, func() bool { return transport.Ready(context.Background()) != nil }, patience, 10*time.Millisecond)
	require.ErrorContains(t, transport.Ready(context.Background()), "the broker blocks publishers: low on memory")
	require.Equal(t, map[string]float64{"reos_broker_blocked": 1, "reos_broker_connected": 2}, exportedBy(t, transport))

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	failures := transport.PublishBatch(ctx, outgoing(queue, 3)).(events.PublishErrors)
	for _, err := range failures {
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	for _, msg := range take(t, messages, 100) {
		msg.Ack()
	}
	select {
	case err := <-published:
		require.FailNow(t, "published in spite of the alarm", "%v", err)
	default:
	}

	broker.rabbitmqctl("set_vm_memory_high_watermark", "0.9")
	require.NoError(t, <-published)
	require.NoError(t, transport.Ready(context.Background()))
	require.Zero(t, exportedBy(t, transport)["reos_broker_blocked"])
}

// exportedBy sums what a transport exports, by metric.
func exportedBy(t *testing.T, transport *Transport) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(transport.Collector())
	families, err := registry.Gather()
	require.NoError(t, err)
	sums := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			sums[family.GetName()] += metric.GetGauge().GetValue()
		}
	}
	return sums
}

// A transport that is closed while the broker reads nothing must not wait for its goodbye.
func TestCloseWhileTheBrokerIsBlocked(t *testing.T) {
	t.Parallel()
	broker := newPrivateBroker(t)
	transport, err := Open(within(t), Config{URL: broker.url, CloseTimeout: 100 * time.Millisecond}, newTopology(), zerolog.Nop())
	require.NoError(t, err)
	broker.rabbitmqctl("set_vm_memory_high_watermark", "0.00001")
	published := make(chan error, 1)
	go func() {
		published <- transport.Publish("held.up", message.NewMessage("1", make([]byte, 16<<20)))
	}()
	require.Eventually(t, func() bool { return transport.Ready(context.Background()) != nil }, patience, 10*time.Millisecond)
	began := time.Now()
	require.NoError(t, transport.Close())
	require.Less(t, time.Since(began), 10*time.Second)
	require.ErrorIs(t, <-published, ErrClosed)
}

// Invariant 1: a broker that is killed and comes back loses nothing that it confirmed.
func TestInvariant1TheBrokerIsKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	broker := newPrivateBroker(t)
	transport := openAt(t, broker.url, newTopology())
	require.NoError(t, transport.Declare(within(t)))
	queue := transport.topology.StageQueue(events.Quality, "a")
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	const count, size = 6000, 100
	batch := outgoing(queue, count)
	half := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait() // whatever fails first is what the test says
	others.Go(func() {
		for start := 0; start < count; start += size {
			publishAll(t, transport, batch[start:start+size])
			if start == count/2 {
				close(half)
			}
		}
	})
	others.Go(func() {
		<-half
		broker.services("kill", "rabbitmq")
		broker.services("start", "rabbitmq")
	})
	seen := map[string]bool{}
	for len(seen) < count {
		msg := receive(t, messages)
		seen[msg.UUID] = true
		msg.Ack()
	}
}
