package workers

import (
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// headerRemade names the event from whose bytes this one was made, by its UID.
const headerRemade = "reos-remade-of"

// Remade is the message that has ingestion read an accepted event's bytes once more, as a new event: cause is the UID of
// the old one. It takes the bulk lane, and the way that retries take: nobody but a stage can publish there.
//
// Invariant 3: ingestion lets such an event replace the very version that its cause brought, and no other. What comes
// through an intake cannot claim it: headers of ours are taken away there.
func Remade(topology events.Topology, event events.Event, cause uuid.UUID) events.Outgoing {
	msg := event.Message()
	msg.Metadata[headerOriginKey] = event.TenantID.String() + "." + event.Type
	msg.Metadata[headerRemade] = cause.String()
	return events.Outgoing{Topic: topology.RedeliverTopic(topology.StageQueue(events.Ingestion, events.BulkLane)), Message: msg}
}

// RemadeOf is the cause that Remade was given; uuid.Nil where a message is no such one.
func (d Delivery) RemadeOf() uuid.UUID {
	cause, err := uuid.Parse(d.Raw.Metadata[headerRemade])
	if err != nil {
		return uuid.Nil
	}
	return cause
}
