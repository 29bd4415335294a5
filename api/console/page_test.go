package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
)

var foreign = regexp.MustCompile(`(?i)(?:src|href|action)="(?:https?:)?//|<style|\sstyle=|\son[a-z]+=|<script>|javascript:`)

func TestPagesLoadNothingFromElsewhereAndRunNothingInline(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.accept(s.one, "evt-1", "K1")
	platform := s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Operator}})
	for _, path := range append(s.paths(s.one, "evt-1", "K1"), "/", "/sign-in", "/no/such/page") {
		a := s.get(path, platform)
		if a.status == http.StatusSeeOther {
			continue
		}
		require.Empty(t, foreign.FindString(a.body), path)
		policy := a.header.Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'")
		require.Contains(t, policy, "frame-ancestors 'none'")
		require.NotContains(t, policy, "unsafe")
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
		require.Contains(t, a.header.Get("Content-Type"), "text/html")
		for _, asset := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(a.body, -1) {
			require.Equal(t, http.StatusOK, s.get(asset[1], "").status, asset[1])
		}
	}
}

func TestErrorsAreToldInWords(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/no/such/page", "/tenants/x", "/tenants/" + uuid.NewString(), "/assets/no.css", "/tenants/" + s.one.String() + "/records/castle/K1"} {
		a := s.get(path, s.readerOf(s.one))
		require.Equal(t, http.StatusNotFound, a.status, path)
		require.Contains(t, a.body, "There is no such page")
	}
	a := s.get("/no/such/page", "", "Accept", "application/json")
	require.Contains(t, a.header.Get("Content-Type"), "application/problem+json", "programs get what they understand")
}

func TestAPageIsSentAgainOnlyWhenItChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token, path := s.readerOf(s.one), "/tenants/"+s.one.String()
	first := s.get(path, token)
	tag := first.header.Get("ETag")
	require.NotEmpty(t, tag)
	again := s.get(path, token, "If-None-Match", tag)
	require.Equal(t, http.StatusNotModified, again.status, "only the time has gone on")
	require.Empty(t, again.body)
	s.accept(s.one, "evt-1", "K1")
	changed := s.get(path, token, "If-None-Match", tag)
	require.Equal(t, http.StatusOK, changed.status)
	require.NotEqual(t, tag, changed.header.Get("ETag"))

	style := s.get("/assets/console.css", "")
	require.Equal(t, http.StatusNotModified, s.get("/assets/console.css", "", "If-None-Match", style.header.Get("ETag")).status)
}

func TestFindLeadsToTheOnlyOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	event := s.accept(s.one, "evt-1", "K/1 ü")
	s.accept(s.one, "same", "same")
	token, own := s.readerOf(s.one), "/tenants/"+s.one.String()
	require.Equal(t, own+"/events/"+event.String(), s.get(own+"/find?q=evt-1", token).header.Get("Location"))
	require.Equal(t, own+"/events/"+event.String(), s.get(own+"/find?q=+"+event.String()+"+", token).header.Get("Location"))
	record := s.get(own+"/find?q=K%2F1+%C3%BC", token).header.Get("Location")
	require.Equal(t, own+"/records/property/K%2F1%20%C3%BC", record)
	require.Contains(t, s.get(record, token).body, "K/1 ü")
	require.Contains(t, s.get(own+"/find?q=same", token).body, "Which one?")
	require.Contains(t, s.get(own+"/find?q=%3Cb%3Enone", token).body, "&lt;b&gt;none")
	require.Equal(t, own, s.get(own+"/find?q=", token).header.Get("Location"))
}

func TestTheOverviewIsNarrowedByStateAndName(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Reader}})
	row := `href="/tenants/` + s.one.String() + `"`
	name := regexp.MustCompile(regexp.QuoteMeta(row) + `>([^<]+)<`).FindStringSubmatch(s.get("/", token).body)
	require.NotNil(t, name)
	require.Contains(t, s.get("/?name="+url.QueryEscape(strings.ToUpper(name[1][:len(name[1])-1])), token).body, row)
	require.NotContains(t, s.get("/?name=nobody", token).body, row)
	require.Contains(t, s.get("/?state=unknown", token).body, row)
	require.NotContains(t, s.get("/?state=critical", token).body, row)
	require.Contains(t, s.get("/?state=x&page=-3", token).body, row, "what is no state narrows nothing")
	require.Equal(t, http.StatusOK, s.get("/?page=99999999999999999999", token).status)
	require.Equal(t, "/tenants/"+s.one.String(), s.get("/?name="+s.one.String(), token).header.Get("Location"))
}
