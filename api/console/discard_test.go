package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/replay"
)

func TestAGroupIsDiscardedAsThePageShowedIt(t *testing.T) {
	t.Parallel()
	s := newSite(t, withDesk, func(parts *console.Parts) { parts.Desk.(*replay.Desk).DiscardLimit = 4 })
	group := s.bury(s.one, 3) // and one more
	page := "/tenants/" + s.one.String() + "/dead-letters/groups/" + group
	token := s.operatorOf(s.one)
	until := regexp.MustCompile(`name="until" value="([^"]+)"`).FindStringSubmatch(s.get(page, token).body)
	require.NotNil(t, until)
	require.NotContains(t, s.get(page, s.readerOf(s.one)).body, `name="until"`)
	s.bury(s.one, 1) // two that nobody has seen
	s.bury(s.other, 5)

	post := func(token, why, until string) answer {
		return s.post(page+"/discard", token, url.Values{"why": {why}, "until": {until}}, here...)
	}
	require.Equal(t, http.StatusForbidden, post(s.readerOf(s.one), "x", until[1]).status)
	require.Equal(t, http.StatusNotFound, post(s.operatorOf(s.other), "x", until[1]).status)
	require.Contains(t, post(token, " ", until[1]).body, "Say why")
	require.Equal(t, http.StatusUnprocessableEntity, post(token, "x", "").status)
	require.Equal(t, page, post(token, "test data", until[1]).header.Get("Location"))
	many := s.post("/dead-letters/groups/"+group+"/discard", s.platformOperator(), url.Values{"why": {"x"}, "until": {"2999-01-01T00:00:00Z"}}, here...)
	require.Equal(t, http.StatusConflict, many.status)
	require.Contains(t, many.body, "second person")
	require.Contains(t, many.body, "--second-token")
	shown := s.get(page, token).body
	require.Contains(t, shown, "<strong>2</strong>", "those that came later")
	require.Contains(t, shown, "4 discarded")
	discarded, err := s.db.Tenant(s.one).DeadLetters(t.Context(), store.DeadLetterFilter{State: store.LetterDiscarded, Limit: 10})
	require.NoError(t, err)
	require.Len(t, discarded, 4)
	require.Equal(t, []string{"test", "test data"}, []string{discarded[0].Discard.By, discarded[0].Discard.Why})
	others, err := s.db.Tenant(s.other).DeadLetters(t.Context(), store.DeadLetterFilter{State: store.LetterOpen, Limit: 10})
	require.NoError(t, err)
	require.Len(t, others, 6)
}
