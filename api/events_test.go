package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// fakeBroker confirms what it is sent, unless it is told otherwise.
type fakeBroker struct {
	mu        sync.Mutex
	published []events.Outgoing
	down      error
	refuse    func(ctx context.Context, batch []events.Outgoing) error // nil confirms
}

func (b *fakeBroker) Ready(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.down
}

func (b *fakeBroker) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	b.mu.Lock()
	refuse := b.refuse
	b.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, batch); err != nil {
			return err
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.published = append(b.published, batch...)
	return nil
}

// set changes the broker while requests may be on their way.
func (b *fakeBroker) set(change func(*fakeBroker)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// events are those that were confirmed, as a worker would read them.
func (b *fakeBroker) events(t *testing.T) []events.Event {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]events.Event, len(b.published))
	for i, out := range b.published {
		var err error
		all[i], err = events.Decode(out.Message)
		require.NoError(t, err)
	}
	return all
}

// front is an API on a real Postgres that publishes to a fake broker.
type front struct {
	*service
	broker    *fakeBroker
	db        *postgres.DB
	id        uuid.UUID // a tenant
	publisher *client
}

func newFront(t *testing.T, change ...func(*api.Config, *api.Parts)) *front {
	t.Helper()
	f := &front{broker: &fakeBroker{}, db: postgrestest.New(t)}
	mapping, err := feed.ParseMapping("homes.yaml", []byte("record: property\nformat: csv\nkey: id\nversion: {column: changed}\nfields:\n  ListPrice: price\n"))
	require.NoError(t, err)
	f.service = serve(t, append([]func(*api.Config, *api.Parts){func(_ *api.Config, parts *api.Parts) {
		parts.Transport, parts.Topology, parts.Tenants = f.broker, events.DefaultTopology(), f.db.Platform()
		parts.Publishing = func(id uuid.UUID) api.Publishing { return f.db.Tenant(id) }
		parts.Mappings = map[string]*feed.Mapping{"homes": mapping}
	}}, change...)...)
	f.id = postgrestest.NewTenant(t, f.db)
	f.publisher = f.as(f.id, auth.Publisher)
	return f
}

// publication is the answer to a request with events.
type publication struct {
	Accepted, Rejected, Unconfirmed int
	Receipts                        []struct {
		ID, Source string
		EventUID   string `json:"event_uid"`
		Status     string
		Problem    *struct{ Reason, Field, Must, Got string }
	}
}

const batchType, structuredType = "application/cloudevents-batch+json", "application/cloudevents+json"

func record(key string) string {
	return `{"ListingKey":"` + key + `","ModificationTimestamp":"2026-01-31T12:00:00Z","ListPrice":1}`
}

// cloudEvent is an event in structured mode with more attributes.
func cloudEvent(id, data string, more ...string) string {
	return `{"specversion":"1.0","id":"` + id + `","source":"mls/x","type":"reos.property.upserted.v1",` +
		strings.Join(append(more, `"data":`+data), ",") + `}`
}

func batch(all ...string) string { return "[" + strings.Join(all, ",") + "]" }

func (f *front) sending(contentType string) *client {
	return f.publisher.with("Content-Type", contentType)
}

// binary is a client that sends events in binary mode.
func (f *front) binary(id string) *client {
	return f.sending("application/json").with("ce-specversion", "1.0").with("ce-id", id).
		with("ce-source", "mls/x").with("ce-type", "reos.property.upserted.v1")
}

func TestEventsOfEveryModeArePublished(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for _, answer := range []*answer{
		f.binary("b-1").with("ce-subject", `"K%C5%81"`).with("ce-time", "2026-01-31T12:00:00Z").post("/v1/events", `{"ListPrice":1}`),
		f.sending(structuredType+"; charset=utf-8").post("/v1/events", cloudEvent("s-1", record("K2"), `"sequence":7`, `"tenantid":"`+strings.ToUpper(f.id.String())+`"`)),
		f.sending(batchType).post("/v1/events", batch(cloudEvent("j-1", record("K3"), `"runid":"own"`), cloudEvent("j-2", record("K4")))),
	} {
		var got publication
		answer.ok(&got)
		require.Equal(t, http.StatusAccepted, answer.status)
		require.Len(t, got.Receipts, got.Accepted)
		for _, receipt := range got.Receipts {
			require.Equal(t, "accepted", receipt.Status)
			require.Equal(t, events.Event{ID: receipt.ID, Source: "mls/x"}.UID().String(), receipt.EventUID)
		}
	}
	all := f.broker.events(t)
	require.Len(t, all, 4)
	require.Equal(t, "KŁ", all[0].Subject, "percent-encoded and quoted")
	require.EqualValues(t, 7, all[1].Sequence)
	require.Equal(t, "own", all[2].RunID)
	for _, event := range all {
		require.Equal(t, f.id, event.TenantID)
	}
	require.Equal(t, "reos.intake/"+f.id.String()+".reos.property.upserted.v1", f.broker.published[0].Topic)
	require.EqualValues(t, 4, counted(t, f, "accepted"))
}

// counted reads reos_api_events_total.
func counted(t *testing.T, f *front, status string) float64 {
	t.Helper()
	families, err := f.registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "reos_api_events_total" && metric.GetLabel()[0].GetValue() == status {
				return metric.GetCounter().GetValue()
			}
		}
	}
	problems, err := testutil.GatherAndLint(f.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	return -1
}

func TestHeadersFillInWhatEventsLack(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	trace := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	other := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203332-01"
	client := f.sending(batchType).with("Run-Id", "run 7").with("Traceparent", trace)
	client.post("/v1/events?lane=bulk", batch(cloudEvent("1", record("K")), cloudEvent("2", record("K"), `"runid":"own"`, `"traceparent":"`+other+`"`))).ok(nil)
	client.with("Traceparent", "rubbish").post("/v1/events", batch(cloudEvent("3", record("K")))).ok(nil)
	all := f.broker.events(t)
	require.Equal(t, []string{"run 7", "own", "run 7"}, []string{all[0].RunID, all[1].RunID, all[2].RunID})
	require.Equal(t, []string{trace, other, ""}, []string{all[0].TraceParent, all[1].TraceParent, all[2].TraceParent})
	require.True(t, strings.HasPrefix(f.broker.published[0].Topic, "reos.intake.bulk/"))
	require.True(t, strings.HasPrefix(f.broker.published[2].Topic, "reos.intake/"))
	client.with("Run-Id", strings.Repeat("x", 256)).post("/v1/events", batch(cloudEvent("4", record("K")))).refused(http.StatusUnprocessableEntity)
	f.sending(batchType).post("/v1/events?lane=fast", batch(cloudEvent("4", record("K")))).refused(http.StatusUnprocessableEntity)
	require.Len(t, f.broker.events(t), 3)
}

// refused requires a status and a problem document, of whatever type.
func (a *answer) refused(status int) *answer {
	a.t.Helper()
	require.Equalf(a.t, status, a.status, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	return a
}

// read reads the JSON body, whatever the status.
func (a *answer) read(into any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.body, into), string(a.body))
}

func TestWhatIngestionWouldRefuseIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for name, given := range map[string]struct {
		event, reason, field string
	}{
		"no id":            {cloudEvent("", record("K")), "envelope_invalid", "id"},
		"another's tenant": {cloudEvent("1", record("K"), `"tenantid":"`+uuid.NewString()+`"`), "tenant_mismatch", "tenantid"},
		"unknown type":     {strings.Replace(cloudEvent("1", record("K")), "upserted", "painted", 1), "type_unknown", "type"},
		"a stage's type":   {strings.Replace(cloudEvent("1", record("K")), "upserted", "indexed", 1), "type_unknown", "type"},
		"no key":           {cloudEvent("1", `{"ModificationTimestamp":"2026-01-31T12:00:00Z"}`), "key_invalid", "subject"},
		"no version":       {cloudEvent("1", `{"ListingKey":"K"}`), "version_invalid", "ModificationTimestamp"},
		"no object":        {cloudEvent("1", `7`), "data_not_json", ""},
		"too large":        {cloudEvent("1", `{"ListingKey":"`+strings.Repeat("K", 1_000_001)+`"}`), "data_too_large", ""},
	} {
		var got publication
		answer := f.sending(structuredType).post("/v1/events", given.event)
		document := answer.problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
		answer.read(&got)
		require.Len(t, got.Receipts, 1, name)
		require.Equal(t, "rejected", got.Receipts[0].Status)
		require.Equal(t, given.reason, got.Receipts[0].Problem.Reason, name)
		require.Equal(t, given.field, got.Receipts[0].Problem.Field, name)
		require.Equal(t, strings.TrimSuffix("events[0]."+given.field, "."), document.Errors[0].Location)
		require.NotEmpty(t, document.Errors[0].Message)
	}
	require.Empty(t, f.broker.events(t))
	require.EqualValues(t, 8, counted(t, f, "rejected"))
}

func TestPartOfABatchIsRefused(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	answer := f.sending(batchType).post("/v1/events", batch(cloudEvent("1", record("K")), `7`, cloudEvent("3", `{}`), cloudEvent("4", record("K4"))))
	var got publication
	answer.ok(&got)
	require.Equal(t, http.StatusMultiStatus, answer.status)
	require.Equal(t, 2, got.Accepted)
	require.Equal(t, 2, got.Rejected)
	require.Equal(t, []string{"accepted", "rejected", "rejected", "accepted"},
		[]string{got.Receipts[0].Status, got.Receipts[1].Status, got.Receipts[2].Status, got.Receipts[3].Status})
	require.Equal(t, "3", got.Receipts[2].ID, "a rejected event is named as far as it can be")
	require.Len(t, f.broker.events(t), 2)
}

func TestRequestsThatAreNoEvents(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) { c.MaxEventsBytes = 300_000 })
	many := make([]string, 1001)
	for i := range many {
		many[i] = cloudEvent(fmt.Sprint(i), record("K"))
	}
	for name, given := range map[string]struct {
		contentType, body string
		status            int
		kind              api.Problem
		location          string
	}{
		"no content type": {"", record("K"), http.StatusUnsupportedMediaType, api.ProblemInvalid, "header.Content-Type"},
		"plain JSON":      {"application/json", record("K"), http.StatusUnsupportedMediaType, api.ProblemInvalid, "header.Content-Type"},
		"XML":             {"application/cloudevents+xml", "<a/>", http.StatusUnsupportedMediaType, api.ProblemInvalid, "header.Content-Type"},
		"no media type":   {"a b c", record("K"), http.StatusUnsupportedMediaType, api.ProblemInvalid, "header.Content-Type"},
		"empty batch":     {batchType, "[]", http.StatusUnprocessableEntity, api.ProblemInvalid, "body"},
		"no array":        {batchType, "{}", http.StatusUnprocessableEntity, api.ProblemInvalid, "body"},
		"no body":         {batchType, "", http.StatusUnprocessableEntity, api.ProblemInvalid, "body"},
		"too many events": {batchType, batch(many...), http.StatusRequestEntityTooLarge, api.ProblemTooLarge, ""},
		"too many bytes":  {batchType, strings.Repeat(" ", 300_001), http.StatusRequestEntityTooLarge, api.ProblemTooLarge, ""},
	} {
		client := f.publisher
		if given.contentType != "" {
			client = f.sending(given.contentType)
		}
		document := client.post("/v1/events", given.body).problem(given.status, given.kind)
		if given.location != "" {
			require.Equal(t, given.location, document.Errors[0].Location, name)
		}
	}
	f.sending(batchType).with("Content-Encoding", "gzip").post("/v1/events", "x").problem(http.StatusUnsupportedMediaType, api.ProblemInvalid)
	f.as(f.id, auth.Reader, auth.Operator, auth.Admin).post("/v1/events", "").problem(http.StatusForbidden, api.ProblemForbidden)
	require.Empty(t, f.broker.events(t))
	f.sending(batchType).post("/v1/events", batch(cloudEvent("1", record("K")))).ok(nil)
}

// A client that cannot be waited for gets a clear answer or none, and the next request works.
func TestEventsThatDoNotArrive(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) { c.BodyTimeout = 300 * time.Millisecond })
	head := "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: " + f.publisher.header.Get("Authorization") +
		"\r\nContent-Type: " + batchType + "\r\nContent-Length: 1000\r\n\r\n["
	f.dial().send(head).answer(http.MethodPost).problem(http.StatusRequestTimeout, api.ProblemInvalid)
	cut := f.dial().send(head)
	require.NoError(t, cut.Conn.(*net.TCPConn).CloseWrite())
	cut.answer(http.MethodPost).problem(http.StatusRequestTimeout, api.ProblemInvalid)
	require.Empty(t, f.broker.events(t))
	f.sending(batchType).post("/v1/events", batch(cloudEvent("1", record("K")))).ok(nil)
}

func TestBrokerThatIsNotReadyTakesNothing(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.broker.set(func(b *fakeBroker) { b.down = errors.New("amqp://host: blocked") })
	answer := f.sending(batchType).with("Idempotency-Key", "k").post("/v1/events", batch(cloudEvent("1", record("K"))))
	document := answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.NotEmpty(t, answer.header.Get("Retry-After"))
	require.NotContains(t, document.Detail, "amqp")
	f.broker.set(func(b *fakeBroker) { b.down = nil })
	answer = f.sending(batchType).with("Idempotency-Key", "k").post("/v1/events", batch(cloudEvent("1", record("K"))))
	answer.ok(nil)
	require.Empty(t, answer.header.Get("Idempotency-Replayed"), "the key was not used up")
}

func TestInvariant1UnconfirmedIsNotAccepted(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) { c.RequestTimeout = 400 * time.Millisecond })
	f.broker.set(func(b *fakeBroker) {
		b.refuse = func(_ context.Context, batch []events.Outgoing) error {
			return events.PublishErrors{nil, errors.New("amqp://host: nacked"), nil}
		}
	})
	answer := f.sending(batchType).post("/v1/events", batch(cloudEvent("1", record("K")), `7`, cloudEvent("3", record("K")), cloudEvent("4", record("K"))))
	document := answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.NotContains(t, document.Detail, "amqp")
	require.NotEmpty(t, answer.header.Get("Retry-After"))
	var got publication
	answer.read(&got)
	require.Equal(t, []string{"accepted", "rejected", "unconfirmed", "accepted"},
		[]string{got.Receipts[0].Status, got.Receipts[1].Status, got.Receipts[2].Status, got.Receipts[3].Status})
	trail, err := f.db.Tenant(f.id).Trail(t.Context(), store.EventRef{Event: uuid.MustParse(got.Receipts[0].EventUID)})
	require.NoError(t, err)
	require.NotNil(t, trail.Receipt)
	trail, err = f.db.Tenant(f.id).Trail(t.Context(), store.EventRef{Event: uuid.MustParse(got.Receipts[2].EventUID)})
	require.NoError(t, err)
	require.Nil(t, trail.Receipt, "nobody says that it was accepted")

	f.broker.set(func(b *fakeBroker) {
		b.refuse = func(ctx context.Context, _ []events.Outgoing) error { <-ctx.Done(); return ctx.Err() }
	})
	answer = f.sending(batchType).post("/v1/events", batch(cloudEvent("1", record("K"))))
	answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	answer.read(&got)
	require.Equal(t, "unconfirmed", got.Receipts[0].Status)
}

// noReceipts is a Postgres that is away.
type noReceipts struct{ *postgres.Tenant }

func (noReceipts) SaveReceipts(context.Context, []store.Receipt) error { return store.ErrUnavailable }

func TestReceiptThatCannotBeKeptIsNoFailure(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	lossy := newFront(t, func(_ *api.Config, parts *api.Parts) {
		parts.Tenants = f.db.Platform()
		parts.Publishing = func(id uuid.UUID) api.Publishing { return noReceipts{f.db.Tenant(id)} }
	})
	lossy.as(f.id, auth.Publisher).with("Content-Type", structuredType).post("/v1/events", cloudEvent("1", record("K"))).ok(nil)
	require.Len(t, lossy.broker.events(t), 1)
	require.Contains(t, lossy.logged.String(), "receipts not kept")
}
