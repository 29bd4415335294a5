package workers

import (
	"maps"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// RunMessages are what is to be published for released items of a run, and what is true of these once the broker has
// confirmed all of it. Every item must be in Published; else it comes again.
type RunMessages struct {
	Out       []events.Outgoing
	Published store.Published
}

// MessagesPart is how many items' messages a source makes before it asks whether that is Full: each may hold a megabyte.
const MessagesPart = 100

// fullOfBytes is how many bytes of payload are enough to be published at a time.
const fullOfBytes = 8 << 20

// Full reports whether there is enough to be published before more messages are made.
func (m *RunMessages) Full() bool {
	size := 0
	for _, out := range m.Out {
		size += len(out.Message.Payload)
	}
	return size >= fullOfBytes
}

// Add takes over what is said of further items.
func (m *RunMessages) Add(more RunMessages) {
	m.Out = append(m.Out, more.Out...)
	m.Published.Confirmed = append(m.Published.Confirmed, more.Published.Confirmed...)
	m.Published.Final = append(m.Published.Final, more.Published.Final...)
	if m.Published.Skipped == nil {
		m.Published.Skipped = map[int64]string{}
	}
	maps.Copy(m.Published.Skipped, more.Published.Skipped)
}

// RunSteps makes the messages of items that begin behind ingestion: what the stage before would say, on the bulk lane. Their
// rows in progress hold all that it takes. An event that has ended already has nothing more to be told.
func RunSteps(topology events.Topology, tenant uuid.UUID, items []store.ReleasedItem) RunMessages {
	var messages RunMessages
	var steps []events.Event
	for _, item := range items {
		messages.Published.Confirmed = append(messages.Published.Confirmed, item.Ordinal)
		if item.Waiting == nil {
			continue
		}
		step := WaitsFor(tenant, *item.Waiting)
		if item.Cause != uuid.Nil && item.Waiting.Place.Stage == item.Stage {
			step.CausationID = item.Cause.String()
		}
		steps = append(steps, step)
	}
	if len(steps) > 0 {
		messages.Out = Outgoing(topology, events.BulkLane, steps)
	}
	return messages
}
