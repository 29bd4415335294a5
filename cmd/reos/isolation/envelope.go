package isolation

import (
	"context"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// A hostile message is published under the attacker's own routing key, which the broker lets it do.
type hostile struct {
	name string
	// forge makes an event of the attacker's hostile.
	forge func(w *World, e *events.Event)
	// alter makes its message hostile.
	alter func(w *World, msg *message.Message)
}

// mismatched are those that say they are the victim's: ingestion must refuse each.
var mismatched = []hostile{
	{name: "a foreign tenant in the envelope", forge: asVictim},
	{name: "a foreign tenant, and the victim's record, event and run", forge: func(w *World, e *events.Event) {
		asVictim(w, e)
		e.RunID, e.CausationID = w.Victim.run(), w.Victim.event().String()
	}},
	{name: "a foreign tenant in a structured envelope", alter: structured},
	{name: "a foreign tenant under the prefix ce-", alter: func(w *World, msg *message.Message) {
		delete(msg.Metadata, events.AttributePrefix+"tenantid")
		msg.Metadata["ce-tenantid"] = w.Victim.ID.String()
	}},
	{name: "a foreign tenant and a forged first routing key", forge: asVictim, alter: func(w *World, msg *message.Message) {
		msg.Metadata["reos-origin-key"] = w.Victim.ID.String() + ".reos.property.upserted.v1"
	}},
	{name: "a foreign tenant and a forged routing key of the delivery", forge: asVictim, alter: func(w *World, msg *message.Message) {
		msg.Metadata[events.MetaRoutingKey] = w.Victim.ID.String() + ".reos.property.upserted.v1"
		msg.Metadata[events.MetaExchange] = w.Topology.Events()
	}},
	{name: "a foreign tenant and a forged history of deaths", forge: asVictim, alter: func(w *World, msg *message.Message) {
		msg.Metadata["x-death"], msg.Metadata["x-first-death-queue"] = w.Topology.StageQueue(events.Quality, w.Victim.Lane), "x"
		msg.Metadata["reos-stage"], msg.Metadata["reos-queue"] = "quality", w.Topology.StageQueue(events.Quality, w.Victim.Lane)
	}},
	{name: "forged headers of a dead letter of the victim's", alter: func(w *World, msg *message.Message) {
		delete(msg.Metadata, events.AttributePrefix+"type") // so that it dies
		msg.Metadata["reos-letter-tenant"], msg.Metadata["reos-dead-letter"] = w.Victim.ID.String(), w.Victim.letter().String()
		msg.Metadata["reos-reason"] = "stage_error"
	}},
	{name: "a tenant that is no UUID", alter: func(w *World, msg *message.Message) {
		msg.Metadata[events.AttributePrefix+"tenantid"] = w.Victim.ID.String() + "\x00"
	}},
	{name: "no tenant in the envelope", alter: func(_ *World, msg *message.Message) {
		delete(msg.Metadata, events.AttributePrefix+"tenantid")
	}},
}

// borrowed are the attacker's own events with the victim's names in them: they must stay the attacker's.
var borrowed = []hostile{
	{name: "the victim's event id", forge: func(w *World, e *events.Event) { e.ID = w.Victim.event().String() }},
	{name: "the victim's record key", forge: func(w *World, e *events.Event) {
		e.Subject, e.Data = w.Victim.property(), property(w.Victim.property())
	}},
	{name: "the victim's run", forge: func(w *World, e *events.Event) { e.RunID = w.Victim.run() }},
	{name: "the victim's queue to reply to", alter: func(w *World, msg *message.Message) {
		msg.Metadata[rabbitmq.MetaReplyTo] = w.Topology.HeldQueue(events.Ingestion, w.Victim.ID)
		msg.Metadata[rabbitmq.MetaCorrelationID] = w.Victim.event().String()
	}},
	{name: "the victim as the publishing user", alter: func(w *World, msg *message.Message) {
		msg.Metadata[rabbitmq.MetaUserID] = w.Victim.ID.String()
	}},
	{name: "the victim's key as a copy's routing key", alter: func(w *World, msg *message.Message) {
		msg.Metadata["CC"], msg.Metadata["BCC"] = w.Victim.ID.String()+".reos.property.upserted.v1", w.Victim.ID.String()+".x"
	}},
	{name: "the victim under a second prefix", alter: func(w *World, msg *message.Message) {
		msg.Metadata["ce-tenantid"], msg.Metadata["cloudEvents_tenantid"] = w.Victim.ID.String(), w.Victim.ID.String()
	}},
}

func asVictim(w *World, e *events.Event) {
	e.TenantID, e.Subject, e.Data = w.Victim.ID, w.Victim.property(), property(w.Victim.property())
}

func property(key string) []byte {
	return fmt.Appendf(nil, `{"ListingKey":%q,"ListPrice":9,"PublicRemarks":"overwritten"}`, key)
}

// structured says the same in one JSON object, with the victim as the tenant.
func structured(w *World, msg *message.Message) {
	e := w.event()
	msg.Payload = fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":%q,"type":%q,"subject":%q,"tenantid":%q,"time":%q,"data":%s}`,
		msg.UUID, e.Source, e.Type, w.Victim.property(), w.Victim.ID, e.Time.Format(time.RFC3339Nano), property(w.Victim.property()))
	msg.Metadata = message.Metadata{events.MetaContentType: "application/cloudevents+json"}
}

// event is a good one of the attacker's own.
func (w *World) event() events.Event {
	key := "published-" + w.Attacker.Mark
	return events.Event{
		ID: uuid.NewString(), Source: "isolation", Type: events.Type(events.Property, events.Upserted), Subject: key,
		Time: time.Now().UTC(), TenantID: w.Attacker.ID, Data: property(key),
	}
}

func (h hostile) message(w *World) *message.Message {
	e := w.event()
	if h.forge != nil {
		h.forge(w, &e)
	}
	msg := e.Message()
	if h.alter != nil {
		h.alter(w, msg)
	}
	return msg
}

func envelopeAttempts() []Attempt {
	var all []Attempt
	for _, h := range mismatched {
		all = append(all,
			Attempt{Name: "have ingestion accept " + h.name, Layer: Broker, Try: func(_ context.Context, w *World) Outcome { return accept(w, h) }},
			Attempt{Name: "publish under its own key " + h.name, Layer: Broker, Intrusive: true, Try: func(ctx context.Context, w *World) Outcome {
				return w.publish(ctx, h, w.diedAsOwn)
			}})
	}
	for _, h := range borrowed {
		all = append(all, Attempt{Name: "publish under its own key " + h.name, Layer: Broker, Intrusive: true, Try: func(ctx context.Context, w *World) Outcome {
			return w.publish(ctx, h, w.endedAsOwn)
		}})
	}
	return append(all, Attempt{Name: "have ingestion read the victim out of a routing key", Layer: Broker, Try: routingKeys})
}

// accept hands a message to ingestion's own check, as if it had come under the attacker's key.
func accept(w *World, h hostile) Outcome {
	msg := h.message(w)
	taken, err := workers.Intake{}.Accept(workers.Delivery{Raw: msg, RoutingKey: w.Attacker.ID.String() + ".reos.property.upserted.v1"})
	var into tally
	switch {
	case err == nil && taken.Tenant != w.Attacker.ID:
		into.leak("ingestion takes it for the victim's")
	case err == nil:
		into.nothing()
	default:
		into.refuse()
	}
	return into.outcome()
}

// routingKeys offers good events of the victim's under keys that name it anywhere but where the broker looks.
func routingKeys(_ context.Context, w *World) Outcome {
	var into tally
	attacker, victim := w.Attacker.ID.String(), w.Victim.ID.String()
	for _, key := range []string{
		attacker + "." + victim, attacker + ".x." + victim, "." + victim, "#." + victim, "*", attacker + "\x00" + victim, "x" + victim,
		" " + victim, "{" + victim + "}", "urn:uuid:" + victim, "", attacker,
	} {
		msg := hostile{forge: asVictim}.message(w)
		if taken, err := (workers.Intake{}).Accept(workers.Delivery{Raw: msg, RoutingKey: key}); err == nil {
			into.leak("under %q it is taken for %s's", key, taken.Tenant)
		} else {
			into.refuse()
		}
	}
	return into.outcome()
}

// takenWithin is how long workers may take to work on a message that is alone.
const takenWithin = 10 * time.Second

// publish sends a hostile message through the installation's own intake and waits for what its workers make of it.
func (w *World) publish(ctx context.Context, h hostile, became func(ctx context.Context, id string) (bool, error)) Outcome {
	if w.idle {
		return notApplicable("no worker takes what is published")
	}
	msg := h.message(w)
	id := msg.UUID
	topic := w.Topology.IntakeTopic(w.Attacker.ID, events.Type(events.Property, events.Upserted), false)
	if err := w.Transport.PublishBatch(ctx, []events.Outgoing{{Topic: topic, Message: msg}}); err != nil {
		return fault(err)
	}
	return w.await(ctx, id, became)
}

// await waits for what the installation's workers make of a message of the attacker's.
func (w *World) await(ctx context.Context, id string, became func(ctx context.Context, id string) (bool, error)) Outcome {
	ctx, cancel := context.WithTimeout(ctx, takenWithin)
	defer cancel()
	var into tally
	for {
		done, err := became(ctx, id)
		if err == nil && !done {
			err = w.reached(ctx, id, &into)
		}
		switch {
		case len(into.leaks) > 0:
			return into.outcome()
		case ctx.Err() != nil:
			w.idle = true
			return notApplicable("no worker took the message within %s", takenWithin)
		case err != nil:
			return fault(err)
		case done:
			into.refuse()
			switch letters, err := w.lettersOfVictim(ctx, id); {
			case letters > 0:
				into.leak("it became %d dead letters of the victim's", letters)
			case err != nil:
				into.fail("look for dead letters of the victim's: %v", err)
			}
			return into.outcome()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// reached looks for the event among the victim's.
func (w *World) reached(ctx context.Context, id string, into *tally) error {
	answer, err := w.sql.try(ctx, as(w.Victim.ID), "SELECT 1 FROM progress WHERE event_id = '"+id+"' AND source = 'isolation'")
	if len(answer.rows) > 0 {
		into.leak("it was accepted as the victim's event")
	}
	return err
}

// diedAsOwn says whether a message has become a dead letter of the attacker's.
func (w *World) diedAsOwn(ctx context.Context, id string) (bool, error) {
	letters, err := w.rows(w.Attacker.ID).DeadLetters(ctx, store.DeadLetterFilter{Limit: 1000})
	for _, letter := range letters {
		if letter.EventID == id {
			return true, nil
		}
	}
	return false, err
}

// endedAsOwn says whether an event of the attacker's has come to its end.
func (w *World) endedAsOwn(ctx context.Context, id string) (bool, error) {
	answer, err := w.sql.try(ctx, as(w.Attacker.ID), "SELECT 1 FROM progress WHERE event_id = '"+id+"' AND finished_at IS NOT NULL AND source = 'isolation'")
	return len(answer.rows) > 0, err
}

func (w *World) lettersOfVictim(ctx context.Context, id string) (int, error) {
	letters, err := w.rows(w.Victim.ID).DeadLetters(ctx, store.DeadLetterFilter{Limit: 1000})
	n := 0
	for _, letter := range letters {
		if letter.EventID == id {
			n++
		}
	}
	return n, err
}
