package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// receiptStatus is what became of an event at the edge.
type receiptStatus string

const (
	statusAccepted    receiptStatus = "accepted"    // confirmed by the broker
	statusRejected    receiptStatus = "rejected"    // no event, or not this tenant's: it was not published
	statusUnconfirmed receiptStatus = "unconfirmed" // it may have arrived, or not
)

// receipt says what became of one event of a request.
type receipt struct {
	ID       string        `json:"id,omitempty" doc:"As it was sent."`
	Source   string        `json:"source,omitempty" doc:"As it was sent."`
	EventUID *uuid.UUID    `json:"event_uid,omitempty" doc:"The event's own id within the tenant, whatever its source calls it."`
	Status   receiptStatus `json:"status" enum:"accepted,rejected,unconfirmed" doc:"Unconfirmed: it may have arrived, or not; send it again."`
	Problem  *eventProblem `json:"problem,omitempty" doc:"Why it was rejected."`
}

// eventProblem names what is wrong with an event.
type eventProblem struct {
	Reason events.Reason `json:"reason" doc:"The same word as in dead letters." example:"key_invalid"`
	Field  string        `json:"field,omitempty" doc:"Attribute or data field; left out where the whole event is meant." example:"ListingKey"`
	Must   string        `json:"must" doc:"What it must be, as the end of a sentence." example:"the record's key, not empty"`
	Got    string        `json:"got,omitempty" doc:"What was found, shortened and quoted."`
}

// publication is what became of a request's events.
type publication struct {
	Accepted    int       `json:"accepted" doc:"Confirmed by the broker: these are kept."`
	Rejected    int       `json:"rejected" doc:"Not published: they cannot be accepted as they are."`
	Unconfirmed int       `json:"unconfirmed" doc:"They may have arrived, or not: send them again."`
	Receipts    []receipt `json:"receipts" doc:"One per event, in the order in which they were sent."`
}

// publicationProblem is the problem document of a request of which no event was accepted, or not every one confirmed.
type publicationProblem struct {
	huma.ErrorModel
	publication
}

// outbox is a request's events on their way.
type outbox struct {
	incoming []events.Incoming
	by       string
	lane     store.EntryLane
}

// published is the result of publishing an outbox.
type published struct {
	publication
	receipts []store.Receipt // of what was accepted
}

// publish publishes what can be published, and says what became of each event.
//
// Invariant 1: accepted means confirmed by the broker.
func (in *intake) publish(ctx context.Context, out outbox) published {
	result := published{publication: publication{Receipts: make([]receipt, len(out.incoming))}}
	batch := make([]events.Outgoing, 0, len(out.incoming))
	places := make([]int, 0, len(out.incoming)) // of the batch's messages, among the incoming
	for i, incoming := range out.incoming {
		result.Receipts[i] = receiptOf(incoming)
		if incoming.Err == nil {
			e := incoming.Event
			topic := in.topology.IntakeTopic(e.TenantID, e.Type, out.lane == store.BulkEntry)
			batch, places = append(batch, events.Outgoing{Topic: topic, Message: e.Message()}), append(places, i)
		}
	}
	failures := in.confirm(ctx, batch)
	for at, place := range places {
		e, status := out.incoming[place].Event, statusAccepted
		if failures != nil && failures[at] != nil {
			status = statusUnconfirmed
		} else {
			result.receipts = append(result.receipts, store.Receipt{
				Event: *result.Receipts[place].EventUID, ID: e.ID, Source: e.Source, Type: e.Type, By: out.by, RunID: e.RunID, Lane: out.lane,
			})
		}
		result.Receipts[place].Status = status
	}
	result.count()
	for status, n := range map[receiptStatus]int{
		statusAccepted: result.Accepted, statusRejected: result.Rejected, statusUnconfirmed: result.Unconfirmed,
	} {
		in.events.WithLabelValues(string(status)).Add(float64(n))
	}
	return result
}

// confirm publishes a batch; the errors are as long as it, or nil where the broker confirmed everything.
func (in *intake) confirm(ctx context.Context, batch []events.Outgoing) events.PublishErrors {
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, in.confirmTimeout())
	defer cancel()
	err := in.transport.PublishBatch(ctx, batch)
	if err == nil {
		return nil
	}
	in.log.Warn().Err(err).Msg("events not confirmed")
	if each, ok := errors.AsType[events.PublishErrors](err); ok && len(each) == len(batch) {
		return each
	}
	all := make(events.PublishErrors, len(batch))
	for i := range all {
		all[i] = err
	}
	return all
}

// receiptOf is the receipt of an event that is not yet published.
func receiptOf(incoming events.Incoming) receipt {
	e := incoming.Event
	if incoming.Err == nil {
		uid := e.UID()
		return receipt{ID: e.ID, Source: e.Source, EventUID: &uid, Status: statusUnconfirmed}
	}
	r := receipt{ID: clipped(e.ID), Source: clipped(e.Source), Status: statusRejected}
	if rejection, ok := errors.AsType[*events.Rejection](incoming.Err); ok {
		r.Problem = &eventProblem{Reason: rejection.Reason, Field: rejection.Field, Must: rejection.Must, Got: rejection.Got}
	}
	return r
}

// clipped is an attribute as far as one may be long: a longer one is why the event was rejected.
func clipped(attribute string) string {
	return attribute[:min(len(attribute), events.MaxAttributeBytes)]
}

func (p *publication) count() {
	for _, r := range p.Receipts {
		switch r.Status {
		case statusAccepted:
			p.Accepted++
		case statusRejected:
			p.Rejected++
		case statusUnconfirmed:
			p.Unconfirmed++
		}
	}
}

// keep writes the receipts. It is no failure of the request when it fails: the events are accepted, and progress will
// soon know them.
func (in *intake) keep(ctx context.Context, tenant uuid.UUID, result published) {
	if len(result.receipts) == 0 {
		return
	}
	if err := in.receipts(tenant).SaveReceipts(ctx, result.receipts); err != nil {
		in.log.Warn().Err(err).Stringer("tenant_id", tenant).Int("events", len(result.receipts)).Msg("receipts not kept")
	}
}

// status is the answer's: nothing is half said.
func (p *publication) status() int {
	switch {
	case p.Unconfirmed > 0:
		return http.StatusServiceUnavailable
	case p.Accepted == 0:
		return http.StatusUnprocessableEntity
	case p.Rejected > 0:
		return http.StatusMultiStatus
	}
	return http.StatusAccepted
}

// maxProblemFields bounds the fields that a problem document repeats of the receipts.
const maxProblemFields = 20

// out is the answer to the request.
func (p publication) out() (*eventsOut, error) {
	switch status := p.status(); status {
	case http.StatusServiceUnavailable:
		document := p.problem(status, ProblemUnavailable,
			fmt.Sprintf("%d of %d events are not confirmed: send those again", p.Unconfirmed, len(p.Receipts)))
		return nil, huma.ErrorWithHeaders(document, http.Header{"Retry-After": {strconv.Itoa(int(unavailableFor / time.Second))}})
	case http.StatusUnprocessableEntity:
		document := p.problem(status, ProblemInvalid, "no event could be accepted: the receipts say why")
		for i, r := range p.Receipts[:min(len(p.Receipts), maxProblemFields)] {
			document.Errors = append(document.Errors, &huma.ErrorDetail{Location: r.Problem.location(i), Message: "must be " + r.Problem.Must})
		}
		return nil, document
	default:
		return &eventsOut{Status: status, Body: p}, nil
	}
}

func (p publication) problem(status int, kind Problem, detail string) *publicationProblem {
	return &publicationProblem{ErrorModel: *problem(status, kind, detail), publication: p}
}

// location names a field of the request's nth event.
func (p *eventProblem) location(n int) string {
	location := fmt.Sprintf("events[%d]", n)
	if p.Field != "" {
		location += "." + p.Field
	}
	return location
}

// encode and decodePublication keep an answer for those who ask again.
func (p publication) encode() ([]byte, error) { return json.Marshal(p) }

func decodePublication(body []byte) (publication, error) {
	var p publication
	if err := json.Unmarshal(body, &p); err != nil {
		return p, fmt.Errorf("read an earlier answer: %w", err)
	}
	return p, nil
}
