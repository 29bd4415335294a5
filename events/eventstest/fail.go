package eventstest

import (
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// clockGrain is how much a broker's whole milliseconds may shorten a delay.
const clockGrain = 5 * time.Millisecond

// comesBackAfterDelay starts with the longest delay, so that a shorter one behind it must overtake.
func comesBackAfterDelay(f fixture) {
	transport := f.declared()
	s := f.subscribe(transport, f.queue())
	bystander := f.topology.StageQueue(events.Quality, "b")
	sent := map[string]*message.Message{}
	var batch []events.Outgoing // together: one by one, on a busy machine, may take longer than the delays differ
	var order []string
	for attempt := len(f.topology.RetryDelays); attempt >= 1; attempt-- {
		topic, _, ok := f.topology.RetryTopic(f.queue(), attempt)
		require.True(f, ok)
		for _, msg := range awkward() {
			msg.Metadata.Set("reos-attempt", strconv.Itoa(attempt+1))
			sent[msg.UUID] = msg
			batch = append(batch, events.Outgoing{Topic: topic, Message: msg})
		}
	}
	published := time.Now()
	require.NoError(f, transport.PublishBatch(f.ctx, batch))
	for range sent {
		msg := s.next()
		waited := time.Since(published)
		msg.Ack()
		require.Contains(f, sent, msg.UUID)
		f.requireSame(sent[msg.UUID], msg)
		require.Equal(f, f.queue(), msg.Metadata.Get(events.MetaRoutingKey))

		attempt := msg.Metadata.Get("reos-attempt")
		order = append(order, attempt)
		n, err := strconv.Atoi(attempt)
		require.NoError(f, err)
		require.GreaterOrEqual(f, waited, f.topology.RetryDelays[n-2]-clockGrain)
	}
	require.Equal(f, "2", order[0], "the shorter delay ends first")
	require.Equal(f, "3", order[len(order)-1])
	require.Empty(f, f.contents(transport, bystander))
}

// Invariant 5: dead letters keep the original bytes and headers.
func deadLetterKeeps(f fixture) {
	transport := f.declared()
	_, _, ok := f.topology.RetryTopic(f.queue(), len(f.topology.RetryDelays)+1)
	require.False(f, ok, "the attempts are used up")
	sent := awkward()
	f.publish(transport, f.topology.DeadLetterQueue(), sent...)
	letters := f.contents(transport, f.topology.DeadLetterQueue())
	require.Len(f, letters, len(sent))
	for i, letter := range letters {
		f.requireSame(sent[i], letter)
	}
}

// Invariant 5: a message that ends its workers' processes leaves the queue for the dead letters, never for nowhere.
func passesDeliveryLimit(f fixture) {
	publisher := f.declared()
	poison := awkward()[2]
	letters := f.subscribe(publisher, f.topology.DeadLetterQueue())
	f.publish(publisher, f.queue(), poison)
	for range f.topology.DeliveryLimit + 1 {
		victim := f.transport()
		f.requireSame(poison, f.subscribe(victim, f.queue()).next())
		require.NoError(f, victim.Close()) // with the message in its hands
	}
	letter := letters.next()
	letter.Ack()
	f.requireSame(poison, letter)
	require.Equal(f, f.queue(), letter.Metadata.Get(events.MetaRoutingKey), "a letter says which queue it died in")
	require.Equal(f, f.topology.DeadLetterQueue(), letter.Metadata.Get(events.MetaExchange))
	require.Empty(f, f.contents(publisher, f.queue()))
}
