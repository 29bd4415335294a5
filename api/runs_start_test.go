package api_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// hold has the tenant hold a property, accepted and unfinished.
func (f *front) hold(key string) {
	accept(f.t, f, events.Event{
		ID: uuid.NewString(), Source: "mls", Type: events.Type(events.Property, events.Upserted), TenantID: f.id,
		Data: []byte(`{"City":"Seattle","ListingKey":"` + key + `","ModificationTimestamp":"2026-01-31T12:00:00Z"}`),
	}, store.Acceptance{Next: events.Quality})
}

// startedRun is the answer to a request for a run.
type startedRun struct {
	Preview *api.RunPreview
	Run     *api.RunView
}

func TestOperatorsStartRunsAndChangeHowTheyGo(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.hold("k1")
	f.hold("k2")
	operator := f.as(f.id, auth.Operator)

	var dry startedRun
	answer := operator.post("/v1/runs", map[string]any{"stage": "quality", "filter": map[string]string{"City": "Seattle"}, "dry_run": true}).ok(&dry)
	require.Equal(t, http.StatusOK, answer.status)
	require.EqualValues(t, 2, dry.Preview.Selected)
	require.Equal(t, "k1", dry.Preview.Sample[0].Key)
	require.Nil(t, dry.Run)

	id := uuid.NewString()
	order := map[string]any{"run_id": id, "stage": "quality", "keys": []string{"k1"}, "why": "suite 8", "rate": 5}
	var started startedRun
	answer = operator.post("/v1/runs", order).ok(&started)
	require.Equal(t, http.StatusAccepted, answer.status)
	require.Equal(t, []any{id, "running", store.RerunRun}, []any{started.Run.ID, started.Run.State, started.Run.Kind})
	require.EqualValues(t, 1, started.Run.Work.Selected)
	operator.post("/v1/runs", order).problem(http.StatusConflict, api.ProblemConflict)

	var changed struct {
		Run     api.RunView
		Changed bool
	}
	why := map[string]string{"why": "the search is slow"}
	operator.post("/v1/runs/"+id+"/pause", why).ok(&changed)
	require.Equal(t, []any{"paused", true}, []any{changed.Run.State, changed.Changed})
	operator.post("/v1/runs/"+id+"/pause", why).ok(&changed)
	require.False(t, changed.Changed)
	operator.post("/v1/runs/"+id+"/resume", why).ok(&changed)
	require.Equal(t, "running", changed.Run.State)
	operator.post("/v1/runs/"+id+"/cancel", why).ok(&changed)
	require.Equal(t, "cancelled", changed.Run.State)
	operator.post("/v1/runs/"+id+"/resume", why).problem(http.StatusConflict, api.ProblemConflict)

	var shown api.RunView
	f.as(f.id, auth.Reader).get("/v1/runs/" + id).ok(&shown)
	require.Equal(t, "cancelled", shown.State)
	require.Equal(t, "suite 8", shown.Work.Why)
	require.Len(t, shown.Work.Digest, 64)
	require.NotNil(t, shown.Events)

	entries, err := f.db.Tenant(f.id).AuditLog(t.Context(), store.AuditFilter{Action: store.RunPausedAct})
	require.NoError(t, err)
	require.Len(t, entries, 1, "what changes nothing is no act")
	require.Equal(t, []string{"test", "the search is slow"}, []string{entries[0].Actor, entries[0].Why})
}

func TestRunsThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.hold("k1")
	operator := f.as(f.id, auth.Operator)
	for want, order := range map[string]string{
		"body.why":               `{"stage":"quality"}`,
		"body.stop_above":        `{"stage":"quality","why":"x","canary":5}`,
		"body.stage":             `{"stage":"freshness","why":"x"}`,
		"body.types":             `{"stage":"indexing","types":["lease"],"why":"x"}`,
		"body.until":             `{"stage":"quality","since":"2026-01-02T00:00:00Z","until":"2026-01-01T00:00:00Z","why":"x"}`,
		"body.filter":            `{"stage":"quality","filter":{"verdict":"fine"},"why":"x"}`,
		"there is no such thing": "",
	} {
		if order == "" {
			operator.post("/v1/runs/nobody/cancel", map[string]string{"why": "x"}).problem(http.StatusNotFound, api.ProblemNotFound)
			continue
		}
		answer := operator.with("Content-Type", "application/json").post("/v1/runs", order)
		require.Equal(t, http.StatusUnprocessableEntity, answer.status, want)
		require.Contains(t, string(answer.body), want)
	}
	operator.post("/v1/runs", map[string]any{"stage": "quality", "keys": []string{"absent"}, "why": "x"}).problem(http.StatusNotFound, api.ProblemNotFound)
	for _, path := range []string{"", "/some/pause", "/some/resume", "/some/cancel"} {
		body := map[string]any{"why": "x"}
		if path == "" {
			body["stage"] = "quality"
		}
		f.as(f.id, auth.Reader, auth.Publisher).post("/v1/runs"+path, body).problem(http.StatusForbidden, api.ProblemForbidden)
	}
}
