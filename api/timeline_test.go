package api_test

import (
	"encoding/json"
	"net/http"
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

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// what lists a timeline as `stage what reason`.
func what(t api.Timeline) []string {
	all := []string{}
	for _, e := range t.Timeline {
		all = append(all, string(e.Stage)+" "+e.What+" "+string(e.Reason))
	}
	return all
}

// ended is the trail of a property's event that went all the way.
func ended() store.Trail {
	uid := uuid.New()
	version := events.NewVersion(noon, 0)
	return store.Trail{
		Ref:     store.EventRef{Event: uid, ID: "evt-1", Source: "mls"},
		Receipt: &store.Receipt{Event: uid, ID: "evt-1", ReceivedAt: at(0), By: "feed@mls", Lane: store.LiveEntry},
		Progress: &store.Progress{
			Type: "reos.property.upserted.v1", Ref: store.Ref{Type: events.Property, Key: "K"}, Version: version, Lane: "a",
			AcceptedAt: at(1), IngestedAt: at(1), JudgedAt: at(2), EmbeddedAt: at(3), IndexedAt: at(4), FinishedAt: at(4),
			EndedIn: events.Indexing, Outcome: events.Done,
		},
		Verdict: &store.Verdict{Version: version, Passed: true, Failures: []store.Failure{}},
		Newest:  &store.Held{Version: version, Event: uid},
	}
}

func TestTimelineOfAnEventThatWentAllTheWay(t *testing.T) {
	timeline := api.NewTimeline(ended())
	require.Equal(t, api.EventDone, timeline.State)
	require.Equal(t, []string{
		" received ", "ingestion accepted ", "quality passed ", "embedding embedded ", "indexing searchable ",
	}, what(timeline))
	require.Equal(t, "Done after 4s: searchable.", timeline.Sentence)
	require.Nil(t, timeline.Waiting)
	require.Nil(t, timeline.StaleAgainst)

	overtaken := ended()
	overtaken.Newest.Version = events.NewVersion(at(60), 3)
	require.Contains(t, api.NewTimeline(overtaken).Sentence, "has moved on since, to version 2026-01-31T12:01:00Z (sequence 3)")
	deleted := ended()
	deleted.Progress.Type, deleted.Progress.JudgedAt, deleted.Progress.EmbeddedAt = "reos.property.deleted.v1", time.Time{}, time.Time{}
	require.Equal(t, []string{" received ", "ingestion accepted ", "indexing taken out of the search "}, what(api.NewTimeline(deleted)))
	lease := ended()
	lease.Progress.Type, lease.Progress.EndedIn, lease.Progress.EmbeddedAt, lease.Progress.IndexedAt = "reos.lease.upserted.v1", events.Quality, time.Time{}, time.Time{}
	require.Equal(t, "Done after 4s: stored and judged.", api.NewTimeline(lease).Sentence)
}

func TestTimelineSaysWhereAnEventWaitsAndWhatHoldsIt(t *testing.T) {
	trail := ended()
	trail.Progress = nil
	trail.Verdict, trail.Newest = nil, nil
	timeline := api.NewTimeline(trail)
	require.Equal(t, api.EventReceived, timeline.State)
	require.Equal(t, &api.TimelineWaiting{Stage: events.Ingestion, Since: at(0)}, timeline.Waiting)
	require.Equal(t, "In a queue since 2026-01-31T12:00:00Z; ingestion has not taken it yet.", timeline.Sentence)

	trail = ended()
	p := trail.Progress
	p.EmbeddedAt, p.IndexedAt, p.FinishedAt, p.EndedIn, p.Outcome, p.Waiting = time.Time{}, time.Time{}, time.Time{}, "", "", events.Embedding
	p.RedrivenAt, p.Redrives = at(90), 2
	trail.Pauses = []store.Pause{
		{Stage: events.Quality, At: at(1), By: "bob", Why: "another stage"},
		{Stage: events.Embedding, At: at(1), By: "breaker", Why: "9 of 10 failed"},
	}
	timeline = api.NewTimeline(trail)
	require.Equal(t, api.EventWorking, timeline.State)
	require.Equal(t, &api.TimelineWaiting{
		Stage: events.Embedding, Since: at(2), Pause: &api.TimelinePause{Since: at(1), By: "breaker", Why: "9 of 10 failed"},
	}, timeline.Waiting)
	require.Equal(t, []string{
		" received ", "ingestion accepted ", "quality passed ", "embedding held paused", "embedding driven again ",
	}, what(timeline))
	require.Equal(t, at(2), timeline.Timeline[3].At, "it was held when it came")
	require.Equal(t, "Waits at embedding since 2026-01-31T12:00:02Z; the stage is paused for the tenant since 2026-01-31T12:00:01Z by breaker: 9 of 10 failed.",
		timeline.Sentence)
}

func TestTimelineOfAStaleEventSaysAgainstWhat(t *testing.T) {
	for reason, words := range map[events.Reason]string{
		events.VersionOlder: "was at a newer version already", events.VersionDuplicate: "this very version", events.Superseded: "overtook it",
	} {
		trail := ended()
		p := trail.Progress
		p.JudgedAt, p.EmbeddedAt, p.IndexedAt, p.EndedIn, p.Outcome, p.Reason = time.Time{}, time.Time{}, time.Time{}, events.Ingestion, events.Stale, reason
		trail.Newest = &store.Held{Version: events.NewVersion(at(60), 0), Event: uuid.New()}
		timeline := api.NewTimeline(trail)
		require.Equal(t, api.EventStale, timeline.State)
		require.Equal(t, &api.TimelineVersion{VersionAt: at(60), EventUID: &trail.Newest.Event}, timeline.StaleAgainst)
		require.Contains(t, timeline.Sentence, words)
		require.Contains(t, timeline.Sentence, "it is at 2026-01-31T12:01:00Z now")
		require.Equal(t, []string{" received ", "ingestion stale " + string(reason)}, what(timeline))
	}
}

func TestTimelineOfAQuarantinedEventNamesWhatFailed(t *testing.T) {
	trail := ended()
	trail.Progress.EmbeddedAt, trail.Progress.Outcome, trail.Progress.Reason = time.Time{}, events.Quarantine, events.ExpectationFailed
	trail.Verdict.Passed = false
	trail.Verdict.Failures = []store.Failure{
		{Expectation: "price_positive", Severity: store.SeverityError, Field: "ListPrice"},
		{Expectation: "has_remarks", Severity: store.SeverityWarning, Field: "PublicRemarks"},
	}
	timeline := api.NewTimeline(trail)
	require.Equal(t, api.EventQuarantined, timeline.State)
	require.Len(t, timeline.Failures, 2)
	require.Equal(t, []string{
		" received ", "ingestion accepted ", "quality quarantined ", "indexing kept out of the search expectation_failed",
	}, what(timeline))
	require.Equal(t, "Quarantined, not searchable until a better version comes: failed price_positive of ListPrice.", timeline.Sentence)
	trail.Verdict = nil
	require.Contains(t, api.NewTimeline(trail).Sentence, "a newer version")
}

func TestTimelineOfADeadEvent(t *testing.T) {
	trail := ended()
	p := trail.Progress
	p.EmbeddedAt, p.IndexedAt, p.EndedIn, p.Outcome, p.Reason = time.Time{}, time.Time{}, events.Embedding, events.Dead, events.StageError
	trail.Letters = []store.TrailLetter{{ID: uuid.New(), Stage: events.Embedding, Reason: events.StageError, Error: "it broke", Attempts: 4, FailedAt: at(4)}}
	timeline := api.NewTimeline(trail)
	require.Equal(t, api.EventDead, timeline.State)
	require.Equal(t, []string{" received ", "ingestion accepted ", "quality passed ", "embedding dead letter stage_error"}, what(timeline))
	require.Equal(t, "Dead at embedding after 4 attempts: it broke. Its bytes are kept as dead letter "+trail.Letters[0].ID.String()+".", timeline.Sentence)

	timeline = api.NewTimeline(store.Trail{Ref: store.EventRef{ID: "evt-1"}, Letters: trail.Letters})
	require.Equal(t, api.EventDead, timeline.State)
	require.Nil(t, timeline.EventUID)
	encoded, err := json.Marshal(timeline)
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "event_uid")
	require.NotContains(t, string(encoded), "null")
}

func TestEventIsKnownFromTheMomentItIsAccepted(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.sending(batchType).with("Run-Id", "r").post("/v1/events?lane=bulk", batch(cloudEvent("a/1", record("K")), cloudEvent("b", record("L")))).ok(nil)
	reader := f.as(f.id, auth.Reader)
	var got api.Timeline
	reader.get("/v1/events/a%2F1").ok(&got)
	require.Equal(t, api.EventReceived, got.State)
	require.Equal(t, "r", got.RunID)
	require.Equal(t, "bulk", got.Lane)
	require.Equal(t, "over HTTP from test, bulk", got.Timeline[0].Detail)
	f.publisher.get("/v1/events/" + got.EventUID.String()).ok(&got)
	require.Equal(t, "a/1", got.ID)

	all := f.broker.events(t)
	accept(t, f, all[1], store.Acceptance{Next: events.Quality})
	reader.get("/v1/events/b").ok(&got)
	require.Equal(t, api.EventWorking, got.State)
	require.Equal(t, "L", got.Record.Key)

	reader.get("/v1/events/c").problem(http.StatusNotFound, api.ProblemNotFound)
	f.as(f.id, auth.Admin).get("/v1/events/b").problem(http.StatusForbidden, api.ProblemForbidden)
	f.as(postgrestest.NewTenant(t, f.db), auth.Reader).get("/v1/events/b").problem(http.StatusNotFound, api.ProblemNotFound)
	f.platform(auth.Reader).get("/v1/events/b?tenant=" + f.id.String()).ok(&got)
	require.Equal(t, api.EventWorking, got.State)
}

func TestIDOfSeveralSourcesAsksForOne(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	for _, source := range []string{"mls/east", "mls/west"} {
		f.binary("1").with("ce-source", source).post("/v1/events", record("K")).ok(nil)
	}
	reader := f.as(f.id, auth.Reader)
	document := reader.get("/v1/events/1").problem(http.StatusConflict, api.ProblemConflict)
	require.Len(t, document.Errors, 2)
	require.Contains(t, document.Errors[1].Message, `"mls/west"`)
	var got api.Timeline
	reader.get("/v1/events/1?source=mls%2Fwest").ok(&got)
	require.Equal(t, "mls/west", got.Source)
}
