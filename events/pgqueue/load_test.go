package pgqueue_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
)

const loadTimeout = 90 * time.Second

// batchTo makes a batch of messages of 1 KiB to one topic.
func batchTo(topic string, size int) []events.Outgoing {
	batch := make([]events.Outgoing, size)
	for i := range batch {
		batch[i] = events.Outgoing{Topic: topic, Message: message.NewMessage(uuid.NewString(), make([]byte, 1024))}
		batch[i].Message.Metadata.Set("cloudEvents:type", "reos.property.upserted.v1")
	}
	return batch
}

// Invariant 1: under load, with two processes on one queue, every message comes exactly once.
func TestTwentyThousandThroughTwoConsumers(t *testing.T) {
	t.Parallel()
	const total, batchSize, publishers = 20_000, 250, 4
	database, queue := cluster.database(t), "load"
	ctx, cancel := context.WithTimeout(context.Background(), loadTimeout)
	defer cancel()

	arrived := make(chan string, total)
	var consuming sync.WaitGroup
	for range 2 {
		deliveries, err := openOn(t, cluster.pool(t, database), topologyFor(t)).Subscribe(ctx, queue)
		require.NoError(t, err)
		consuming.Go(func() {
			for msg := range deliveries {
				arrived <- msg.UUID
				msg.Ack()
			}
		})
	}
	publisher := openOn(t, cluster.pool(t, database), topologyFor(t))
	var publishing sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for range total / batchSize / publishers {
				assert.NoError(t, publisher.PublishBatch(ctx, batchTo(queue, batchSize)))
			}
		})
	}
	publishing.Wait()
	seen := make(map[string]bool, total)
	for len(seen) < total {
		select {
		case id := <-arrived:
			require.False(t, seen[id], "doubled")
			seen[id] = true
		case <-ctx.Done():
			require.FailNow(t, "messages are missing", "%d of %d came", len(seen), total)
		}
	}
	cancel()
	consuming.Wait()
	require.Empty(t, arrived, "doubled")
}

// BenchmarkPublishConsume measures a message's whole way, from publish to ack, by the size of the batches that are
// published. Publishing and consuming go on at the same time.
func BenchmarkPublishConsume(b *testing.B) {
	for _, size := range []int{1, 50, 200} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			transport := openOn(b, cluster.pool(b, cluster.database(b)), topologyFor(b))
			deliveries := subscribe(b, transport, "bench")
			b.ResetTimer()
			go func() {
				for sent := 0; sent < b.N; sent += size {
					assert.NoError(b, transport.PublishBatch(context.Background(), batchTo("bench", min(size, b.N-sent))))
				}
			}()
			for range b.N {
				(<-deliveries).Ack()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkPublish measures confirmed publishes, by the size of batches and how many callers publish at once.
func BenchmarkPublish(b *testing.B) {
	for _, shape := range []struct{ size, callers int }{{1, 1}, {1, 32}, {200, 1}, {200, 4}} {
		b.Run(fmt.Sprintf("batch=%d/callers=%d", shape.size, shape.callers), func(b *testing.B) {
			transport := openOn(b, cluster.pool(b, cluster.database(b)), topologyFor(b))
			b.ResetTimer()
			var publishing sync.WaitGroup
			for range shape.callers {
				publishing.Go(func() {
					for sent := 0; sent < b.N/shape.callers; sent += shape.size {
						assert.NoError(b, transport.PublishBatch(context.Background(), batchTo("bench", shape.size)))
					}
				})
			}
			publishing.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkLatency measures a lone message from publish to delivery in another process's transport.
func BenchmarkLatency(b *testing.B) {
	database := cluster.database(b)
	deliveries := subscribe(b, openOn(b, cluster.pool(b, database), topologyFor(b)), "bench")
	publisher := openOn(b, cluster.pool(b, database), topologyFor(b))
	for b.Loop() {
		require.NoError(b, publisher.PublishBatch(context.Background(), batchTo("bench", 1)))
		(<-deliveries).Ack()
	}
}

func subscribe(b *testing.B, transport *pgqueue.Transport, queue string) <-chan *message.Message {
	deliveries, err := transport.Subscribe(context.Background(), queue)
	require.NoError(b, err)
	return deliveries
}
