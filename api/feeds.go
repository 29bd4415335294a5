package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
)

// Bounds of the feeds that one process takes at a time, and so of their memory. A feed takes as long as its sender likes, so
// that nobody may have all places.
const (
	maxTenantFeeds = 3
	maxFeeds       = 8
)

// feeds takes feeds in.
type feeds struct {
	*intake
	runs     func(tenant uuid.UUID) Runs
	mappings map[string]*feed.Mapping
	places   *inFlight
}

// feedIn is a request that publishes a feed.
type feedIn struct {
	wire
	Format  feed.Format       `query:"format" enum:"ndjson,csv,reso" doc:"Told from the content type where left out."`
	Mapping string            `query:"mapping" doc:"The mapping of a CSV feed's columns, by name." example:"king-county"`
	Record  events.RecordType `query:"record" enum:"property,ownership,prospect,lease,offer,document" default:"property" doc:"Type of bare records, where no mapping says it."`
	Source  string            `query:"source" maxLength:"255" default:"feed/http" doc:"CloudEvents source of bare records."`
	Lane    store.EntryLane   `query:"lane" enum:"live,bulk" default:"bulk" doc:"Bulk stays behind live events all the way."`
	RunID   string            `header:"Run-Id" maxLength:"255" pattern:"^[ -~]+$" doc:"The run's id; a new one where left out. Name it to watch the run while it is sent."`
}

type feedOut struct {
	Status int
	Body   RunView
}

// feedProblem is the problem document of a feed that was not published as a whole.
type feedProblem struct {
	huma.ErrorModel
	Run RunView `json:"run" doc:"What was published all the same."`
}

const feedsText = `The body is a feed: NDJSON (records, or CloudEvents in structured mode), CSV with a mapping, or RESO JSON
({"value": [records]} or [records]); gzip is recognised. It is published while it comes, whatever its size; only its
silences are bounded. Bare records get ids that follow from their content: to send a feed again changes nothing.

202: all of it is published. 207: some records were rejected. 422: none could be published, or it cannot be read on.
503: the broker did not confirm everything. The answer counts; GET /v1/runs/{id} says what becomes of the events.`

// registerFeeds adds what publishes feeds.
func (s *Server) registerFeeds(in *intake, runs func(tenant uuid.UUID) Runs, mappings map[string]*feed.Mapping) {
	f := &feeds{intake: in, runs: runs, mappings: mappings, places: newInFlight(maxTenantFeeds, maxFeeds)}
	register(s, operation{
		ID: "publish-feed", Method: http.MethodPost, Path: "/v1/feeds", Tag: "runs", Roles: []auth.Role{auth.Publisher},
		Summary: "Publish a feed", Description: feedsText, Status: http.StatusAccepted, Streams: true, Unpacks: true,
		Errors: []int{http.StatusRequestTimeout, http.StatusConflict, http.StatusUnsupportedMediaType},
	}, f.publish)
	post := s.huma.OpenAPI().Paths["/v1/feeds"].Post
	post.Responses["207"] = post.Responses["202"]
	text := &huma.Schema{Type: huma.TypeString}
	post.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/x-ndjson": {Schema: text, Example: `{"ListingKey": "H1", "ListPrice": 450000, "ModificationTimestamp": "2026-01-31T12:00:00Z"}`},
		"text/csv":             {Schema: text},
		"application/json":     {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}, Example: map[string]any{"value": []any{exampleRecord("NW-1042")}}},
	}}
}

// publish answers a request with a feed.
func (f *feeds) publish(ctx context.Context, who caller, request *feedIn) (*feedOut, error) {
	format, options, err := f.read(who, request)
	if err != nil {
		return nil, err
	}
	if err := f.ready(ctx); err != nil {
		return nil, err
	}
	leave, err := f.places.enter(who.Owner.ID)
	if err != nil {
		return nil, err
	}
	defer leave()
	body := &streamed{Reader: request.request.Body}
	// When the client goes, what was read of it is still published, and the run ended.
	ctx = context.WithoutCancel(ctx)
	publisher := feed.NewPublisher(f.outlet(who.Owner.ID, options.RunID, request.Lane))
	var failure error
	run, err := RecordRun(ctx, f.runs(who.Owner.ID), store.Run{
		ID: options.RunID, Kind: store.FeedRun, By: who.Subject, Source: request.Source, Lane: request.Lane,
	}, publisher, f.log, func() (store.RunState, error) {
		failure = f.pour(ctx, publisher, body, format, options)
		return endOfFeed(failure, body)
	})
	switch {
	case errors.Is(err, store.ErrExists):
		return nil, problem(http.StatusConflict, ProblemConflict, "this run is being published already, or is of another kind: name another in Run-Id")
	case err != nil:
		return nil, err
	}
	return f.answer(NewRunView(run), failure, body)
}

// read says how a feed is to be read.
func (f *feeds) read(who caller, request *feedIn) (feed.Format, feed.Options, error) {
	options := feed.Options{
		Tenant: who.Owner.ID, RecordType: request.Record, Source: request.Source, RunID: cmp.Or(request.RunID, uuid.NewString()),
	}
	format := cmp.Or(request.Format, formatOf(request.request.Header.Get("Content-Type")))
	if request.Mapping != "" {
		mapping, ok := f.mappings[request.Mapping]
		if !ok {
			return "", options, invalid("query.mapping", "must be one of: "+strings.Join(slices.Sorted(maps.Keys(f.mappings)), ", "))
		}
		options.Mapping = mapping
		format = cmp.Or(format, feed.CSV)
	}
	switch {
	case format == "":
		return "", options, unsupported("header.Content-Type", "must be application/x-ndjson, text/csv or application/json, or the format be named")
	case format == feed.CSV && options.Mapping == nil:
		return "", options, invalid("query.mapping", "is needed for CSV: one of "+strings.Join(slices.Sorted(maps.Keys(f.mappings)), ", "))
	}
	return format, options, nil
}

// formatOf is the format of a content type; empty for any other.
func formatOf(contentType string) feed.Format {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return ""
	}
	switch media {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return feed.NDJSON
	case "text/csv", "text/tab-separated-values":
		return feed.CSV
	case "application/json":
		return feed.RESO
	}
	return ""
}

// outlet is where a tenant's feed goes. A batch that the broker does not confirm in time ends it.
func (f *feeds) outlet(tenant uuid.UUID, run string, lane store.EntryLane) feed.Outlet {
	runs := f.runs(tenant)
	return feed.Outlet{
		Topic: func(e events.Event) string { return f.topology.IntakeTopic(tenant, e.Type, lane == store.BulkEntry) },
		Send: func(ctx context.Context, batch []events.Outgoing) error {
			ctx, cancel := context.WithTimeout(ctx, f.confirmTimeout())
			defer cancel()
			return f.transport.PublishBatch(ctx, batch)
		},
		Known: func(ctx context.Context, uids []uuid.UUID) int64 {
			known, err := runs.KnownEvents(ctx, uids, run)
			if err != nil {
				f.log.Warn().Err(err).Stringer("tenant_id", tenant).Msg("known events not counted")
			}
			return known
		},
	}
}

// pour publishes a body.
func (f *feeds) pour(ctx context.Context, publisher *feed.Publisher, body *streamed, format feed.Format, options feed.Options) error {
	file, err := feed.NewFile(body, -1)
	if err != nil {
		return err
	}
	err = publisher.Publish(ctx, &guarded{file: file}, format, options)
	if errors.Is(err, feed.ErrUnconfirmed) {
		f.log.Warn().Err(err).Stringer("tenant_id", options.Tenant).Str("run_id", options.RunID).Msg("feed not confirmed")
	}
	return err
}

var (
	errBrokeOff    = errors.New(bodyDetail)
	errUnconfirmed = errors.New("the broker did not confirm every event") // no more: its own words name hosts
)

// endOfFeed says how a run ended, in words for its tenant.
func endOfFeed(failure error, body *streamed) (store.RunState, error) {
	switch {
	case errors.Is(failure, feed.ErrUnconfirmed):
		return store.RunFailed, errUnconfirmed
	case body.err != nil:
		return store.RunInterrupted, errBrokeOff
	case failure != nil:
		return store.RunFailed, failure
	}
	return store.RunPublished, nil
}

// answer says what became of a feed.
func (f *feeds) answer(run RunView, failure error, body *streamed) (*feedOut, error) {
	f.events.WithLabelValues(string(statusAccepted)).Add(float64(run.Published))
	f.events.WithLabelValues(string(statusRejected)).Add(float64(run.Rejected))
	refuse := func(status int, kind Problem, detail string) (*feedOut, error) {
		return nil, &feedProblem{ErrorModel: *problem(status, kind, detail), Run: run}
	}
	switch {
	case errors.Is(failure, feed.ErrUnconfirmed):
		_, err := refuse(http.StatusServiceUnavailable, ProblemUnavailable, run.Error+": send the feed again")
		return nil, huma.ErrorWithHeaders(err, http.Header{"Retry-After": {fmt.Sprint(int(unavailableFor.Seconds()))}})
	case body.err != nil:
		return refuse(http.StatusRequestTimeout, ProblemInvalid, run.Error+": send the feed again")
	case failure != nil:
		return refuse(http.StatusUnprocessableEntity, ProblemInvalid, run.Error)
	case run.Published == 0 && run.Rejected > 0:
		return refuse(http.StatusUnprocessableEntity, ProblemInvalid, "no record is an event: the run's problems say why")
	case run.Rejected > 0:
		return &feedOut{Status: http.StatusMultiStatus, Body: run}, nil
	}
	return &feedOut{Status: http.StatusAccepted, Body: run}, nil
}
