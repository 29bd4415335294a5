package workers

import (
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Foreign reads a message of a dead-letter queue that is not ours as what is kept of it, for the tenant that an operator
// says it is of. Headers of ours that it may bring are somebody else's words, and are left out.
func Foreign(queue string, tenant uuid.UUID, raw *message.Message) store.DeadLetter {
	d := Delivery{Raw: raw, Queue: queue, Attempt: 1, RoutingKey: raw.Metadata[events.MetaRoutingKey]}
	now := time.Now().UTC()
	letter := store.DeadLetter{
		ID: letterID(d), Tenant: tenant, EventID: raw.UUID, Reason: events.Imported,
		Error: "brought here from queue " + events.Shorten(queue, 120), Attempts: 1, RoutingKey: d.RoutingKey,
		Headers: originalHeaders(raw.Metadata), Payload: raw.Payload, FirstFailedAt: now, FailedAt: now,
	}
	event, err := d.decode()
	if err == nil {
		step, _ := events.DecodeStep(event)
		describe(&letter, event, step)
	}
	return letter
}
