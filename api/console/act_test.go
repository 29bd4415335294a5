package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/store"
)

// posted are the addresses to which forms of a tenant's pages go.
func posted(tenant uuid.UUID, run string) []string {
	own := "/tenants/" + tenant.String()
	return []string{
		own + "/dead-letters/plan", own + "/runs/" + run + "/begin", own + "/runs/" + run + "/pause", own + "/runs/" + run + "/resume",
		own + "/runs/" + run + "/cancel",
	}
}

// planned is a site with a run of the one's that is planned.
func planned(t *testing.T) (s *site, run, group string) {
	t.Helper()
	s = newSite(t, withDesk)
	group = s.bury(s.one, 3)
	a := s.post("/tenants/"+s.one.String()+"/dead-letters/plan", s.operatorOf(s.one), planOf(group), here...)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	_, run, _ = strings.Cut(a.header.Get("Location"), "/runs/")
	return s, run, group
}

// untouched wants nothing to have happened since planned.
func (s *site) untouched(run string) {
	s.t.Helper()
	runs, err := s.db.Tenant(s.one).Runs(s.t.Context(), store.RunFilter{}, 10, store.RunCursor{})
	require.NoError(s.t, err)
	require.Len(s.t, runs, 1)
	require.Equal(s.t, []any{run, store.RunPlanned}, []any{runs[0].ID, runs[0].State})
}

// Invariant 4, for what pages do: another's run, or another's letters, look like ones that do not exist.
func TestInvariant4OnlyAnOperatorOfTheTenantActs(t *testing.T) {
	t.Parallel()
	s, run, group := planned(t)
	put := planOf(group)
	for _, path := range append(posted(s.one, run), "/dead-letters/plan", "/runs/"+run+"/cancel") {
		a := s.post(path, "", put, here...)
		require.Equal(t, http.StatusSeeOther, a.status, path)
		require.True(t, strings.HasPrefix(a.header.Get("Location"), "/sign-in?next="), a.header.Get("Location"))
		next, _ := url.QueryUnescape(strings.TrimPrefix(a.header.Get("Location"), "/sign-in?next="))
		require.True(t, strings.HasPrefix(path, next+"/"), "who has signed in comes to the page that the form is on or below, not to the form's address")
		for _, reader := range []string{s.readerOf(s.one), s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Reader}})} {
			a = s.post(path, reader, put, here...)
			require.Equal(t, http.StatusForbidden, a.status, path)
			require.Contains(t, a.body, "look, but not act")
		}
	}
	for i, path := range posted(s.one, run) {
		foreign, none := s.post(path, s.operatorOf(s.other), put, here...), s.post(posted(uuid.New(), run)[i], s.operatorOf(s.other), put, here...)
		require.Equal(t, http.StatusNotFound, foreign.status, path)
		require.Equal(t, none.body, foreign.body, path)
	}
	for _, path := range posted(s.other, run)[1:] {
		require.Equal(t, http.StatusNotFound, s.post(path, s.operatorOf(s.other), put, here...).status, "its own page by another's run")
	}
	own := s.post(posted(s.other, run)[0], s.operatorOf(s.other), put, here...)
	require.NotEqual(t, http.StatusSeeOther, own.status, "its own letters by another's group")
	for _, path := range []string{"/dead-letters/plan", "/runs/" + run + "/cancel"} {
		require.Equal(t, http.StatusForbidden, s.post(path, s.operatorOf(s.one), put, here...).status, "what is about all tenants")
	}
	require.Equal(t, http.StatusNotFound, s.post(posted(s.one, run)[1]+"x", s.operatorOf(s.one), put, here...).status, "no such act")
	s.untouched(run)
}

func TestFormsOfOtherSitesPlanAndStopNothing(t *testing.T) {
	t.Parallel()
	s, run, group := planned(t)
	for _, path := range append(posted(s.one, run), "/dead-letters/plan", "/runs/"+run+"/begin") {
		for _, header := range [][]string{
			{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}, nil,
		} {
			a := s.post(path, s.platformOperator(), planOf(group), header...)
			require.Equal(t, http.StatusForbidden, a.status, "%s %v", path, header)
			require.Contains(t, a.body, "sent by another site")
		}
	}
	s.untouched(run)
	require.Equal(t, http.StatusSeeOther, s.post(posted(s.one, run)[1], s.operatorOf(s.one), nil, "Origin", s.server.URL).status, "an older browser says where the form is from")
}

func TestReadersSeeNothingToPress(t *testing.T) {
	t.Parallel()
	s, run, group := planned(t)
	own := "/tenants/" + s.one.String()
	for _, path := range []string{own + "/dead-letters", own + "/dead-letters/groups/" + group, own + "/runs/" + run} {
		a := s.get(path, s.readerOf(s.one))
		require.Equal(t, http.StatusOK, a.status)
		require.NotContains(t, a.body, `class="button`, path)
		require.NotContains(t, a.body, `id="acts"`, path)
	}
	require.Equal(t, http.StatusForbidden, s.get(own+"/dead-letters/plan", s.readerOf(s.one)).status)
	a := s.get("/runs/"+run, s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Reader}}))
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.body, `id="acts"`)
}

func TestToStopARunOneSaysWhy(t *testing.T) {
	t.Parallel()
	s, run, _ := planned(t)
	for _, why := range []string{"", " ", strings.Repeat("x", 1001)} {
		a := s.post(posted(s.one, run)[4], s.operatorOf(s.one), url.Values{"why": {why}}, here...)
		require.Equal(t, http.StatusUnprocessableEntity, a.status)
		require.Contains(t, a.body, "Say why")
	}
	s.untouched(run)
}

func TestFormsAreListed(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"/dead-letters/groups/{fingerprint}/discard", "/dead-letters/plan", "/runs/{run}/{act}",
		"/tenants/{tenant}/dead-letters/groups/{fingerprint}/discard", "/tenants/{tenant}/dead-letters/plan", "/tenants/{tenant}/runs/{run}/{act}",
	}, console.Forms())
}
