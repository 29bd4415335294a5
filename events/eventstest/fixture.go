package eventstest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// patience bounds every wait for a signal. It is no measure of speed: it only ends a test that has failed. A broker
// needs most of it to restart.
const patience = 60 * time.Second

// fixture is one behaviour's topology, under a namespace of its own.
type fixture struct {
	*testing.T
	open     OpenFunc
	ctx      context.Context // ends with patience
	topology events.Topology
}

func newFixture(t *testing.T, open OpenFunc) fixture {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return fixture{T: t, open: open, ctx: ctx, topology: events.Topology{
		Namespace:     "t" + strings.ReplaceAll(uuid.NewString(), "-", "")[:12],
		Lanes:         []string{"a", "b"},
		RetryDelays:   []time.Duration{300 * time.Millisecond, 600 * time.Millisecond},
		DeliveryLimit: 2,
	}}
}

// transport opens one more process's transport.
func (f fixture) transport() events.Transport {
	f.Helper()
	transport := f.open(f.T, f.topology)
	f.Cleanup(func() { assert.NoError(f, transport.Close()) })
	return transport
}

// declared opens a transport and builds the topology.
func (f fixture) declared() events.Transport {
	f.Helper()
	transport := f.transport()
	require.NoError(f, transport.Declare(f.ctx))
	return transport
}

// queue names a queue to work with.
func (f fixture) queue() string { return f.topology.StageQueue(events.Quality, "a") }

// publish publishes messages to one topic and demands their confirms.
func (f fixture) publish(transport events.Transport, topic string, messages ...*message.Message) {
	f.Helper()
	batch := make([]events.Outgoing, len(messages))
	for i, msg := range messages {
		batch[i] = events.Outgoing{Topic: topic, Message: msg}
	}
	require.NoError(f, transport.PublishBatch(f.ctx, batch))
}

// subscription is a consumer under test.
type subscription struct {
	fixture
	deliveries <-chan *message.Message
	cancel     context.CancelFunc
}

func (f fixture) subscribe(transport events.Transport, queue string) subscription {
	f.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f.Cleanup(cancel)
	deliveries, err := transport.Subscribe(ctx, queue)
	require.NoError(f, err)
	return subscription{f, deliveries, cancel}
}

// next waits for a message.
func (s subscription) next() *message.Message {
	s.Helper()
	select {
	case msg, open := <-s.deliveries:
		require.True(s, open, "the subscription ended by itself")
		return msg
	case <-s.ctx.Done():
		require.FailNow(s, "no message came")
		return nil
	}
}

// take waits for n messages and leaves them unacked.
func (s subscription) take(n int) []*message.Message {
	s.Helper()
	taken := make([]*message.Message, n)
	for i := range taken {
		taken[i] = s.next()
	}
	return taken
}

// ended waits until the subscription is closed; nothing may come before that.
func (s subscription) ended() {
	s.Helper()
	select {
	case msg, open := <-s.deliveries:
		require.False(s, open, "%v came after the end", msg)
	case <-s.ctx.Done():
		require.FailNow(s, "the subscription did not end")
	}
}

// contents takes everything out of a queue that was published before, in order. It knows the end by a message of its
// own behind all others.
func (f fixture) contents(transport events.Transport, queue string) []*message.Message {
	f.Helper()
	last := numbered("last", 1)[0]
	f.publish(transport, queue, last)
	s := f.subscribe(transport, queue)
	var found []*message.Message
	for {
		msg := s.next()
		msg.Ack()
		if msg.UUID == last.UUID {
			s.cancel()
			return found
		}
		found = append(found, msg)
	}
}

// numbered makes messages with a common word in them.
func numbered(word string, n int) []*message.Message {
	messages := make([]*message.Message, n)
	for i := range messages {
		messages[i] = message.NewMessage(uuid.NewString(), fmt.Appendf(nil, "%s %d", word, i))
		messages[i].Metadata.Set("cloudEvents:id", messages[i].UUID)
	}
	return messages
}

// ids lists the messages' UUIDs. It is never nil, so that two empty lists are equal.
func ids(messages []*message.Message) []string {
	list := make([]string, len(messages))
	for i, msg := range messages {
		list[i] = msg.UUID
	}
	return list
}

// requireSame demands that a message arrived as it was sent. What the transport adds to it may differ.
func (f fixture) requireSame(sent, got *message.Message) {
	f.Helper()
	require.Equal(f, sent.UUID, got.UUID)
	require.Equal(f, len(sent.Payload), len(got.Payload), "payload bytes of %s", sent.UUID)
	require.True(f, string(sent.Payload) == string(got.Payload), "payload of %s differs", sent.UUID)
	for key, value := range sent.Metadata {
		if key == events.MetaExchange || key == events.MetaRoutingKey {
			continue
		}
		arrived, ok := got.Metadata[key]
		require.True(f, ok, "header %q of %s is gone", key, sent.UUID)
		require.Equal(f, value, arrived, "header %q of %s", key, sent.UUID)
	}
}
