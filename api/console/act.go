package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// runActs are what operators do to a tenant's runs with items. store.ErrNotFound: there is no such run; store.ErrConflict:
// it is not in a state in which that may be done. What is there already is no error.
type runActs interface {
	BeginRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	PauseRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	ResumeRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	CancelRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
}

// changes are the acts by their names in addresses.
var changes = map[string]func(runActs, context.Context, string, store.Act) (store.Run, bool, error){
	"begin": runActs.BeginRun, "pause": runActs.PauseRun, "resume": runActs.ResumeRun, "cancel": runActs.CancelRun,
}

// deeds answer for the forms that change something, by pattern.
var deeds = map[string]func(*Console, context.Context, api.Visitor, *http.Request) (shown, error){
	"/tenants/{tenant}/dead-letters/plan":                         (*Console).plan,
	"/dead-letters/plan":                                          (*Console).plan,
	"/tenants/{tenant}/dead-letters/groups/{fingerprint}/discard": (*Console).discard,
	"/dead-letters/groups/{fingerprint}/discard":                  (*Console).discard,
	"/tenants/{tenant}/runs/{run}/{act}":                          (*Console).changeRun,
	"/runs/{run}/{act}":                                           (*Console).changeRun,
}

// Forms lists the patterns to which forms are posted that change something of tenants, as net/http understands them.
func Forms() []string {
	var patterns []string
	for pattern := range deeds {
		patterns = append(patterns, pattern)
	}
	slices.Sort(patterns)
	return patterns
}

// mayAct says whether a visitor may change something of what the page is about.
func mayAct(who api.Visitor) bool { return who.Has(auth.Operator) }

// The refusals of forms.
const (
	mayNotAct  api.Problem = "may-not-act"
	whyMissing api.Problem = "why-missing"
)

// deed answers a form: one of ours, sent by somebody who may act.
func (c *Console) deed(do func(*Console, context.Context, api.Visitor, *http.Request) (shown, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !c.fromHere(w, r) {
			return
		}
		if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" { // every browser says one of them with a form
			c.refuse(w, r, &api.Refusal{Status: http.StatusForbidden, Problem: crossOrigin})
			return
		}
		sent := *r // whoever waits for the answer looks at the request itself
		sent.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		if err := sent.ParseForm(); err != nil {
			c.refuse(w, r, &api.Refusal{Status: http.StatusBadRequest, Problem: api.ProblemInvalid})
			return
		}
		c.answer(w, r, func(ctx context.Context, who api.Visitor) (shown, error) {
			if !mayAct(who) {
				return refused(http.StatusForbidden, mayNotAct)
			}
			return do(c, ctx, who, &sent)
		})
	}
}

// changeRun does something to a run: the tenant's part of it, or all of it where the visitor looks at all tenants. It leads
// back to the run's page, which says what it is by then.
func (c *Console) changeRun(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	id, name := r.PathValue("run"), r.PathValue("act")
	change, known := changes[name]
	why := strings.TrimSpace(r.PostForm.Get("why"))
	switch {
	case !known:
		return shown{}, store.ErrNotFound
	case ofAll(r) && who.Tenant.ID != uuid.Nil:
		return refused(http.StatusForbidden, mayNotAct)
	case why == "" && name == "begin":
		why = "as planned"
	case why == "" || utf8.RuneCountInString(why) > maxWhyRunes:
		return refused(http.StatusUnprocessableEntity, whyMissing)
	}
	whose := []uuid.UUID{who.Tenant.ID}
	if ofAll(r) {
		members, err := c.membersOf(ctx, id)
		if err != nil {
			return shown{}, err
		}
		whose = whose[:0]
		for _, member := range members {
			whose = append(whose, member.Tenant)
		}
	}
	for _, tenant := range whose {
		_, _, err := change(c.Rows(tenant), ctx, id, store.Act{By: who.Subject, Why: why})
		c.counted.forget(runKey{tenant, id})
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrTenantDeleted) && ofAll(r): // the page says how it is
		case err != nil:
			return shown{}, err
		}
	}
	return goTo(runURL(who.Tenant.ID, id))
}

// pageOf is the page that a request is for, or that its form is on or below: where to go for who must sign in first.
func pageOf(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL.RequestURI()
	}
	return path.Dir(r.URL.EscapedPath())
}

// button is something to do to a run.
type button struct {
	Act, Says string
	Plain     bool // it is not the one that is proposed
	NeedsWhy  bool
}

// buttonsOf are what may be done to a run in a state.
func buttonsOf(state string) []button {
	switch store.RunState(state) {
	case store.RunPlanned:
		return []button{{Act: "begin", Says: "Begin"}, {Act: "cancel", Says: "Cancel", Plain: true, NeedsWhy: true}}
	case store.RunRunning:
		return []button{{Act: "pause", Says: "Pause", NeedsWhy: true}, {Act: "cancel", Says: "Stop", Plain: true, NeedsWhy: true}}
	case store.RunPaused:
		return []button{{Act: "resume", Says: "Resume", NeedsWhy: true}, {Act: "cancel", Says: "Stop", Plain: true, NeedsWhy: true}}
	}
	return nil
}

// runForm is what may be done to a run, as a form of its page.
type runForm struct {
	URL     string // of the run
	Buttons []button
}

// Form is what may be done to the tenant's part of the run.
func (p runPage) Form() *runForm { return formOf(p.Tenant, p.RunView) }

// formOf is nil where nothing may be done.
func formOf(tenant uuid.UUID, view api.RunView) *runForm {
	buttons := buttonsOf(view.State)
	if view.Work == nil || len(buttons) == 0 {
		return nil
	}
	return &runForm{URL: runURL(tenant, view.ID), Buttons: buttons}
}

// refused is the answer that somebody gets a page of refusal.
func refused(status int, problem api.Problem) (shown, error) {
	return shown{refusal: &api.Refusal{Status: status, Problem: problem, Header: http.Header{}}}, nil
}

// narrowedTo is a query with one thing that narrows letters.
func narrowedTo(name, value string) url.Values { return url.Values{name: {value}} }
