package tenancy

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Each step begins when the one before it is done, because a message goes that way.
func TestQueuesArePassedInTheOrderOfAMessagesWay(t *testing.T) {
	topology := events.DefaultTopology()
	depths := map[string]int{}
	for _, queue := range topology.Queues() {
		depths[queue.Name] = 1
	}
	var retries, stages []string
	for _, queue := range topology.Queues() {
		switch {
		case queue.TTL > 0:
			retries = append(retries, queue.Name)
		case queue.Name != topology.DeadLetterQueue() && queue.Name != topology.Unroutable():
			stages = append(stages, queue.Name)
		}
	}
	d, now := newDrainage(topology), time.Now()
	all := len(retries) + len(stages) + 1
	require.Len(t, d.rest(), all, "what is unroutable is kept, and not waited for")
	empty := func(queues ...string) {
		for _, queue := range queues {
			depths[queue] = 0
		}
	}
	fill := func(queues ...string) {
		for _, queue := range queues {
			depths[queue] = 1
		}
	}
	empty(stages...)
	empty(topology.DeadLetterQueue())
	d.look(depths, now)
	require.Len(t, d.rest(), all, "what waits for a retry may come back to them")

	empty(retries[0])
	d.look(depths, now)
	require.Len(t, d.rest(), all-1)
	fill(retries[0]) // others' messages
	empty(retries[1:]...)
	d.look(depths, now)
	require.Len(t, d.rest(), all-len(retries))

	fill(stages[3:]...)
	d.look(depths, now)
	require.Len(t, d.rest(), len(stages)-3+1)
	empty(stages...)
	fill(stages[0])
	d.look(depths, now)
	require.Equal(t, []store.QueueRest{{Queue: topology.DeadLetterQueue(), Messages: 0}}, d.rest(), "its turn is next")
	d.look(depths, now)
	require.Empty(t, d.rest())
}

func TestARetryQueueThatOthersKeepBusyIsPassedAfterItsDelay(t *testing.T) {
	topology := events.DefaultTopology()
	depths := map[string]int{}
	for _, queue := range topology.Queues() {
		if queue.TTL > 0 {
			depths[queue.Name] = 1
		}
	}
	d, began := newDrainage(topology), time.Now()
	before := len(d.rest())
	for i, passed := range []struct {
		after time.Duration
		done  int
	}{{0, 0}, {5 * time.Second, 0}, {6 * time.Second, 1}, {2 * time.Minute, 2}, {11 * time.Minute, 3}} {
		d.look(depths, began.Add(passed.after))
		require.Len(t, d.rest(), before-passed.done, i)
	}
}
