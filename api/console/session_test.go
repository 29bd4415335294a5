package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
)

// paths are those of every page of a tenant, with what it has.
func (s *site) paths(tenant uuid.UUID, event, key string) []string {
	own := "/tenants/" + tenant.String()
	return []string{
		own, own + "/runs", own + "/runs/run-" + event, own + "/events/" + event, own + "/records/property/" + key, own + "/find?q=" + event,
		own + "/dead-letters", own + "/dead-letters/" + uuid.NewString(),
	}
}

func TestNobodySeesAPageWithoutASession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.accept(s.one, "evt-1", "K1")
	for _, path := range append(s.paths(s.one, "evt-1", "K1"), "/", "/tenants/"+uuid.NewString()) {
		a := s.get(path, "")
		require.Equal(t, http.StatusSeeOther, a.status, path)
		want := "/sign-in?next=" + url.QueryEscape(path)
		if path == "/" {
			want = "/sign-in"
		}
		require.Equal(t, want, a.header.Get("Location"))

		a = s.get(path, "made.up.token")
		require.Equal(t, http.StatusSeeOther, a.status, path)
		require.Contains(t, a.header.Get("Location"), "why=ended")
		require.Contains(t, a.header.Get("Set-Cookie"), "Max-Age=0", "what is not believed is forgotten")
	}
	a := s.get("/tenants/"+s.one.String(), "", "Authorization", "Bearer "+s.readerOf(s.one))
	require.Equal(t, http.StatusSeeOther, a.status, "a session is the cookie")
	a = s.get("/tenants/"+s.one.String(), "", "Sec-Fetch-Site", "cross-site")
	require.Equal(t, http.StatusOK, a.status, "a link of another site comes without the cookie: a page of ours leads on")
	require.Contains(t, a.body, `http-equiv="refresh"`)
}

func TestTheSessionIsNoKeyToTheAPI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.get("/v1/freshness", s.readerOf(s.one))
	require.Equal(t, http.StatusUnauthorized, a.status)
}

func TestSigningInAndOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.readerOf(s.one)
	page := "/tenants/" + s.one.String()
	a := s.post("/sign-in", "", url.Values{"token": {" Bearer " + token + "\n"}, "next": {page}}, "Sec-Fetch-Site", "same-origin")
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Equal(t, page, a.header.Get("Location"))
	cookie := a.header.Get("Set-Cookie")
	require.Equal(t, "reos_console="+token+"; Path=/; HttpOnly; SameSite=Strict", cookie)
	require.Equal(t, http.StatusOK, s.get(page, token).status)

	a = s.post("/sign-in", "", url.Values{"token": {token}}, "X-Forwarded-Proto", "https")
	require.Contains(t, a.header.Get("Set-Cookie"), "; Secure")
	require.Equal(t, "/", a.header.Get("Location"))

	a = s.post("/sign-out", token, nil)
	require.Equal(t, http.StatusSeeOther, a.status)
	require.Contains(t, a.header.Get("Set-Cookie"), "Max-Age=0")
}

func TestATokenThatIsNotGoodEnoughIsToldWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, one := range []struct {
		token  string
		status int
		says   string
	}{
		{"", http.StatusUnprocessableEntity, "Paste a token"},
		{"words", http.StatusUnauthorized, "not a JSON Web Token"},
		{strings.Repeat("x", 5000), http.StatusUnprocessableEntity, "too long"},
		{s.token(auth.Principal{Tenant: s.one, Roles: []auth.Role{auth.Publisher}}), http.StatusForbidden, "the role reader or operator"},
		{s.readerOf(uuid.New()), http.StatusForbidden, "a tenant that there is not"},
	} {
		a := s.post("/sign-in", "", url.Values{"token": {one.token}, "next": {"/tenants/x"}})
		require.Equal(t, one.status, a.status)
		require.Contains(t, a.body, one.says)
		require.Contains(t, a.body, `value="/tenants/x"`, "the way is not forgotten")
		require.Empty(t, a.header.Get("Set-Cookie"))
		if one.token != "" {
			require.NotContains(t, a.body, one.token)
		}
	}
	a := s.get("/", s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Admin}}))
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, "role reader or operator")
}

func TestFormsOfOtherSitesDoNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.readerOf(s.one)
	for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
		for _, path := range []string{"/sign-in", "/sign-out"} {
			a := s.post(path, token, url.Values{"token": {token}}, header...)
			require.Equal(t, http.StatusForbidden, a.status)
			require.Contains(t, a.body, "sent by another site")
			require.Empty(t, a.header.Get("Set-Cookie"))
		}
	}
}

// Invariant 4, for pages: another's tenant looks like one that does not exist.
func TestInvariant4ASessionSeesItsOwnTenant(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	event := s.accept(s.one, "evt-1", "K1")
	own, stranger := s.readerOf(s.one), s.readerOf(s.other)
	nobody := s.paths(uuid.New(), "evt-1", "K1")
	for i, path := range s.paths(s.one, "evt-1", "K1") {
		theirs, none := s.get(path, stranger), s.get(nobody[i], stranger)
		require.Equal(t, http.StatusNotFound, theirs.status, path)
		require.Equal(t, none.body, theirs.body, path)
		require.NotContains(t, theirs.body, "K1")
	}
	for _, path := range s.paths(s.other, "evt-1", "K1")[2:6] {
		a := s.get(path, stranger)
		require.NotEqual(t, http.StatusSeeOther, a.status, path)
		require.NotContains(t, a.body, event.String(), "what is the one's is not found at the other's: %s", path)
	}
	for _, token := range []string{own, s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Operator}})} {
		for _, path := range s.paths(s.one, "evt-1", "K1")[:5] {
			require.Equal(t, http.StatusOK, s.get(path, token).status, path)
		}
	}
	require.Equal(t, "/tenants/"+s.one.String(), s.get("/", own).header.Get("Location"), "a tenant's overview is its own page")
	all := s.get("/", s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Reader}}))
	require.Contains(t, all.body, s.one.String())
	require.Contains(t, all.body, s.other.String())
}
