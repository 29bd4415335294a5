package api

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Transport publishes events.
type Transport interface {
	// PublishBatch returns when every message is confirmed or failed: nil, or events.PublishErrors.
	PublishBatch(ctx context.Context, batch []events.Outgoing) error
	// Ready reports why messages cannot flow just now.
	Ready(ctx context.Context) error
}

// Receipts is a tenant's part of Postgres, as publishing needs it.
type Receipts interface {
	// SaveReceipts keeps receipts, each once by its event.
	SaveReceipts(ctx context.Context, receipts []store.Receipt) error
	// ClaimKey asks for the right to work on a request; AnswerKey keeps what was answered, with receipts; ReleaseKey
	// lets the request be made again.
	ClaimKey(ctx context.Context, claim store.KeyClaim) (store.KeyState, error)
	AnswerKey(ctx context.Context, key string, claim uuid.UUID, answer store.KeyAnswer, receipts []store.Receipt) error
	ReleaseKey(ctx context.Context, key string, claim uuid.UUID) error
}

// intake takes events and feeds in.
type intake struct {
	config    Config
	transport Transport
	topology  events.Topology
	receipts  func(tenant uuid.UUID) Receipts
	bodies    *inFlight // memory for bodies with events
	events    *prometheus.CounterVec
	log       zerolog.Logger
}

func newIntake(config Config, parts Parts) *intake {
	in := &intake{
		config: config, transport: parts.Transport, topology: parts.Topology, log: parts.Log,
		bodies:   newBodyRoom(config.MaxEventsBytes),
		receipts: func(tenant uuid.UUID) Receipts { return parts.Publishing(tenant) },
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_api_events_total", Help: "Events that were sent to the API, by what became of them at the edge.",
		}, []string{"status"}),
	}
	parts.Registry.MustRegister(in.events)
	for _, status := range []receiptStatus{statusAccepted, statusRejected, statusUnconfirmed} {
		in.events.WithLabelValues(string(status))
	}
	return in
}

// eventsIn is a request that publishes events.
type eventsIn struct {
	wire
	Lane           store.EntryLane `query:"lane" enum:"live,bulk" default:"live" doc:"Bulk events stay behind live ones all the way: for backfills."`
	RunID          string          `header:"Run-Id" maxLength:"255" pattern:"^[ -~]+$" doc:"The run of events that name none."`
	TraceParent    string          `header:"Traceparent" doc:"W3C trace context of events that have none."`
	IdempotencyKey string          `header:"Idempotency-Key" maxLength:"255" pattern:"^[ -~]+$" doc:"The same key with the same request within 24 hours gets the first answer again, and publishes nothing."`
}

// eventsOut is the answer where at least one event was accepted.
type eventsOut struct {
	Status   int
	Replayed string `header:"Idempotency-Replayed" doc:"true where this is the answer to an earlier request."`
	Body     publication
}

const eventsText = `CloudEvents 1.0 over HTTP: binary mode (attributes in ce- headers, the record as body), structured mode
(application/cloudevents+json), or up to 1,000 events in JSON batch format (application/cloudevents-batch+json). The
tenant is the token's: an event may repeat it, and need not.

202: every event is in a queue, confirmed by the broker. 207: some are, the others were rejected. 422: all were rejected.
503 with Retry-After: some could not be confirmed. The receipts say which; to send an event again is harmless, whatever
became of it, as long as id and source are the same.`

// registerEvents adds what publishes events.
func (s *Server) registerEvents(in *intake) {
	register(s, operation{
		ID: "publish-events", Method: http.MethodPost, Path: "/v1/events", Tag: "events", Roles: []auth.Role{auth.Publisher},
		Summary: "Publish events", Description: eventsText, Status: http.StatusAccepted,
		Errors: []int{http.StatusRequestTimeout, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType},
	}, in.publishEvents)
	post := s.huma.OpenAPI().Paths["/v1/events"].Post
	post.Responses["207"] = post.Responses["202"]
	post.RequestBody = eventsBody()
}

// publishEvents answers a request with events.
func (in *intake) publishEvents(ctx context.Context, who caller, request *eventsIn) (*eventsOut, error) {
	body, done, err := request.readBody(in.config.MaxEventsBytes, in.bodies, who.Owner.ID)
	if err != nil {
		return nil, err
	}
	defer done()
	incoming, err := decodeEvents(who.Owner.ID, request.request.Header, body)
	if err != nil {
		return nil, err
	}
	// From here on the client may go: what is published is told when it asks again. And what it took to send the body is
	// not for us to make up for.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), in.config.RequestTimeout)
	defer cancel()
	if err := in.ready(ctx); err != nil {
		return nil, err
	}
	out := in.outbox(who, request, incoming)
	if request.IdempotencyKey == "" {
		result := in.publish(ctx, out)
		in.keep(ctx, who.Owner.ID, result)
		return result.out()
	}
	return in.once(ctx, who.Owner.ID, request.IdempotencyKey, fingerprint(request, body), out)
}

// ready refuses a request while the broker takes nothing.
func (in *intake) ready(ctx context.Context) error {
	err := in.transport.Ready(ctx)
	if err == nil {
		return nil
	}
	in.log.Warn().Err(err).Msg("refused to publish: the transport is not ready")
	return retryLater(http.StatusServiceUnavailable, ProblemUnavailable,
		"the broker takes no events just now; nothing was published", unavailableFor)
}

// outbox makes the batch that is published of what came in.
func (in *intake) outbox(who caller, request *eventsIn, incoming []events.Incoming) outbox {
	trace := ""
	if traceParentForm.MatchString(request.TraceParent) {
		trace = request.TraceParent
	}
	out := outbox{incoming: incoming, by: who.Subject, lane: request.Lane}
	for i := range out.incoming {
		e := &out.incoming[i].Event
		if e.RunID == "" {
			e.RunID = request.RunID
		}
		if e.TraceParent == "" {
			e.TraceParent = trace
		}
	}
	return out
}

// traceParentForm is version 00 of W3C trace context. A header in any other form is passed over, as the standard says.
var traceParentForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// fingerprint tells requests apart: by everything that decides what is published.
func fingerprint(request *eventsIn, body []byte) [32]byte {
	header := request.request.Header
	said := []string{"Content-Type:" + header.Get("Content-Type"), "lane:" + string(request.Lane), "Run-Id:" + request.RunID}
	for name, values := range header {
		if strings.HasPrefix(name, attributeHeader) {
			said = append(said, name+":"+strings.Join(values, ","))
		}
	}
	slices.Sort(said)
	digest := sha256.New()
	for _, part := range append(said, string(body)) {
		length := binary.BigEndian.AppendUint64(nil, uint64(len(part)))
		digest.Write(append(length, part...))
	}
	return [32]byte(digest.Sum(nil))
}

// confirmTimeout is what of a request's time the broker gets for its confirms: receipts need the rest.
func (in *intake) confirmTimeout() time.Duration { return in.config.RequestTimeout * 3 / 4 }
