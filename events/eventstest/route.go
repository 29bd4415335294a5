package eventstest

import (
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// fansOut publishes one event for every pattern that stages bind and looks into every queue.
func fansOut(f fixture) {
	transport, tenant := f.declared(), uuid.New()
	expected := map[string][]string{} // per queue
	published := map[string]string{}  // id by routing key
	var batch []events.Outgoing
	for _, binding := range f.topology.Bindings() {
		if binding.Exchange != f.topology.Events() {
			continue
		}
		key := strings.Replace(binding.Pattern, "*", tenant.String(), 1)
		if published[key] == "" {
			msg := numbered(key, 1)[0]
			published[key] = msg.UUID
			batch = append(batch, events.Outgoing{Topic: binding.Exchange + "/" + key, Message: msg})
		}
		expected[binding.Queue] = append(expected[binding.Queue], published[key])
	}
	require.NoError(f, transport.PublishBatch(f.ctx, batch))
	for _, stage := range events.Stages {
		for _, source := range f.topology.Sources(stage) {
			require.ElementsMatch(f, expected[source.Queue], ids(f.contents(transport, source.Queue)), source.Queue)
		}
	}
}

func takesLane(f fixture) {
	transport := f.declared()
	eventType := events.Type(events.Property, events.Upserted)
	live, bulk := map[string][]string{}, []string{}
	for _, lane := range f.topology.Lanes {
		tenant := uuid.New()
		require.NoError(f, transport.BindTenant(f.ctx, tenant, lane))
		sent := numbered(lane, 2)
		f.publish(transport, f.topology.IntakeTopic(tenant, eventType, false), sent[0])
		f.publish(transport, f.topology.IntakeTopic(tenant, eventType, true), sent[1])
		live[lane] = append(live[lane], sent[0].UUID)
		bulk = append(bulk, sent[1].UUID)
	}
	for _, lane := range f.topology.Lanes {
		queue := f.topology.StageQueue(events.Ingestion, lane)
		require.Equal(f, live[lane], ids(f.contents(transport, queue)), queue)
	}
	queue := f.topology.StageQueue(events.Ingestion, events.BulkLane)
	require.Equal(f, bulk, ids(f.contents(transport, queue)))
}

// Invariant 5: a message that nobody expects is kept as it came, with the key that tells whose it claims to be.
func keepsUnroutable(f fixture) {
	transport, sent := f.declared(), awkward()
	topic := f.topology.IntakeTopic(uuid.New(), "reos.property.upserted.v1", false)
	exchange, key := events.SplitTopic(topic)
	f.publish(transport, topic, sent...) // no failure for its publisher
	kept := f.contents(transport, f.topology.Unroutable())
	require.Len(f, kept, len(sent))
	for i, msg := range kept {
		f.requireSame(sent[i], msg)
		require.Equal(f, key, msg.Metadata.Get(events.MetaRoutingKey))
		require.Equal(f, exchange, msg.Metadata.Get(events.MetaExchange))
	}
}

func seesNewBinding(f fixture) {
	publisher, operator, tenant := f.declared(), f.transport(), uuid.New()
	topic := f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", false)
	sent := numbered("intake", 2)
	f.publish(publisher, topic, sent[0]) // the publisher has now looked for the tenant once
	require.NoError(f, operator.BindTenant(f.ctx, tenant, "b"))
	f.publish(publisher, topic, sent[1])
	require.Equal(f, ids(sent[:1]), ids(f.contents(operator, f.topology.Unroutable())))
	require.Equal(f, ids(sent[1:]), ids(f.contents(operator, f.topology.StageQueue(events.Ingestion, "b"))))
}

func bindsTwice(f fixture) {
	first, second, tenant := f.declared(), f.transport(), uuid.New()
	for _, transport := range []events.Transport{first, first, second} {
		require.NoError(f, transport.BindTenant(f.ctx, tenant, "a"))
	}
	sent := numbered("once", 3)
	f.publish(first, f.topology.IntakeTopic(tenant, "reos.offer.upserted.v1", false), sent...)
	require.Equal(f, ids(sent), ids(f.contents(second, f.topology.StageQueue(events.Ingestion, "a"))))
}

func optionalMessages(f fixture) {
	transport := f.declared()
	f.publish(transport, f.topology.SLITopic(uuid.New()), numbered("sli", 1)...)
	indexed := events.Type(events.Property, events.Indexed)
	f.publish(transport, f.topology.EventTopic("a", uuid.New(), indexed), numbered("last words", 1)...)

	// A neighbour in the batch still has to be confirmed by itself.
	msg := message.NewMessage(uuid.NewString(), nil)
	err := transport.PublishBatch(f.ctx, []events.Outgoing{
		{Topic: f.topology.SLITopic(uuid.New()), Message: msg},
		{Topic: f.topology.EventTopic("no-such-lane", uuid.New(), "x"), Message: msg.Copy()},
	})
	var failures events.PublishErrors
	require.ErrorAs(f, err, &failures)
	require.NoError(f, failures[0])
	require.ErrorIs(f, failures[1], events.ErrUnroutable)
}
