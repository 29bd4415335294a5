package console_test

import (
	"fmt"
	"html"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// feeds publishes n feeds of a tenant, one after another.
func (s *site) feeds(tenant uuid.UUID, name string, n int) {
	s.t.Helper()
	for i := range n {
		run := store.Run{ID: fmt.Sprintf("%s-%02d", name, i), Kind: store.FeedRun, By: "ann", Source: "homes of " + name, Lane: store.LiveEntry}
		began, err := s.db.Tenant(tenant).StartRun(s.t.Context(), run)
		require.NoError(s.t, err)
		run.StartedAt, run.State = began, store.RunPublished
		require.NoError(s.t, s.db.Tenant(tenant).SaveRun(s.t.Context(), run))
	}
}

var (
	keyOfRow = regexp.MustCompile(`<tr data-key="([^"]+)"`)
	nextPage = regexp.MustCompile(`<a href="([^"]+)" rel="next">`)
)

// pages reads a list of runs from its first page to its last.
func (s *site) pages(path, token string) (keys []string, pages int) {
	s.t.Helper()
	for path != "" {
		page := s.get(path, token)
		require.Equal(s.t, http.StatusOK, page.status, page.body)
		pages++
		for _, found := range keyOfRow.FindAllStringSubmatch(page.body, -1) {
			keys = append(keys, found[1])
		}
		path = ""
		if next := nextPage.FindStringSubmatch(page.body); next != nil {
			path = html.UnescapeString(next[1])
		}
	}
	return keys, pages
}

func TestRunsOfAllTenantsAreListedOnceEach(t *testing.T) {
	t.Parallel()
	s := newSite(t, withDesk)
	canary := store.NewCanary(store.CanaryProbe)
	canary.Lane = "a"
	require.NoError(t, s.db.Platform().CreateTenant(t.Context(), canary, store.Act{By: "test", Why: "test"}))
	s.feeds(canary.ID, "canary", 1)
	s.feeds(s.one, "spring", 20)
	s.feeds(s.other, "spring", 20)
	group := s.bury(s.one, 3)
	s.bury(s.other, 2)
	ops := s.platformOperator()
	planned := s.post("/dead-letters/plan", ops, planOf(group), here...)
	require.Equal(t, http.StatusSeeOther, planned.status, planned.body)
	replay := strings.TrimPrefix(planned.header.Get("Location"), "/runs/")

	keys, pages := s.pages("/runs", ops)
	require.Equal(t, 2, pages)
	require.Len(t, keys, 41, "each once: a replay over two tenants is one, feeds of the same id are two, and canaries are nobody's")
	require.Equal(t, replay, keys[0], "newest first")
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(keys))), 41)
	for _, key := range keys[1:21] {
		require.Contains(t, key, s.other.String())
	}

	first := s.get("/runs", ops).body
	require.Contains(t, first, `<a class="id" href="/runs/`+replay+`">`)
	for _, says := range []string{"2 tenants", "the disk is larger", "(OPS-7)", "planned", "homes of spring", "data-live", `href="/tenants/` + s.other.String() + `"`} {
		require.Contains(t, first, says)
	}
	for query, want := range map[string]int{
		"kind=replay": 1, "kind=feed": 40, "kind=rerun": 0, "state=planned": 1, "state=running": 0, "state=published": 40,
		"kind=feed&state=planned": 0, "kind=replay&state=planned": 1, "kind=nonsense&state=%27": 41,
	} {
		keys, _ := s.pages("/runs?"+query, ops)
		require.Len(t, keys, want, query)
	}
	require.Contains(t, s.get("/runs?kind=rerun", ops).body, "No run is like that")

	begun := s.post("/runs/"+replay+"/begin", ops, nil, here...)
	require.Equal(t, http.StatusSeeOther, begun.status, begun.body)
	keys, _ = s.pages("/runs?state=running", ops)
	require.Equal(t, []string{replay}, keys)
}

func TestInvariant4ATenantsListHasItsOwnRunsOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.feeds(s.one, "ours", 30)
	s.feeds(s.other, "theirs", 3)
	own := "/tenants/" + s.one.String() + "/runs"
	keys, pages := s.pages(own+"?kind=feed&state=published", s.readerOf(s.one))
	require.Equal(t, 2, pages, "what was chosen is kept from page to page")
	require.Len(t, keys, 30)
	for _, key := range keys {
		require.Contains(t, key, s.one.String())
	}
	require.NotContains(t, s.get(own, s.readerOf(s.one)).body, "theirs")
	sent := s.get("/runs", s.readerOf(s.one))
	require.Equal(t, http.StatusSeeOther, sent.status)
	require.Equal(t, own, sent.header.Get("Location"), "theirs is their own tenant's page")
	require.Equal(t, http.StatusForbidden, s.get("/runs", s.token(auth.Principal{Platform: true, Roles: []auth.Role{auth.Publisher}})).status)
}
