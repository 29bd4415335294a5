package rabbitmq

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// A lane whose messages nobody acks takes its own prefetch, and none of another lane's.
func TestEverySubscriptionHasItsOwnPrefetch(t *testing.T) {
	const prefetch, count = 10, 40
	topology := newTopology()
	topology.Lanes = []string{"a", "b"}
	transport, err := Open(within(t), Config{URL: sharedBroker(t), Prefetch: prefetch, CloseTimeout: time.Second}, topology, zerolog.Nop())
	require.NoError(t, err)
	defer func() {
		require.NoError(t, transport.Close())
		remove(t, transport.config.URL, transport)
	}()
	require.NoError(t, transport.Declare(within(t)))
	a, b := topology.StageQueue(events.Ingestion, "a"), topology.StageQueue(events.Ingestion, "b")
	for _, queue := range []string{a, b} {
		require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, count)))
	}
	stuck, err := transport.Subscribe(context.Background(), a)
	require.NoError(t, err)
	held := take(t, stuck, prefetch)
	flowing, err := transport.Subscribe(context.Background(), b)
	require.NoError(t, err)
	for range count {
		receive(t, flowing).Ack()
	}
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		depths, err := transport.Depths(context.Background())
		require.NoError(t, err)
		require.Equal(t, count-prefetch, depths[a])
		require.Zero(t, depths[b])
	}, patience, 20*time.Millisecond)
	require.Empty(t, stuck, "no more than the prefetch")
	for _, msg := range held {
		require.True(t, msg.Ack())
	}
	take(t, stuck, prefetch)
}
