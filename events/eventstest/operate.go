package eventstest

import (
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func declaresTwice(f fixture) {
	transports := []events.Transport{f.transport(), f.transport(), f.transport()}
	var running sync.WaitGroup
	for range 2 {
		for _, transport := range transports {
			running.Go(func() { assert.NoError(f, transport.Declare(f.ctx)) })
		}
	}
	running.Wait()

	kept := numbered("kept", 2)
	topic := f.topology.EventTopic("a", uuid.New(), events.Type(events.Property, events.Ingested))
	f.publish(transports[0], topic, kept...)
	require.NoError(f, transports[1].Declare(f.ctx), "over queues that hold messages")
	require.Equal(f, ids(kept), ids(f.contents(transports[2], f.queue())))
}

func deletesRetired(f fixture) {
	before, retired := f.transport(), f.topology.Retired()
	require.NotEmpty(f, retired)
	for _, queue := range retired { // as an earlier version left it
		s := f.subscribe(before, queue)
		s.cancel()
		s.ended()
		f.publish(before, queue, numbered("left", 1)...)
	}
	after := f.declared()
	for _, queue := range retired {
		require.Empty(f, f.contents(after, queue), queue)
	}
}

// countsDepths polls: a broker may count a moment after it confirms.
func countsDepths(f fixture) {
	transport := f.declared()
	want := map[string]int{}
	for _, queue := range f.topology.Queues() {
		want[queue.Name] = 0
	}
	want[f.queue()] = 3
	want[f.topology.DeadLetterQueue()] = 1
	f.publish(transport, f.queue(), numbered("waiting", 3)...)
	f.publish(transport, f.topology.DeadLetterQueue(), numbered("dead", 1)...)
	require.EventuallyWithT(f, func(t *assert.CollectT) {
		depths, err := transport.Depths(f.ctx)
		require.NoError(t, err)
		require.True(t, maps.Equal(want, depths), "%v", depths)
	}, patience, 50*time.Millisecond)
}
