package eventstest

import (
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
)

// Invariant 1: a message that was not acked is not lost with its consumer.
func comesAgain(f fixture) {
	publisher, sent := f.declared(), awkward()
	f.publish(publisher, f.queue(), sent...)
	first := f.transport()
	f.subscribe(first, f.queue()).take(len(sent))
	require.NoError(f, first.Close())

	second := f.transport()
	again := f.subscribe(second, f.queue()).take(len(sent))
	slices.SortFunc(again, func(a, b *message.Message) int {
		return slices.Index(ids(sent), a.UUID) - slices.Index(ids(sent), b.UUID)
	})
	for i, msg := range again {
		f.requireSame(sent[i], msg)
	}
}

func nackedComesAgain(f fixture) {
	transport, sent := f.declared(), awkward()[:1]
	f.publish(transport, f.queue(), sent...)
	s := f.subscribe(transport, f.queue())
	require.True(f, s.next().Nack())
	again := s.next()
	f.requireSame(sent[0], again)
	require.True(f, again.Ack())
}

func ackIsFinal(f fixture) {
	first := f.declared()
	sent := numbered("acked", 20)
	f.publish(first, f.queue(), sent...)
	s := f.subscribe(first, f.queue())
	for _, msg := range s.take(len(sent)) {
		require.True(f, msg.Ack())
	}
	// Close settles what was acked before it.
	require.NoError(f, first.Close())
	require.Empty(f, f.contents(f.transport(), f.queue()))
}

func manyInFlight(f fixture) {
	transport := f.declared()
	sent := numbered("in flight", 100)
	f.publish(transport, f.queue(), sent...)
	taken := f.subscribe(transport, f.queue()).take(len(sent))
	require.Equal(f, ids(sent), ids(taken))
	for _, msg := range taken {
		msg.Ack()
	}
}

func acksOutOfOrder(f fixture) {
	first := f.declared()
	sent := numbered("out of order", 51)
	f.publish(first, f.queue(), sent...)
	taken := f.subscribe(first, f.queue()).take(len(sent))
	var kept []*message.Message
	for i, msg := range slices.Backward(taken) {
		if i%2 == 1 {
			msg.Ack()
		} else {
			kept = append(kept, msg)
		}
	}
	require.NoError(f, first.Close())
	require.ElementsMatch(f, ids(kept), ids(f.contents(f.transport(), f.queue())))
}

// consumersShare acks nothing before both have something: neither may keep the queue to itself.
func consumersShare(f fixture) {
	publisher := f.declared()
	sent := numbered("shared", 2500) // more than one consumer may hold
	type arrival struct {
		consumer int
		msg      *message.Message
	}
	arrivals := make(chan arrival)
	for consumer := range 2 {
		s := f.subscribe(f.transport(), f.queue())
		go func() {
			for msg := range s.deliveries {
				select {
				case arrivals <- arrival{consumer, msg}:
				case <-f.ctx.Done():
				}
			}
		}()
	}
	for batch := range slices.Chunk(sent, 500) {
		f.publish(publisher, f.queue(), batch...)
	}
	var came, unacked []*message.Message
	consumers := map[int]bool{}
	for len(came) < len(sent) {
		select {
		case a := <-arrivals:
			consumers[a.consumer] = true
			came, unacked = append(came, a.msg), append(unacked, a.msg)
		case <-f.ctx.Done():
			require.FailNow(f, "messages are missing", "%d of %d came", len(came), len(sent))
		}
		if len(consumers) == 2 {
			for _, msg := range unacked {
				msg.Ack()
			}
			unacked = nil
		}
	}
	require.ElementsMatch(f, ids(sent), ids(came))
}

// Invariant 8: an ended subscription gives back what it did not hand out, and what it handed out can still be acked.
func drains(f fixture) {
	transport := f.declared()
	sent := numbered("drained", 300)
	f.publish(transport, f.queue(), sent...)
	s := f.subscribe(transport, f.queue())
	handedOut := s.take(10)
	s.cancel()
	for msg := range s.deliveries { // what was on its way when the subscription ended
		handedOut = append(handedOut, msg)
	}
	for _, msg := range handedOut[1:] {
		require.NoError(f, msg.Context().Err(), "work in hand outlives the subscription")
		require.True(f, msg.Ack())
	}
	require.NoError(f, transport.Close())

	rest := f.contents(f.transport(), f.queue())
	require.ElementsMatch(f, ids(sent), append(ids(handedOut[1:]), ids(rest)...))
}

func closedRefuses(f fixture) {
	transport := f.declared()
	require.NoError(f, transport.Ready(f.ctx))
	s := f.subscribe(transport, f.queue())
	require.NoError(f, transport.Close())
	s.ended()
	require.NoError(f, transport.Close())
	require.Error(f, transport.Ready(f.ctx))
	require.Error(f, transport.Publish(f.queue(), numbered("late", 1)...))
	_, err := transport.Subscribe(f.ctx, f.queue())
	require.Error(f, err)
}
