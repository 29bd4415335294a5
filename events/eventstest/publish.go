package eventstest

import (
	"bytes"
	"strings"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// awkward makes messages at the limits of what an upstream may send.
func awkward() []*message.Message {
	payloads := [][]byte{
		[]byte(`{"ListingKey":"K1"}`),
		{},
		{0x00, 0xff, 0xfe, 0x80, '\\', 'x', '\'', '"', '\n', 0x00},
		bytes.Repeat([]byte{0xde, 0xad, 0x00, 0xef}, 225_000), // 900 kB
	}
	messages := make([]*message.Message, len(payloads))
	for i, payload := range payloads {
		msg := message.NewMessage(uuid.NewString(), payload)
		msg.Metadata = message.Metadata{
			events.MetaContentType: "application/json",
			"cloudEvents:id":       msg.UUID,
			"cloudEvents:subject":  "Straße 1, 東京, \U0001f3e0",
			"reos-attempt":         "2",
			"empty":                "",
			"long":                 strings.Repeat("long ", 1600), // 8 kB
			"nul":                  "a\x00b",
			"not-utf-8":            "\xff\xfe\x80",
			"quotes":               `"'\{},=>`,
			"ключ with spaces":     "value",
		}
		messages[i] = msg
	}
	return messages
}

func arrivesWhole(f fixture) {
	transport := f.declared()
	sent := awkward()
	f.publish(transport, f.queue(), sent...)
	s := f.subscribe(transport, f.queue())
	for _, msg := range sent {
		got := s.next()
		got.Ack()
		f.requireSame(msg, got)
	}
}

func saysWhereFrom(f fixture) {
	transport, tenant := f.declared(), uuid.New()
	topic := f.topology.EventTopic("a", tenant, events.Type(events.Property, events.Ingested))
	exchange, key := events.SplitTopic(topic)
	s := f.subscribe(transport, f.queue())

	f.publish(transport, topic, numbered("event", 1)...)
	first := s.next()
	first.Ack()
	require.Equal(f, exchange, first.Metadata.Get(events.MetaExchange))
	require.Equal(f, key, first.Metadata.Get(events.MetaRoutingKey))

	// A copy carries its predecessor's metadata; the delivery's own win.
	f.publish(transport, f.queue(), first.Copy())
	second := s.next()
	second.Ack()
	require.Empty(f, second.Metadata.Get(events.MetaExchange))
	require.Equal(f, f.queue(), second.Metadata.Get(events.MetaRoutingKey))
}

func firstInFirstOut(f fixture) {
	transport := f.declared()
	sent := numbered("in order", 500)
	f.publish(transport, f.queue(), sent[:300]...)
	s := f.subscribe(transport, f.queue())
	f.publish(transport, f.queue(), sent[300:]...)
	for _, msg := range sent {
		got := s.next()
		got.Ack()
		require.Equal(f, string(msg.Payload), string(got.Payload))
	}
}

// Invariant 1: a publish that is returned is a failure, and no confirm of a neighbour hides it.
func confirmsEach(f fixture) {
	transport, tenant := f.declared(), uuid.New()
	sent := numbered("event", 5)
	bound, nowhere := events.Type(events.Property, events.Ingested), f.topology.EventTopic("no-such-lane", tenant, "x")
	err := transport.PublishBatch(f.ctx, []events.Outgoing{
		{Topic: f.topology.EventTopic("a", tenant, bound), Message: sent[0]},
		{Topic: nowhere, Message: sent[1]},
		{Topic: f.topology.EventTopic("a", tenant, bound), Message: sent[2]},
		{Topic: nowhere, Message: sent[3]},
		{Topic: f.queue(), Message: sent[4]},
	})
	var failures events.PublishErrors
	require.ErrorAs(f, err, &failures)
	require.Len(f, failures, 5)
	for i, failure := range failures {
		if i == 1 || i == 3 {
			require.ErrorIs(f, failure, events.ErrUnroutable)
		} else {
			require.NoError(f, failure)
		}
	}
	require.ErrorIs(f, transport.Publish(nowhere, sent[1]), events.ErrUnroutable)
	require.Equal(f, ids([]*message.Message{sent[0], sent[2], sent[4]}), ids(f.contents(transport, f.queue())))
	require.NoError(f, transport.PublishBatch(f.ctx, nil))
}

func publishesInParallel(f fixture) {
	transport := f.declared()
	const publishers, batches, size = 8, 5, 20
	sent := numbered("parallel", publishers*batches*size)
	var running sync.WaitGroup
	for p := range publishers {
		running.Go(func() {
			for b := range batches {
				at := (p*batches + b) * size
				outgoing := make([]events.Outgoing, size)
				for i := range outgoing {
					outgoing[i] = events.Outgoing{Topic: f.queue(), Message: sent[at+i]}
				}
				assert.NoError(f, transport.PublishBatch(f.ctx, outgoing))
			}
		})
	}
	running.Wait()
	require.ElementsMatch(f, ids(sent), ids(f.contents(transport, f.queue())))
}
