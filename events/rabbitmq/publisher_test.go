package rabbitmq

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// Invariant 1: the broker acks what it returns; it is a failure all the same, and no neighbour's.
func TestInvariant1AReturnedMessageIsAFailure(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	nowhere := transport.topology.Events() + "/nobody.listens"
	var callers sync.WaitGroup
	for unroutable := range 8 {
		callers.Go(func() {
			batch := outgoing(queue, 501)
			at := unroutable * 60
			batch[at].Topic = nowhere
			failures, ok := transport.PublishBatch(within(t), batch).(events.PublishErrors)
			assert.True(t, ok)
			for i, err := range failures {
				if i == at {
					assert.ErrorIs(t, err, events.ErrUnroutable)
				} else {
					assert.NoError(t, err)
				}
			}
		})
	}
	callers.Wait()
	all := transport.PublishBatch(within(t), outgoing(nowhere, 2500))
	require.Len(t, all, 2500)
	for _, err := range all.(events.PublishErrors) {
		require.ErrorIs(t, err, events.ErrUnroutable)
	}
	depths, err := transport.Depths(within(t))
	require.NoError(t, err)
	require.Equal(t, 8*500, depths[queue])
}

// What no frame can hold, or what would close the channel, harms only itself.
func TestAWrongMessageHarmsOnlyItself(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	batch := outgoing(queue, 10)
	batch[1].Topic = "no.such.exchange/key"
	batch[2].Topic = transport.topology.Events() + "/" + strings.Repeat("k", 256)
	batch[3].Message.UUID = strings.Repeat("u", 256)
	batch[4].Message.Metadata[strings.Repeat("n", 256)] = "name too long"
	batch[5].Message.Metadata["large"] = strings.Repeat("h", 200_000)
	batch[6].Message.Payload = make([]byte, MaxMessageBytes+1)
	batch[7].Message.Metadata[MetaTypedHeaders] = "nonsense"
	batch[8].Message.Metadata = nil
	wrong := map[int]string{
		1: `exchange "no.such.exchange" does not exist`, 2: "topic of", 3: "message id of 256 bytes",
		4: "header name of 256 bytes", 5: "headers of", 6: "payload of",
	}
	channel, _, _ := transport.publish.state()
	for range 3 {
		failures := transport.PublishBatch(within(t), batch).(events.PublishErrors)
		for i, err := range failures {
			if want := wrong[i]; want != "" {
				require.ErrorContains(t, err, want)
			} else {
				require.NoError(t, err)
			}
		}
		require.ErrorIs(t, failures[1], events.ErrUnroutable)
	}
	still, _, _ := transport.publish.state()
	require.Same(t, channel, still)
}

func TestPublishGivesUpWithItsContext(t *testing.T) {
	transport := declared(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	queue := transport.topology.StageQueue(events.Quality, "a")
	failures := transport.PublishBatch(ctx, outgoing(queue, 3)).(events.PublishErrors)
	for _, err := range failures {
		require.ErrorIs(t, err, context.Canceled)
	}
	require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, 3)))
}

func TestCallersThatLeaveDoNotUseUpTheWindow(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	for range 30 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		_ = transport.PublishBatch(ctx, outgoing(queue, 400))
		cancel()
	}
	require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, 3000)))
}

// A connection that breaks again and again loses nothing that was confirmed.
func TestInvariant1PublishingThroughBrokenConnections(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	const count, size = 4000, 200
	done := make(chan struct{})
	go func() {
		defer close(done)
		for start := 0; start < count; start += size {
			publishAll(t, transport, outgoing(queue, count)[start:start+size])
			if start%(4*size) == 0 {
				breakLink(transport.publish)
			}
			if start%(6*size) == 0 {
				breakLink(transport.consume)
			}
		}
	}()
	seen := map[string]bool{}
	for len(seen) < count {
		msg := receive(t, messages)
		seen[msg.UUID] = true
		msg.Ack()
	}
	<-done
}

// breakLink cuts a connection as a network does.
func breakLink(l *link) {
	if conn, _, _ := l.state(); conn != nil {
		_ = conn.socket.Close()
	}
}

// publishAll publishes again what was not confirmed, as a runner does.
func publishAll(t testing.TB, transport *Transport, batch []events.Outgoing) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for len(batch) > 0 && assert.NoError(t, ctx.Err()) {
		failures, _ := transport.PublishBatch(ctx, batch).(events.PublishErrors)
		var rest []events.Outgoing
		for i, err := range failures {
			if err != nil {
				rest = append(rest, batch[i])
			}
		}
		batch = rest
	}
}

func TestQueuesOutsideTheTopologyAreMadeOnFirstUse(t *testing.T) {
	transport := open(t)
	name := transport.topology.Namespace + ".elsewhere"
	require.NoError(t, transport.Publish(name, message.NewMessage("1", nil)))
	messages, err := transport.Subscribe(context.Background(), name)
	require.NoError(t, err)
	receive(t, messages).Ack()

	// Somebody deletes it: the broker cancels the consumer, which makes it again.
	deleteQueue(t, name)
	require.Eventually(t, func() bool { return consumers(t, name) == 1 }, patience, 10*time.Millisecond)
	require.NoError(t, transport.Publish(name, message.NewMessage("2", nil)))
	msg := receive(t, messages)
	require.Equal(t, "2", msg.UUID)
	msg.Ack()
}
