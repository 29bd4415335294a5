package workers

import (
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

// Headers that we add to a message that is retried or dead. They are trusted only where nobody but a stage can have
// written them: see fromOutside.
const (
	ownPrefix = events.OwnPrefix

	headerAttempt     = "reos-attempt"       // the attempt that this copy is for, from 1
	headerOriginKey   = "reos-origin-key"    // routing key of the first publish
	headerFirstFailed = "reos-first-failed"  // RFC 3339
	headerFailed      = "reos-failed"        // RFC 3339
	headerReason      = "reos-reason"        // events.Reason
	headerError       = "reos-error"         // the error chain
	headerStage       = "reos-stage"         // where it died
	headerQueue       = "reos-queue"         // where a held message goes back to
	headerLane        = "reos-lane"          // its lane
	headerLetter      = "reos-dead-letter"   // the letter's id
	headerTenant      = "reos-letter-tenant" // whose letter it is
	headerFailures    = "reos-failures"      // when its attempts failed, RFC 3339, with commas
	headerWorker      = "reos-worker"        // the version of the program that gave it up
)

// Delivery is a message as it reached a stage's queue, or one event of a bundle.
type Delivery struct {
	Raw         *message.Message
	carrier     *message.Message // what the transport delivered: the bundle, or Raw itself
	member      *events.Member   // of a bundle; else nil
	Queue, Lane string
	Attempt     int       // from 1
	RoutingKey  string    // of the first publish, whatever way the message has taken since
	FirstFailed time.Time // zero on the first attempt
}

// newDeliveries reads what the transport delivered. Headers of ours that came from outside are taken away, and nothing
// from outside is a bundle.
func newDeliveries(topology events.Topology, source events.Source, carrier *message.Message) []Delivery {
	if fromOutside(topology, source, carrier.Metadata) {
		maps.DeleteFunc(carrier.Metadata, func(key, _ string) bool { return strings.HasPrefix(key, ownPrefix) })
		return []Delivery{newDelivery(source, carrier, carrier)}
	}
	members, ok := events.Unbundle(carrier)
	if !ok {
		return []Delivery{newDelivery(source, carrier, carrier)}
	}
	deliveries := make([]Delivery, len(members))
	for i := range members {
		deliveries[i] = newDelivery(source, carrier, members[i].Message)
		deliveries[i].member = &members[i]
	}
	return deliveries
}

func newDelivery(source events.Source, carrier, raw *message.Message) Delivery {
	d := Delivery{
		Raw: raw, carrier: carrier, Queue: source.Queue, Lane: source.Lane, Attempt: 1,
		RoutingKey: raw.Metadata[events.MetaRoutingKey],
	}
	if n, err := strconv.Atoi(raw.Metadata[headerAttempt]); err == nil && n > 0 {
		d.Attempt = n
	}
	if key := raw.Metadata[headerOriginKey]; key != "" {
		d.RoutingKey = key
	}
	d.FirstFailed, _ = time.Parse(time.RFC3339Nano, raw.Metadata[headerFirstFailed])
	return d
}

// fromOutside says whether a message is as an upstream published it: it comes from an intake, or the broker took it
// from an ingestion queue to the dead letters, with that queue's name as the routing key. A retried one is among the
// latter, and cannot be told from a forged one.
func fromOutside(topology events.Topology, source events.Source, meta message.Metadata) bool {
	if topology.FromIntake(meta[events.MetaExchange]) {
		return true
	}
	stage, _ := stageOf(topology, meta[events.MetaRoutingKey])
	return source.Queue == topology.DeadLetterQueue() && stage == events.Ingestion
}

// decode reads the event, once where it came in a bundle.
func (d Delivery) decode() (events.Event, error) {
	if d.member != nil {
		return d.member.Event, d.member.Err
	}
	return events.Decode(d.Raw)
}

// Intake accepts events from upstreams: the envelope must be whole, and its tenant the routing key's.
type Intake struct{}

// Accept implements Stage.
func (Intake) Accept(d Delivery) (Message, error) {
	event, err := d.decode()
	if err != nil {
		return Message{}, err
	}
	// Invariant 4: the broker confines a publisher to its own routing key, so the key, not the envelope, says whose
	// an event is; an envelope that says otherwise is refused.
	tenant, ok := events.RoutingTenant(d.RoutingKey)
	if !ok || tenant != event.TenantID {
		return Message{}, events.Reject(events.TenantMismatch, "tenantid",
			"the tenant of the routing key "+events.Shorten(d.RoutingKey, 120), event.TenantID.String())
	}
	return Message{Delivery: d, Tenant: tenant, Event: event}, nil
}

// Steps accepts events between stages.
type Steps struct{}

// Accept implements Stage.
func (Steps) Accept(d Delivery) (Message, error) {
	event, err := d.decode()
	if err != nil {
		return Message{}, err
	}
	step, err := events.DecodeStep(event)
	if err != nil {
		return Message{}, err
	}
	return Message{Delivery: d, Tenant: event.TenantID, Event: event, Step: step}, nil
}
