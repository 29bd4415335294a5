package rabbitmq

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// BenchmarkPublish publishes 1 KiB messages in batches of 200, each confirmed before the next.
func BenchmarkPublish(b *testing.B) {
	transport := declared(b)
	queue := transport.topology.StageQueue(events.Quality, "a")
	batch := outgoing(queue, 200)
	b.ReportAllocs()
	b.ResetTimer()
	for published := 0; published < b.N; published += len(batch) {
		require.NoError(b, transport.PublishBatch(context.Background(), batch[:min(len(batch), b.N-published)]))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkConsume acks every 1 KiB message as it comes.
func BenchmarkConsume(b *testing.B) {
	transport := declared(b)
	queue := transport.topology.StageQueue(events.Quality, "a")
	batch := outgoing(queue, 1000)
	for published := 0; published < b.N; published += len(batch) {
		require.NoError(b, transport.PublishBatch(context.Background(), batch[:min(len(batch), b.N-published)]))
	}
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		receive(b, messages).Ack()
	}
	require.NoError(b, transport.Close()) // the acks are part of it
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
