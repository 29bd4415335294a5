package api_test

import (
	"context"
	"encoding/json"
	"fmt"
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
)

// keptLetters is Postgres with some letters, of one tenant or of all.
type keptLetters struct {
	letters []store.DeadLetter
	groups  []store.LetterGroup
	asked   store.DeadLetterFilter
}

func (k *keptLetters) DeadLetters(_ context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	k.asked = filter
	start := 0
	for i, l := range k.letters {
		if l.ID == filter.After.ID {
			start = i + 1
		}
	}
	return k.letters[start:min(len(k.letters), start+filter.Limit)], nil
}

func (k *keptLetters) DeadLetter(_ context.Context, id uuid.UUID) (store.DeadLetter, error) {
	for _, l := range k.letters {
		if l.ID == id {
			return l, nil
		}
	}
	return store.DeadLetter{}, store.ErrNotFound
}

func (k *keptLetters) LetterGroups(_ context.Context, filter store.LetterGroupFilter) ([]store.LetterGroup, error) {
	return k.groups[:min(len(k.groups), filter.Limit)], nil
}

func (k *keptLetters) LetterGroup(_ context.Context, fingerprint string) (store.LetterGroupDetail, error) {
	for _, g := range k.groups {
		if g.Fingerprint == fingerprint {
			return store.LetterGroupDetail{LetterGroup: g}, nil
		}
	}
	return store.LetterGroupDetail{}, store.ErrNotFound
}

// orders is a desk that notes what it is asked for.
type orders struct {
	discard store.DiscardOrder
	replay  store.ReplayOrder
	begun   string
	err     error
}

func (o *orders) Discard(_ context.Context, order store.DiscardOrder) (store.DiscardReport, error) {
	o.discard = order
	return store.DiscardReport{Letters: 7, ByTenant: []store.TenantShare{}}, o.err
}

func (o *orders) Plan(_ context.Context, order store.ReplayOrder) (store.ReplayReport, error) {
	o.replay = order
	return store.ReplayReport{RunID: "plan-1", Letters: 3, LeftOut: []store.LeftOut{{Why: "overtaken", Letters: 3}}}, o.err
}

func (o *orders) CheckEdit(patch json.RawMessage) error {
	if string(patch) != "[]" {
		return nil
	}
	return fmt.Errorf("must do something")
}

func (o *orders) Begin(_ context.Context, tenant *uuid.UUID, plan string, _ store.Act) (store.Run, error) {
	o.begun = fmt.Sprint(tenant != nil, " ", plan)
	return store.Run{ID: plan, Kind: store.ReplayRun, State: store.RunRunning}, o.err
}

func jsonOf(format, more string) json.RawMessage { return json.RawMessage(fmt.Sprintf(format, more)) }

func aLetter(name string) store.DeadLetter {
	return store.DeadLetter{
		ID: uuid.NewSHA1(uuid.Nil, []byte(name)), Tenant: uuid.NewSHA1(uuid.Nil, []byte("t")), Reason: events.DataNotJSON, Kind: store.BadData,
		State: store.LetterOpen, Fingerprint: "0123456789abcdef", Error: "it broke", Headers: map[string]string{"h": "v"},
		Payload: []byte(`{"City":"` + name + `"}`), FailedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// desk serves an API whose tenants and platform have letters of their own.
func desk(t *testing.T) (s *service, of map[uuid.UUID]*keptLetters, all *keptLetters, o *orders) {
	of, all, o = map[uuid.UUID]*keptLetters{}, &keptLetters{letters: []store.DeadLetter{aLetter("everybody's")}}, &orders{}
	s = serve(t, func(_ *api.Config, p *api.Parts) {
		p.DeadLetters = func(tenant uuid.UUID) api.DeadLetters {
			if of[tenant] == nil {
				of[tenant] = &keptLetters{}
			}
			return of[tenant]
		}
		p.DeadLettersOfAll, p.Desk = all, o
	})
	return s, of, all, o
}

type lettersAnswer struct {
	Items []api.DeadLetterView
	Next  string
}

func TestDeadLettersAreShownToThoseWhoMay(t *testing.T) {
	s, of, _, _ := desk(t)
	mine, other := s.tenant(), s.tenant()
	of[mine] = &keptLetters{letters: []store.DeadLetter{aLetter("a"), aLetter("b"), aLetter("c")}}
	var page lettersAnswer
	reader, operator := s.as(mine, auth.Reader), s.as(mine, auth.Operator)
	reader.get("/v1/dead-letters?limit=2&state=open&kind=bad_data").ok(&page)
	require.Len(t, page.Items, 2)
	require.Equal(t, store.BadData, of[mine].asked.Kind)
	cursor := page.Next
	page = lettersAnswer{}
	reader.get("/v1/dead-letters?limit=2&cursor=" + cursor).ok(&page)
	require.Len(t, page.Items, 1)
	require.Empty(t, page.Next)
	page = lettersAnswer{}
	operator.get("/v1/dead-letters?payload=City%3Db").ok(&page)
	require.Equal(t, aLetter("b").ID, page.Items[0].ID)
	require.Nil(t, page.Items[0].Payload)
	reader.get("/v1/dead-letters?payload=City%3Db").problem(http.StatusForbidden, api.ProblemForbidden)
	reader.get("/v1/dead-letters?fingerprint=x").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)

	var one api.DeadLetterView
	path := "/v1/dead-letters/" + aLetter("a").ID.String()
	operator.get(path).ok(&one)
	require.Equal(t, `{"City":"a"}`, *one.Payload)
	require.Equal(t, map[string]string{"h": "v"}, one.Headers)
	one = api.DeadLetterView{}
	reader.get(path).ok(&one)
	require.Nil(t, one.Payload)
	require.Nil(t, one.Headers)
	s.as(other, auth.Operator).get(path).problem(http.StatusNotFound, api.ProblemNotFound)
	s.as(mine, auth.Publisher).get(path).problem(http.StatusForbidden, api.ProblemForbidden)

	page = lettersAnswer{}
	s.platform(auth.Operator).get("/v1/dead-letters").ok(&page)
	require.Equal(t, aLetter("everybody's").ID, page.Items[0].ID)
	page = lettersAnswer{}
	s.platform(auth.Operator).get("/v1/dead-letters?tenant=" + mine.String()).ok(&page)
	require.Len(t, page.Items, 3)

	reader.get("/v1/dead-letters/export").problem(http.StatusForbidden, api.ProblemForbidden)
	exported := operator.get("/v1/dead-letters/export")
	require.Equal(t, http.StatusOK, exported.status)
	require.Equal(t, 3, strings.Count(string(exported.body), "\n"))
	require.Contains(t, string(exported.body), `{\"City\":\"c\"}`)
}

func TestGroupsOfDeadLetters(t *testing.T) {
	s, of, _, _ := desk(t)
	mine := s.tenant()
	of[mine] = &keptLetters{groups: []store.LetterGroup{{Fingerprint: "0123456789abcdef", Open: 2}, {Fingerprint: "1123456789abcdef", Open: 1}}}
	var page struct {
		Items []store.LetterGroup
		Next  string
	}
	s.as(mine, auth.Reader).get("/v1/dead-letter-groups?limit=1").ok(&page)
	require.Len(t, page.Items, 1)
	require.NotEmpty(t, page.Next)
	var detail store.LetterGroupDetail
	s.as(mine, auth.Reader).get("/v1/dead-letter-groups/1123456789abcdef").ok(&detail)
	require.EqualValues(t, 1, detail.Open)
	s.as(mine, auth.Reader).get("/v1/dead-letter-groups/2123456789abcdef").problem(http.StatusNotFound, api.ProblemNotFound)
}

func TestTheDeskTakesOrdersFromOperators(t *testing.T) {
	s, _, _, o := desk(t)
	mine, other := s.tenant(), s.tenant()
	operator := s.as(mine, auth.Operator)
	discard := `{"letters":{"overtaken":true},"why":"newer ones"%s}`
	var report store.DiscardReport
	operator.post("/v1/dead-letters/discard", jsonOf(discard, "")).ok(&report)
	require.Equal(t, mine, *o.discard.Meant.Tenant)
	require.Equal(t, store.LetterOpen, o.discard.Meant.State)
	require.Equal(t, store.Act{By: "test", Why: "newer ones"}, o.discard.Act)
	s.as(mine, auth.Reader).post("/v1/dead-letters/discard", jsonOf(discard, "")).problem(http.StatusForbidden, api.ProblemForbidden)
	s.platform(auth.Operator).post("/v1/dead-letters/discard", jsonOf(discard, "")).ok(&report)
	require.Nil(t, o.discard.Meant.Tenant, "everybody's")

	token := func(who auth.Principal) string {
		minted, err := auth.Mint(s.tokens, who, time.Now(), time.Hour)
		require.NoError(t, err)
		return fmt.Sprintf(`,"second_token":%q`, minted)
	}
	bob := auth.Principal{Subject: "bob", Tenant: mine, Roles: []auth.Role{auth.Operator}}
	operator.post("/v1/dead-letters/discard", jsonOf(discard, token(bob))).ok(&report)
	require.Equal(t, "bob", o.discard.Second)
	for name, second := range map[string]auth.Principal{
		"the same person":   {Subject: "test", Tenant: mine, Roles: bob.Roles},
		"another role":      {Subject: "bob", Tenant: mine, Roles: []auth.Role{auth.Reader}},
		"of another tenant": {Subject: "bob", Tenant: other, Roles: bob.Roles},
	} {
		answer := operator.post("/v1/dead-letters/discard", jsonOf(discard, token(second)))
		require.Contains(t, []int{http.StatusForbidden, http.StatusUnprocessableEntity}, answer.status, name)
	}
	s.platform(auth.Operator).post("/v1/dead-letters/discard", jsonOf(discard, token(bob))).problem(http.StatusForbidden, api.ProblemForbidden)
	o.err = store.ErrSecondNeeded
	operator.post("/v1/dead-letters/discard", jsonOf(discard, "")).problem(http.StatusConflict, api.ProblemConflict)
	o.err = nil

	plan := `{"letters":{"reason":"stage_error"},"why":"mended","rate":50,"canary":5,"stop_above":0.1%s}`
	var planned store.ReplayReport
	operator.post("/v1/replay-plans", jsonOf(plan, `,"edit":[{"op":"remove","path":"/x"}]`)).ok(&planned)
	require.Equal(t, "plan-1", planned.RunID)
	require.Equal(t, []any{mine, events.StageError, 50.0, int64(5), 0.1}, []any{
		*o.replay.Meant.Tenant, o.replay.Meant.Reason, o.replay.Rate, o.replay.Canary, o.replay.StopAbove,
	})
	require.JSONEq(t, `[{"op":"remove","path":"/x"}]`, string(o.replay.Edit))
	operator.post("/v1/replay-plans", jsonOf(plan, `,"edit":[]`)).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	operator.post("/v1/replay-plans", json.RawMessage(`{"letters":{},"why":"x","canary":5}`)).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	operator.post("/v1/replay-plans", json.RawMessage(`{"letters":{}}`)).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	o.err = store.ErrNotFound
	operator.post("/v1/replay-plans", jsonOf(plan, "")).problem(http.StatusConflict, api.ProblemConflict)
	operator.post("/v1/replay-plans/plan-1/run", json.RawMessage(`{"why":"go"}`)).problem(http.StatusNotFound, api.ProblemNotFound)
	o.err = nil
	var run api.RunView
	operator.post("/v1/replay-plans/plan-1/run", json.RawMessage(`{"why":"go"}`)).ok(&run)
	require.Equal(t, "true plan-1", o.begun)
}
