package eventstest

import (
	"errors"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// Invariant 1: what a broker confirmed survives its restart, and what it did not confirm is reported.
func restartsUnderPublisher(f fixture, restart func()) {
	publisher := f.declared()
	sent := numbered("published", 3000)
	under := make(chan struct{})
	go func() {
		defer close(under)
		batches := slices.Collect(slices.Chunk(sent, 50))
		for i, batch := range batches {
			if i == len(batches)/4 {
				under <- struct{}{}
			}
			f.publishAll(publisher, batch)
		}
	}()
	<-under
	restart()
	select {
	case <-under:
	case <-f.ctx.Done():
		require.FailNow(f, "the publisher did not recover")
	}
	f.untilReady(publisher)

	arrived := map[string]bool{}
	for _, msg := range f.contents(publisher, f.queue()) {
		arrived[msg.UUID] = true
	}
	require.Len(f, arrived, len(sent), "every message arrives at least once")
}

// publishAll publishes until everything is confirmed, as a runner does.
func (f fixture) publishAll(publisher events.Transport, batch []*message.Message) {
	for len(batch) > 0 {
		outgoing := make([]events.Outgoing, len(batch))
		for i, msg := range batch {
			outgoing[i] = events.Outgoing{Topic: f.queue(), Message: msg}
		}
		err := publisher.PublishBatch(f.ctx, outgoing)
		if err == nil {
			return
		}
		if !assert.NoError(f, f.ctx.Err(), "still failing: %v", err) {
			return
		}
		var failures events.PublishErrors
		if errors.As(err, &failures) && assert.Len(f, failures, len(batch)) {
			var rest []*message.Message
			for i, failure := range failures {
				if failure != nil {
					rest = append(rest, batch[i])
				}
			}
			batch = rest
		}
		f.untilReady(publisher)
	}
}

// untilReady polls, as an orchestrator does. A test that waits in vain ends at its next step.
func (f fixture) untilReady(transport events.Transport) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for transport.Ready(f.ctx) != nil {
		select {
		case <-ticker.C:
		case <-f.ctx.Done():
			return
		}
	}
}

// restartsUnderConsumer settles a first part, holds a second in hand while the broker restarts, and then reads to the
// end: the first part is gone for good, everything else comes, and nothing comes more than twice.
func restartsUnderConsumer(f fixture, restart func()) {
	first := f.declared()
	sent := numbered("consumed", 600)
	f.publish(first, f.queue(), sent...)
	s := f.subscribe(first, f.queue())
	settled := map[string]bool{}
	for _, msg := range s.take(200) {
		settled[msg.UUID] = msg.Ack()
	}
	require.NoError(f, first.Close()) // settles the acks

	second := f.transport()
	s = f.subscribe(second, f.queue())
	came := map[string]int{}
	held := s.take(50)
	for _, msg := range held {
		came[msg.UUID]++
	}
	restart()
	f.untilReady(second)
	for _, msg := range held { // of a connection that is gone: harmless, and to no effect
		msg.Ack()
	}
	last := numbered("last", 1)[0]
	f.publishAll(second, []*message.Message{last})
	for len(came) < len(sent)-len(settled)+1 { // what was held comes again ahead of the last, or was acked in spite
		msg := s.next()
		came[msg.UUID]++
		msg.Ack()
	}
	for id, times := range came {
		require.False(f, settled[id], "an acked message came again")
		require.LessOrEqual(f, times, 2)
	}
	require.Contains(f, came, last.UUID)
}
