package feed

import (
	"bytes"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

// cloudEvent reads a CloudEvent in structured mode. It keeps its id; the tenant is the feed's, which the event may
// repeat but not contradict.
func cloudEvent(line []byte, o Options) (events.Event, error) {
	msg := message.NewMessage("", line)
	msg.Metadata.Set(events.MetaContentType, "application/cloudevents+json")
	received := events.Receive(o.Tenant, msg)
	e, err := received.Event, received.Err
	if err == nil {
		_, err = events.Normalise(e)
	}
	if err != nil {
		return events.Event{}, refusal(err)
	}
	if e.RunID == "" {
		e.RunID = o.RunID
	}
	e.Data = bytes.Clone(e.Data)
	return e, nil
}
