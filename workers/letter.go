package workers

import (
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Letter reads a message of the dead-letter queues as what is kept of it. There are three ways into them: a stage
// gave a message up (its headers tell), the broker did (delivery limit), or no tenant was bound for its routing key.
func Letter(topology events.Topology, d Delivery) store.DeadLetter {
	meta := d.Raw.Metadata
	letter := store.DeadLetter{
		ID: letterID(d), Tenant: store.PlatformTenant, EventID: d.Raw.UUID,
		Stage: events.Stage(meta[headerStage]), Lane: meta[headerLane],
		Reason: events.Reason(meta[headerReason]), Error: meta[headerError],
		Attempts: d.Attempt, RoutingKey: d.RoutingKey,
		Headers: originalHeaders(meta), Payload: d.Raw.Payload, WorkerVersion: meta[headerWorker], Failures: failures(meta[headerFailures]),
		FailedAt: time.Now().UTC(), FirstFailedAt: d.FirstFailed,
	}
	event, err := d.decode()
	step, _ := events.DecodeStep(event)
	switch {
	case d.Queue == topology.Unroutable():
		letter.Reason, letter.Error = events.TenantUnknown, "no tenant is bound for routing key "+events.Shorten(d.RoutingKey, 120)
	case letter.Reason == "":
		letter.Stage, letter.Lane = stageOf(topology, d.Raw.Metadata[events.MetaRoutingKey])
		letter.Reason, letter.Error = events.DeliveryLimit, "the broker's delivery limit: its worker ended over it every time"
		letter.Attempts = topology.DeliveryLimit
		letter.Tenant = limitedTenant(letter.Stage, event)
	default:
		letter.ID = parseOr(meta[headerLetter], letter.ID)
		letter.Tenant = parseOr(meta[headerTenant], letter.Tenant)
	}
	if failed, err := time.Parse(time.RFC3339Nano, meta[headerFailed]); err == nil {
		letter.FailedAt = failed
	}
	if letter.FirstFailedAt.IsZero() {
		letter.FirstFailedAt = letter.FailedAt
	}
	if err == nil {
		describe(&letter, event, step)
	}
	return letter
}

// describe fills in what a readable envelope says of the message. The event is named only where its tenant is the
// letter's: a forged envelope must not end another tenant's progress.
func describe(letter *store.DeadLetter, event events.Event, step events.Step) {
	letter.EventID, letter.EventType, letter.RunID, letter.Key = event.ID, event.Type, event.RunID, event.Subject
	letter.RecordType, _, _ = events.ParseType(event.Type)
	letter.TraceParent = event.TraceParent
	letter.Version = step.Version()
	if letter.Stage == events.Ingestion && letter.Reason == events.StageError {
		// It has been read before, without harm. What ended a worker over it is never read here.
		if record, err := events.Normalise(event); err == nil {
			letter.Key, letter.Version = record.Key, record.Version
		}
	}
	if event.TenantID != letter.Tenant {
		return
	}
	letter.Event = event.UID()
	if step.Origin != uuid.Nil {
		letter.Event = step.Origin
	}
}

// failures reads when a message's attempts failed; what is no time is left out.
func failures(header string) (times []time.Time) {
	for text := range strings.SplitSeq(header, ",") {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && len(times) < maxFailures {
			times = append(times, at)
		}
	}
	return times
}

// limitedTenant finds whose a message is that the broker gave up. Its first routing key is lost, and the envelope is to
// be believed only behind ingestion, which has checked it.
func limitedTenant(stage events.Stage, event events.Event) uuid.UUID {
	if stage == events.Ingestion {
		return store.PlatformTenant
	}
	return event.TenantID
}

// stageOf finds the stage and lane of a queue's name.
func stageOf(topology events.Topology, queue string) (events.Stage, string) {
	for _, stage := range events.Stages {
		for _, source := range topology.Sources(stage) {
			if source.Queue == queue {
				return stage, source.Lane
			}
		}
	}
	return "", ""
}

// originalHeaders are the headers as the message first came: without ours and without the transport's.
func originalHeaders(meta message.Metadata) map[string]string {
	headers := make(map[string]string, len(meta))
	for key, value := range meta {
		if key != events.MetaExchange && key != events.MetaRoutingKey && !strings.HasPrefix(key, ownPrefix) {
			headers[key] = value
		}
	}
	return headers
}

func parseOr(text string, otherwise uuid.UUID) uuid.UUID {
	if id, err := uuid.Parse(text); err == nil {
		return id
	}
	return otherwise
}
