package api_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// run is a run as the API shows it.
type run struct {
	ID                         string `json:"run_id"`
	Kind, State, Source, Lane  string
	By, Error                  string
	Published, Known, Rejected int
	Percent                    *float64
	Problems                   []store.RunProblem
	StartedAt                  *time.Time `json:"started_at"`
	FinishedAt                 *time.Time `json:"finished_at"`
	Events                     *struct {
		Accepted int
		Outcomes map[string]int
		Waiting  []struct {
			Stage  string
			Events int
		}
		Ended []struct {
			Stage, Outcome, Reason string
			Events                 int
		}
	}
}

func zipped(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return packed.String()
}

const ndjsonType = "application/x-ndjson"

func TestFeedsOfEveryFormatArePublished(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	ndjson := record("N1") + "\n" + cloudEvent("c-1", record("N2"), `"runid":"own"`) + "\n"
	csv := "id,changed,price\nC1,2026-01-31,7\nC2,2026-01-31,8\n"
	reso := `{"value":[` + record("R1") + `,` + record("R2") + `]}`
	for name, given := range map[string]struct{ contentType, query, body, key string }{
		"NDJSON":             {ndjsonType, "", ndjson, "N1"},
		"NDJSON, gzip":       {ndjsonType, "", zipped(t, ndjson), "N1"},
		"named format":       {"application/octet-stream", "?format=ndjson", ndjson, "N1"},
		"CSV":                {"text/csv; charset=utf-8", "?mapping=homes", csv, "C1"},
		"CSV by its mapping": {"application/octet-stream", "?mapping=homes", zipped(t, csv), "C1"},
		"RESO":               {"application/json", "", reso, "R1"},
	} {
		before := len(f.broker.events(t))
		var got run
		answer := f.sending(given.contentType).with("Run-Id", name).post("/v1/feeds"+given.query, given.body)
		require.Equalf(t, http.StatusAccepted, answer.status, "%s: %s", name, answer.body)
		answer.ok(&got)
		require.Equal(t, run{
			ID: name, Kind: "feed", State: "published", Source: "feed/http", Lane: "bulk", By: "test", Published: 2,
			StartedAt: got.StartedAt, FinishedAt: got.FinishedAt,
		}, got)
		event := f.broker.events(t)[before]
		require.Equal(t, given.key, event.Subject, name)
		require.Equal(t, name, event.RunID)
		require.Equal(t, f.id, event.TenantID)
	}
	require.Equal(t, "reos.intake.bulk/"+f.id.String()+".reos.property.upserted.v1", f.broker.published[0].Topic)
	gz := f.sending(ndjsonType).with("Content-Encoding", "gzip").post("/v1/feeds?lane=live&source=mls", zipped(t, record("Z")))
	gz.ok(nil)
	all := f.broker.events(t)
	require.Equal(t, "mls", all[len(all)-1].Source)
	require.True(t, strings.HasPrefix(f.broker.published[len(all)-1].Topic, "reos.intake/"))
	require.NotEmpty(t, all[len(all)-1].RunID)
}

func TestRecordsThatAreNoEventsAreCountedAndTold(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var got run
	answer := f.sending(ndjsonType).post("/v1/feeds", record("K")+"\n{}\n"+record("L")+"\n"+record("L"))
	answer.ok(&got)
	require.Equal(t, http.StatusMultiStatus, answer.status)
	require.Equal(t, []int{3, 1, 1}, []int{got.Published, got.Known, got.Rejected})
	require.EqualValues(t, 2, got.Problems[0].Line)
	require.Equal(t, "subject", got.Problems[0].Field)

	answer = f.sending(ndjsonType).post("/v1/feeds", "{}\n7\n")
	answer.problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	var refused struct{ Run run }
	answer.read(&refused)
	require.Equal(t, 2, refused.Run.Rejected)
	require.Equal(t, "published", refused.Run.State, "there was nothing wrong with the feed as such")
}

func TestFeedsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for name, given := range map[string]struct {
		contentType, query, body string
		status                   int
		location                 string
	}{
		"no format":       {"application/octet-stream", "", "", http.StatusUnsupportedMediaType, "header.Content-Type"},
		"CSV, no mapping": {"text/csv", "", "", http.StatusUnprocessableEntity, "query.mapping"},
		"unknown mapping": {"text/csv", "?mapping=../x", "", http.StatusUnprocessableEntity, "query.mapping"},
		"unknown format":  {"text/csv", "?format=xml", "", http.StatusUnprocessableEntity, "query.format"},
		"unknown record":  {ndjsonType, "?record=castle", "", http.StatusUnprocessableEntity, "query.record"},
		"no RESO":         {"application/json", "", "7", http.StatusUnprocessableEntity, ""},
		"columns missing": {"text/csv", "?mapping=homes", "a,b\n1,2\n", http.StatusUnprocessableEntity, ""},
		"gzip cut off":    {ndjsonType, "", zipped(t, record("K"))[:30], http.StatusUnprocessableEntity, ""},
		"gzip, broken":    {ndjsonType, "", "\x1f\x8b\x00", http.StatusUnprocessableEntity, ""},
	} {
		document := f.sending(given.contentType).post("/v1/feeds"+given.query, given.body).problem(given.status, api.ProblemInvalid)
		require.NotEmpty(t, document.Detail)
		if given.location != "" {
			require.Equal(t, given.location, document.Errors[0].Location, name)
		}
	}
	require.Empty(t, f.broker.events(t))
	f.as(f.id, auth.Reader).with("Content-Type", ndjsonType).post("/v1/feeds", "").problem(http.StatusForbidden, api.ProblemForbidden)
}

// What unpacks to far more than records do ends early; what is merely large does not.
func TestGzipBombIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	bomb, w := &bytes.Buffer{}, (*gzip.Writer)(nil)
	w = gzip.NewWriter(bomb)
	blank := bytes.Repeat([]byte(" "), 1<<20)
	for range 200 {
		_, err := w.Write(blank)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	document := f.sending(ndjsonType).with("Content-Encoding", "gzip").post("/v1/feeds", bomb.Bytes()).
		problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	require.Contains(t, document.Detail, "expands")
	f.sending(ndjsonType).post("/v1/feeds", zipped(t, strings.Repeat(" ", 1<<20)+record("K"))).ok(nil)
}

func TestFeedThatBreaksOffIsInterrupted(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) { c.BodyTimeout = 500 * time.Millisecond })
	head := func(run string) string {
		return "POST /v1/feeds HTTP/1.1\r\nHost: x\r\nAuthorization: " + f.publisher.header.Get("Authorization") +
			"\r\nContent-Type: " + ndjsonType + "\r\nRun-Id: " + run + "\r\nContent-Length: 1000\r\n\r\n" + record("K") + "\n"
	}
	slow := f.dial().send(head("slow")).answer(http.MethodPost)
	slow.problem(http.StatusRequestTimeout, api.ProblemInvalid)
	var told struct{ Run run }
	slow.read(&told)
	require.Equal(t, 1, told.Run.Published)

	cut := f.dial().send(head("cut"))
	require.NoError(t, cut.Conn.(*net.TCPConn).SetLinger(0))
	require.NoError(t, cut.Close())
	for _, id := range []string{"slow", "cut"} {
		require.Eventually(t, func() bool {
			stored, err := f.db.Tenant(f.id).Run(t.Context(), id)
			return err == nil && stored.State == store.RunInterrupted && stored.Published == 1 && stored.Error != ""
		}, 10*time.Second, 10*time.Millisecond, id)
	}
	var got run
	f.sending(ndjsonType).with("Run-Id", "cut").post("/v1/feeds", record("K")).ok(&got)
	require.Equal(t, "published", got.State, "the run is sent again")
	require.Len(t, f.broker.events(t), 3)
	all := f.broker.events(t)
	require.Equal(t, all[0].ID, all[2].ID, "the same event, said again")
}

// dripping gives a piece of text at a time.
type dripping struct {
	pieces []string
	every  time.Duration
}

func (d *dripping) Read(p []byte) (int, error) {
	if len(d.pieces) == 0 {
		return 0, io.EOF
	}
	time.Sleep(d.every) // this is what is tested: time passes
	n := copy(p, d.pieces[0])
	d.pieces = d.pieces[1:]
	return n, nil
}

func TestFeedMayTakeLongerThanAnyTimeout(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) {
		c.BodyTimeout, c.RequestTimeout = 400*time.Millisecond, 400*time.Millisecond
	})
	pieces := make([]string, 12)
	for i := range pieces {
		pieces[i] = record(fmt.Sprint("K", i)) + "\n"
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.address+"/v1/feeds", &dripping{pieces, 100 * time.Millisecond})
	require.NoError(t, err)
	request.Header = f.sending(ndjsonType).header
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusAccepted, response.StatusCode)
	require.Len(t, f.broker.events(t), 12)
}

func TestFeedThatTheBrokerDoesNotConfirm(t *testing.T) {
	t.Parallel()
	f := newFront(t, func(c *api.Config, _ *api.Parts) { c.RequestTimeout = 400 * time.Millisecond })
	f.broker.set(func(b *fakeBroker) {
		b.refuse = func(context.Context, []events.Outgoing) error { return errors.New("amqp://host: connection lost") }
	})
	answer := f.sending(ndjsonType).with("Run-Id", "r").post("/v1/feeds", record("K"))
	document := answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.NotContains(t, document.Detail, "amqp")
	require.NotEmpty(t, answer.header.Get("Retry-After"))
	stored, err := f.db.Tenant(f.id).Run(t.Context(), "r")
	require.NoError(t, err)
	require.Equal(t, store.RunFailed, stored.State)
	require.NotContains(t, stored.Error, "amqp")

	f.broker.set(func(b *fakeBroker) { b.down = errors.New("blocked") })
	f.sending(ndjsonType).post("/v1/feeds", record("K")).problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.Empty(t, f.broker.events(t))
}

func TestRunIsPublishedOnceAtATime(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	_, err := f.db.Tenant(f.id).StartRun(t.Context(), store.Run{ID: "r", Kind: store.FeedRun, By: "somebody", Lane: store.LiveEntry})
	require.NoError(t, err)
	f.sending(ndjsonType).with("Run-Id", "r").post("/v1/feeds", record("K")).problem(http.StatusConflict, api.ProblemConflict)
	require.Empty(t, f.broker.events(t))
}

func TestRunSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.sending(ndjsonType).with("Run-Id", "r/1").post("/v1/feeds", record("K1")+"\n"+record("K2")+"\n{}").ok(nil)
	reader := f.as(f.id, auth.Reader)
	see := func() run {
		var got run
		reader.get("/v1/runs/r%2F1").ok(&got)
		return got
	}
	got := see()
	require.Equal(t, "working", got.State)
	require.Zero(t, *got.Percent)
	require.Equal(t, 1, got.Rejected)

	all := f.broker.events(t)
	accept(t, f, all[0], store.Acceptance{Next: events.Quality})
	got = see()
	require.Equal(t, 1, got.Events.Accepted)
	require.Equal(t, "quality", got.Events.Waiting[0].Stage)
	accept(t, f, all[1], store.Acceptance{Outcome: events.Stale, Reason: events.VersionOlder})
	got = see()
	require.Equal(t, 50.0, *got.Percent)
	require.Equal(t, map[string]int{"stale": 1}, got.Events.Outcomes)
	require.Equal(t, "version_older", got.Events.Ended[0].Reason)
	require.NoError(t, f.db.Tenant(f.id).Advance(t.Context(), []store.Advance{{Event: all[0].UID(), From: events.Quality, Outcome: events.Done}}))
	got = see()
	require.Equal(t, "done", got.State)
	require.Equal(t, 100.0, *got.Percent)

	f.sending(ndjsonType).with("Run-Id", "again").post("/v1/feeds", record("K1")).ok(&got)
	require.Equal(t, 1, got.Known)
	reader.get("/v1/runs/again").ok(&got)
	require.Equal(t, "done", got.State, "there is no news in it")

	f.as(postgrestest.NewTenant(t, f.db), auth.Reader).get("/v1/runs/again").problem(http.StatusNotFound, api.ProblemNotFound)
	var page struct {
		Items []run
		Next  string
	}
	reader.get("/v1/runs?limit=1").ok(&page)
	require.Equal(t, "again", page.Items[0].ID)
	reader.get("/v1/runs?limit=1&cursor=" + page.Next).ok(&page)
	require.Equal(t, "r/1", page.Items[0].ID)
	require.Equal(t, "published", page.Items[0].State)
	page.Next = ""
	reader.get("/v1/runs?cursor=rubbish").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	reader.get("/v1/runs?limit=2").ok(&page)
	require.Empty(t, page.Next, "both are on the last page")
}

func TestRunThatNobodyStartedIsThatOfItsEvents(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.sending(batchType).with("Run-Id", "nightly").post("/v1/events", batch(cloudEvent("1", record("K")))).ok(nil)
	reader := f.as(f.id, auth.Operator)
	reader.get("/v1/runs/nightly").problem(http.StatusNotFound, api.ProblemNotFound)
	accept(t, f, f.broker.events(t)[0], store.Acceptance{Next: events.Quality})
	var got run
	reader.get("/v1/runs/nightly").ok(&got)
	require.Equal(t, "events", got.Kind)
	require.Equal(t, "working", got.State)
	require.Equal(t, 1, got.Events.Accepted)
}

// accept is what ingestion does with an event.
func accept(t *testing.T, f *front, event events.Event, as store.Acceptance) {
	t.Helper()
	record, err := events.Normalise(event)
	require.NoError(t, err)
	as.Event, as.ID, as.Source, as.Type, as.RunID, as.Lane = event.UID(), event.ID, event.Source, event.Type, event.RunID, "a"
	as.Ref, as.Version, as.OccurredAt = store.Ref{Type: record.Type, Key: record.Key}, record.Version, record.Version.At
	require.NoError(t, f.db.Tenant(f.id).Ingest(t.Context(), []uuid.UUID{as.Event}, []store.Ref{as.Ref}, func(store.Known) (store.IngestPlan, error) {
		return store.IngestPlan{Accepted: []store.Acceptance{as}, Records: []store.RecordWrite{{Record: record, Event: as.Event}}}, nil
	}))
}
