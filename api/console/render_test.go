package console

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// rendered is a page as a visitor of one tenant gets it.
func rendered(t *testing.T, template string, body any) string {
	t.Helper()
	c := New(Parts{Platform: &manyTenants{}, Log: zerolog.New(zerolog.NewTestWriter(t))})
	who := api.Visitor{Principal: auth.Principal{Subject: "ann"}, Tenant: store.Tenant{ID: uuid.New(), Name: "acme"}}
	w := httptest.NewRecorder()
	c.render(w, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusOK, look{shown: shown{Template: template, Title: "A page", Body: body}, Visitor: &who})
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.NotContains(t, w.Body.String(), "ZgotmplZ")
	return w.Body.String()
}

func TestARerunSaysHowItGoes(t *testing.T) {
	t.Parallel()
	view := api.NewRunView(store.Run{
		ID: "r-1", Kind: store.RerunRun, State: store.RunStopped, By: "ann", Error: "3 of 50 events died, more than 5 %", StartedAt: time.Now(),
		RunWork: store.RunWork{
			Stage: events.Quality, Why: "a new suite", Ticket: "OPS-1", Rate: 50, Canary: 20, StopAbove: .05, Selected: 2000, Released: 80,
			Ended: 50, Dead: 3, Skipped: 10, Cancelled: 40,
		},
	})
	page := rendered(t, "run.html", runPage{uuid.New(), view})
	for _, says := range []string{
		"stopped", "3 of 50 events died", "a new suite", "OPS-1", "50 events per second at most, 20 first, stops by itself when more than 5\u202f% die",
		"2\u202f000 selected, 80 released, 50 ended", "3 of them died", "10 skipped", "40 cancelled", `value="5"`,
	} {
		require.Contains(t, page, says)
	}
	require.Contains(t, rendered(t, "runs.html", runsPage{Runs: []listedRun{{RunView: view, Tenants: 3}}}), "2\u202f000")
}

func TestALetterSaysWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	event := uuid.New()
	letter := store.DeadLetter{
		ID: uuid.New(), Tenant: uuid.New(), EventID: "evt-1", Stage: events.Embedding, Reason: events.StageError, Kind: store.Transient,
		State: store.LetterOpen, Overtaken: true, Attempts: 4, WorkerVersion: "1.4.0", Error: "<b>413</b>", Payload: []byte(`{}`),
	}
	page := rendered(t, "letter.html", letterPage{Whose: letter.Tenant, DeadLetter: letter})
	require.Contains(t, page, "a replay would change nothing")
	require.Contains(t, page, "&lt;b&gt;413&lt;/b&gt;")
	require.Contains(t, page, "after 4 attempts, by worker 1.4.0")
	require.Contains(t, page, "shown to those whose token has the role operator")
	require.NotContains(t, page, "<pre")

	letter.State, letter.Overtaken = store.LetterDiscarded, true
	letter.Discard = &store.LetterDiscard{At: time.Now(), By: "bob", Why: "nobody wants it"}
	letter.Replay = &store.LetterReplay{At: time.Now(), RunID: "plan-1", Event: event, Outcome: events.Done}
	page = rendered(t, "letter.html", letterPage{DeadLetter: letter, Open: true, Body: legible(letter.Payload)})
	require.Contains(t, page, "by bob: nobody wants it")
	require.Contains(t, page, "/events/"+event.String())
	require.NotContains(t, page, "a replay would change nothing")
	require.Contains(t, page, "<pre")
}

func TestAStageThatIsPausedSaysByWhom(t *testing.T) {
	t.Parallel()
	pause := store.Pause{Stage: events.Embedding, At: time.Now(), By: "ann", Why: "prices came in cents"}
	facts := store.TenantFacts{Tenant: store.Tenant{ID: uuid.New(), Name: "acme", State: store.TenantActive}, Pauses: []store.Pause{pause}}
	answer := facts.Judge(time.Now())
	page := rendered(t, "tenant.html", tenantPage{Tenant: facts.Tenant, Freshness: answer, Pauses: facts.Pauses, Flow: flowOf(answer, facts.Pauses), Tracker: tracker{Silent: true}})
	require.Contains(t, page, "by ann: prices came in cents")
	require.Contains(t, page, "No record is in quarantine.")
	require.Contains(t, page, "Nobody has tracked freshness yet")
}
