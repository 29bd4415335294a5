package workers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// front is a stage at the intake that does nothing but accept.
type front struct{ workers.Intake }

func (front) Name() events.Stage { return events.Ingestion }

func (front) Process(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	results := make([]workers.Result, len(batch))
	for i := range results {
		results[i] = workers.Done()
	}
	return results, nil
}

func upsert(tenant uuid.UUID) *message.Message {
	return events.Event{
		ID: uuid.NewString(), Source: "test", Type: events.Type(events.Property, events.Upserted), Subject: "K1",
		Time: time.Now(), TenantID: tenant, Data: []byte(`{"ListingKey":"K1"}`),
	}.Message()
}

func (b *bench) intake(msg *message.Message, exchange, key string) {
	msg.Metadata[events.MetaExchange], msg.Metadata[events.MetaRoutingKey] = exchange, key
	b.transport.queues[b.topology.StageQueue(events.Ingestion, "a")] <- msg
	b.await(msg)
}

func TestInvariant4EnvelopeOfAnotherTenantIsRefused(t *testing.T) {
	b := start(t, front{}).run()
	key := func(tenant uuid.UUID) string { return tenant.String() + ".reos.property.upserted.v1" }

	b.intake(upsert(tenantA), b.topology.Intake(), key(tenantA))
	require.Empty(t, b.transport.to(b.topology.DeadLetterQueue()))

	b.intake(upsert(tenantB), b.topology.Intake(), key(tenantA))
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 1)
	require.Equal(t, string(events.TenantMismatch), letters[0].Metadata["reos-reason"])
	require.Equal(t, tenantA.String(), letters[0].Metadata["reos-letter-tenant"], "the letter is the publisher's")
	letter := workers.Letter(b.topology, workers.Delivery{Raw: letters[0], Queue: b.topology.DeadLetterQueue(), RoutingKey: key(tenantA)})
	require.Equal(t, uuid.Nil, letter.Event, "a forged envelope ends nobody's progress")
}

func TestHeadersOfOursAreNotBelievedFromOutside(t *testing.T) {
	b := start(t, front{}).run()
	forged := upsert(tenantB)
	forged.Metadata["reos-origin-key"] = tenantB.String() + ".reos.property.upserted.v1"
	forged.Metadata["reos-attempt"] = "99"
	b.intake(forged, b.topology.Intake(), tenantA.String()+".reos.property.upserted.v1")
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 1, "the forged origin must not make the envelope's tenant right")
	require.Equal(t, tenantA.String(), letters[0].Metadata["reos-letter-tenant"])
	require.Equal(t, "1", letters[0].Metadata["reos-attempt"])
}

// What is wrong with a message may be as long as the message. What is said of it must fit into a header.
func TestWhatIsSaidOfADeadMessageIsShort(t *testing.T) {
	b := start(t, front{}).run()
	long := message.NewMessage("1", []byte(`{"`+strings.Repeat("x", 500_000)+`":{}}`))
	long.Metadata = message.Metadata{events.MetaContentType: "application/cloudevents+json"}
	b.intake(long, b.topology.Intake(), tenantA.String()+".reos.property.upserted.v1")
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 1)
	require.Equal(t, long.Payload, letters[0].Payload)
	for name, value := range letters[0].Metadata {
		require.LessOrEqual(t, len(value), 4<<10, name)
	}
	require.Less(t, len(letters[0].Metadata["reos-error"]), 500)
}

func TestRetriedIntakeKeepsItsFirstRoutingKey(t *testing.T) {
	b := start(t, front{}).run()
	retried := upsert(tenantA)
	retried.Metadata["reos-origin-key"] = tenantA.String() + ".reos.property.upserted.v1"
	retried.Metadata["reos-attempt"] = "2"
	b.intake(retried, "reos.redeliver", b.topology.StageQueue(events.Ingestion, "a"))
	require.Empty(t, b.transport.to(b.topology.DeadLetterQueue()))
}

func TestLetterOfWhatTheBrokerGaveUp(t *testing.T) {
	topology := events.DefaultTopology()
	raw := step(tenantA, "crasher")
	raw.Metadata[events.MetaRoutingKey] = topology.StageQueue(events.Embedding, "c")
	letter := workers.Letter(topology, workers.Delivery{Raw: raw, Queue: topology.DeadLetterQueue(), RoutingKey: raw.Metadata[events.MetaRoutingKey]})
	require.Equal(t, events.DeliveryLimit, letter.Reason)
	require.Equal(t, events.Embedding, letter.Stage)
	require.Equal(t, "c", letter.Lane)
	require.Equal(t, tenantA, letter.Tenant)

	intake := upsert(tenantB)
	intake.Metadata[events.MetaRoutingKey] = topology.StageQueue(events.Ingestion, "c")
	letter = workers.Letter(topology, workers.Delivery{Raw: intake, Queue: topology.DeadLetterQueue(), RoutingKey: intake.Metadata[events.MetaRoutingKey]})
	require.Equal(t, store.PlatformTenant, letter.Tenant, "an unchecked envelope does not say whose a letter is")
}

// keeper is a stage at the dead letters that shows what it would keep.
type keeper struct {
	topology events.Topology
	letters  chan store.DeadLetter
}

func (keeper) Name() events.Stage { return events.DeadLetters }

func (k keeper) Accept(d workers.Delivery) (workers.Message, error) {
	return workers.Message{Delivery: d, Tenant: workers.Letter(k.topology, d).Tenant}, nil
}

func (k keeper) Process(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	results := make([]workers.Result, len(batch))
	for i, m := range batch {
		k.letters <- workers.Letter(k.topology, m.Delivery)
		results[i] = workers.Done()
	}
	return results, nil
}

func TestInvariant4HeadersOfOursAreNotBelievedOnWhatTheBrokerGaveUp(t *testing.T) {
	k := keeper{topology: events.DefaultTopology(), letters: make(chan store.DeadLetter, 1)}
	b := start(t, k).run()
	forged := upsert(tenantB)
	for header, value := range map[string]string{
		"reos-reason": "stage_error", "reos-letter-tenant": tenantB.String(), "reos-stage": "quality",
		"reos-origin-key": tenantB.String() + ".reos.property.upserted.v1", "reos-dead-letter": uuid.NewString(),
	} {
		forged.Metadata[header] = value
	}
	forged.Metadata[events.MetaExchange] = b.topology.DeadLetterQueue()
	forged.Metadata[events.MetaRoutingKey] = b.topology.StageQueue(events.Ingestion, "a")
	b.transport.queues[b.topology.DeadLetterQueue()] <- forged
	b.await(forged)
	letter := <-k.letters
	require.Equal(t, store.PlatformTenant, letter.Tenant)
	require.Equal(t, events.DeliveryLimit, letter.Reason)
	require.Equal(t, events.Ingestion, letter.Stage)
	require.Equal(t, uuid.Nil, letter.Event, "it ends nobody's progress")
}

// Invariant 5: each event of a bundle that the broker gave up is a letter of its own.
func TestInvariant5BundleThatTheBrokerGaveUpIsALetterPerEvent(t *testing.T) {
	k := keeper{topology: events.DefaultTopology(), letters: make(chan store.DeadLetter, 3)}
	b := start(t, k).run()
	var said []events.Event
	for _, key := range []string{"K1", "K2"} {
		event, err := events.Decode(step(tenantA, key))
		require.NoError(t, err)
		said = append(said, event)
	}
	bundle := workers.Outgoing(b.topology, "c", said)[0].Message
	bundle.Metadata[events.MetaExchange] = b.topology.DeadLetterQueue()
	bundle.Metadata[events.MetaRoutingKey] = b.topology.StageQueue(events.Embedding, "c")
	b.transport.queues[b.topology.DeadLetterQueue()] <- bundle
	b.await(bundle)
	first, second := <-k.letters, <-k.letters
	require.NotEqual(t, first.ID, second.ID)
	for i, letter := range []store.DeadLetter{first, second} {
		require.Equal(t, said[i].Subject, letter.Key)
		require.Equal(t, uuid.NewSHA1(tenantA, []byte(said[i].Subject)), letter.Event, "whose progress ends")
		require.Equal(t, tenantA, letter.Tenant)
		require.Equal(t, events.DeliveryLimit, letter.Reason)
		require.Equal(t, events.Embedding, letter.Stage)
		require.Equal(t, "c", letter.Lane)
	}
	require.Empty(t, k.letters)
}

func TestLetterOfAnUnroutableMessage(t *testing.T) {
	topology := events.DefaultTopology()
	raw := upsert(tenantB)
	key := tenantB.String() + ".reos.property.upserted.v1"
	d := workers.Delivery{Raw: raw, Queue: topology.Unroutable(), RoutingKey: key}
	letter := workers.Letter(topology, d)
	require.Equal(t, events.TenantUnknown, letter.Reason)
	require.Equal(t, store.PlatformTenant, letter.Tenant)
	require.Contains(t, letter.Error, tenantB.String())
	require.Equal(t, letter.ID, workers.Letter(topology, d).ID, "a redelivery is the same letter")
}
