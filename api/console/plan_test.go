package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/workers/replay"
)

// withDesk gives a site the dead-letter desk.
func withDesk(parts *console.Parts) {
	rows := parts.Rows
	parts.Desk = &replay.Desk{
		Platform: parts.Platform.(*postgres.Platform), Of: func(id uuid.UUID) replay.Letters { return rows(id).(*postgres.Tenant) }, Model: "m",
	}
}

func (s *site) operatorOf(tenant uuid.UUID) string {
	return s.token(auth.Principal{Tenant: tenant, Roles: []auth.Role{auth.Operator}})
}

func (s *site) platformOperator() string {
	return s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Operator}})
}

// bury gives a tenant n letters of one group that died in ingestion, and one that cannot be replayed.
func (s *site) bury(tenant uuid.UUID, n int) (fingerprint string) {
	s.t.Helper()
	letters := make([]store.DeadLetter, n+1)
	for i := range letters {
		e := events.Event{
			ID: fmt.Sprintf("dead-%d", i), Source: "mls/x", Type: events.Type(events.Property, events.Upserted), Subject: fmt.Sprintf("K%d", i),
			TenantID: tenant, Time: time.Now(), Data: []byte(`{"ListingKey":"K"}`),
		}
		letters[i] = store.DeadLetter{
			ID: uuid.New(), Tenant: tenant, Event: e.UID(), EventID: e.ID, EventType: e.Type, RecordType: events.Property, Key: e.Subject,
			Stage: events.Ingestion, Lane: "a", Reason: events.StageError, Error: fmt.Sprintf("it <broke> %d times", i), Attempts: 1,
			RoutingKey: tenant.String() + "." + e.Type, Headers: e.Message().Metadata, Payload: e.Data, FirstFailedAt: time.Now(), FailedAt: time.Now(),
		}
	}
	letters[n].RoutingKey = "lost"
	require.NoError(s.t, s.db.Tenant(tenant).SaveDeadLetters(s.t.Context(), letters))
	return store.Fingerprint(events.Ingestion, events.StageError, letters[0].Error)
}

// here are the headers of a form that a browser sends from a page of ours.
var here = []string{"Sec-Fetch-Site", "same-origin"}

func planOf(fingerprint string) url.Values {
	return url.Values{"fingerprint": {fingerprint}, "why": {"the disk is larger"}, "canary": {"2"}, "stop_above": {"10"}, "rate": {"50"}, "ticket": {"OPS-7"}}
}

func TestAReplayIsPlannedBegunPausedAndStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t, withDesk)
	group := s.bury(s.one, 5)
	token, own := s.operatorOf(s.one), "/tenants/"+s.one.String()
	form := own + "/dead-letters/plan"
	require.Contains(t, s.get(own+"/dead-letters/groups/"+group, token).body, `href="`+form+`?fingerprint=`+group+`"`)
	require.Contains(t, s.get(own+"/dead-letters?kind=transient", token).body, `href="`+form+`?kind=transient"`, "what narrows letters is kept")
	asked := s.get(form+"?fingerprint="+group, token)
	require.Equal(t, http.StatusOK, asked.status, asked.body)
	require.Contains(t, asked.body, `name="fingerprint" value="`+group+`"`)
	require.NotContains(t, asked.body, `name="from_stage"`, "they go in by the intake once more")
	require.NotContains(t, asked.body, "data-live", "what is typed is not looked at again")

	planned := s.post(form, token, planOf(group), here...)
	require.Equal(t, http.StatusSeeOther, planned.status, planned.body)
	page := planned.header.Get("Location")
	require.Regexp(t, regexp.MustCompile("^"+own+"/runs/replay-[-0-9a-f]{36}$"), page)
	report := s.get(page, token).body
	for _, says := range []string{
		"What it would do", "6 letters", "<strong>5</strong>", "5 from ingestion", "unproven", "nobody can say for sure whose they are",
		"it &lt;broke&gt;", "the disk is larger", "OPS-7", "50 events per second at most, 2 first", "2.1\u202fs", ">Begin<", ">Cancel<",
	} {
		require.Contains(t, report, says)
	}
	act := func(name, why string) string {
		a := s.post(page+"/"+name, token, url.Values{"why": {why}}, here...)
		require.Equal(t, http.StatusSeeOther, a.status, a.body)
		require.Equal(t, page, a.header.Get("Location"))
		return s.get(page, token).body
	}
	running := act("begin", "")
	require.Contains(t, running, "running")
	require.Contains(t, running, "<details", "what was planned is out of the way")
	require.Contains(t, running, ">Pause<")
	require.Contains(t, act("pause", "lunch"), ">Resume<")
	require.Contains(t, act("resume", "after lunch"), ">Stop<")
	stopped := act("cancel", "it was a mistake")
	require.Contains(t, stopped, "cancelled")
	require.NotContains(t, stopped, `id="acts"`)
	require.Contains(t, act("pause", "too late"), "cancelled", "what cannot be done leads back to what there is")

	entries, err := s.db.Tenant(s.one).AuditLog(t.Context(), store.AuditFilter{})
	require.NoError(t, err)
	var told []string
	for _, entry := range entries {
		if strings.HasPrefix(string(entry.Action), "run.") {
			told = append(told, entry.Actor+" "+string(entry.Action)+" "+entry.Why)
		}
	}
	require.ElementsMatch(t, []string{
		"test run.plan the disk is larger", "test run.start as planned", "test run.pause lunch", "test run.resume after lunch",
		"test run.cancel it was a mistake",
	}, told)
}

func TestWhatIsWrongWithAPlanIsSaidBesideItsField(t *testing.T) {
	t.Parallel()
	s := newSite(t, withDesk)
	group := s.bury(s.one, 2)
	token, form := s.operatorOf(s.one), "/tenants/"+s.one.String()+"/dead-letters/plan"
	for name, wrong := range map[string]struct{ field, value, says string }{
		"no reason":          {"why", " ", "Say what was mended"},
		"a long reason":      {"why", strings.Repeat("x", 1001), "longer than 1000"},
		"a long ticket":      {"ticket", strings.Repeat("x", 256), "longer than 255"},
		"half a letter":      {"canary", "1.5", "whole number of letters"},
		"a word":             {"rate", "fast", "number of events per second"},
		"no number":          {"rate", "NaN", "number of events per second"},
		"nothing per second": {"rate", "0", "number of events per second"},
		"more than all":      {"stop_above", "101", "from 0 to 100 per cent"},
		"a canary for what":  {"stop_above", "", "when those that go first have failed"},
		"no stage of these":  {"from_stage", "ingestion", "quality, embedding or indexing"},
	} {
		put := planOf(group)
		put.Set(wrong.field, wrong.value)
		if wrong.field == "from_stage" { // the form of a group that died outside has no such field
			put.Del("fingerprint")
		}
		a := s.post(form, token, put, here...)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, name)
		require.Contains(t, a.body, wrong.says, name)
		require.Contains(t, a.body, `aria-invalid="true"`, name)
		if wrong.field != "ticket" {
			require.Contains(t, a.body, `value="OPS-7"`, "%s: the rest stays as it was typed", name)
		}
	}
	put := planOf(group)
	put.Set("record_key", "none")
	a := s.post(form, token, put, here...)
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "No letter is eligible")
	put = planOf(group)
	put.Set("record_key", "K2")
	a = s.post(form, token, put, here...)
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "unproven")
	for _, query := range []string{"?since=yesterday", "?reason=" + strings.Repeat("x", 300)} {
		require.Equal(t, http.StatusUnprocessableEntity, s.get(form+query, token).status)
	}
	require.Equal(t, http.StatusNotFound, s.get(form+"?fingerprint=0123456789abcdef", token).status)
	runs, err := s.db.Tenant(s.one).Runs(t.Context(), store.RunFilter{}, 10, store.RunCursor{})
	require.NoError(t, err)
	require.Empty(t, runs, "nothing was planned")
}

func TestAPlanOverAllTenantsIsOnePage(t *testing.T) {
	t.Parallel()
	s := newSite(t, withDesk)
	group := s.bury(s.one, 3)
	s.bury(s.other, 4)
	token := s.platformOperator()
	require.Contains(t, s.get("/dead-letters/groups/"+group, token).body, `href="/dead-letters/plan?fingerprint=`+group+`"`)
	planned := s.post("/dead-letters/plan", token, planOf(group), here...)
	require.Equal(t, http.StatusSeeOther, planned.status, planned.body)
	page := planned.header.Get("Location")
	require.True(t, strings.HasPrefix(page, "/runs/replay-"), page)
	shown := s.get(page, token).body
	for _, says := range []string{"over 2 tenants", "9 letters", "<strong>7</strong>", "7 from ingestion", "unproven", ">Begin<", s.one.String(), s.other.String()} {
		require.Contains(t, shown, says)
	}
	a := s.post(page+"/begin", token, nil, here...)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Contains(t, s.get(page, token).body, ">Pause<")
	s.post(page+"/cancel", token, url.Values{"why": {"enough"}}, here...)
	for _, tenant := range []uuid.UUID{s.one, s.other} {
		run, err := s.db.Tenant(tenant).Run(t.Context(), strings.TrimPrefix(page, "/runs/"))
		require.NoError(t, err)
		require.Equal(t, store.RunCancelled, run.State)
	}
	own := s.get(page, s.operatorOf(s.one))
	require.Equal(t, "/tenants/"+s.one.String()+page, own.header.Get("Location"), "a tenant's operator sees the tenant's part")
	require.NotContains(t, s.get(own.header.Get("Location"), s.operatorOf(s.one)).body, s.other.String())
	require.Equal(t, http.StatusNotFound, s.get("/runs/none", token).status)
	require.Equal(t, http.StatusNotFound, s.post("/runs/none/begin", token, nil, here...).status)
}
