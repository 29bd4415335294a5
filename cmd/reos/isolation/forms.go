package isolation

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/api/console"
)

// A formApproach says how a form of the console is sent with the victim's names.
type formApproach struct {
	path values
	form func(*Canary) url.Values
}

// planForm plans a replay of one group.
func planForm(c *Canary) url.Values {
	return url.Values{"fingerprint": {c.group()}, "why": {"isolation"}, "canary": {"1"}, "stop_above": {"1"}}
}

// discardForm gives up all letters of a group.
func discardForm(c *Canary) url.Values {
	return url.Values{"why": {"isolation"}, "until": {c.CreatedAt.AddDate(1, 0, 0).Format(time.RFC3339)}}
}

// whyForm says why something is done to a run.
func whyForm(*Canary) url.Values { return url.Values{"why": {"isolation"}} }

// formApproaches has one for each form that changes something, by its pattern. A form without one is reported.
var formApproaches = map[string]formApproach{
	"/tenants/{tenant}/dead-letters/plan":                         {form: planForm},
	"/dead-letters/plan":                                          {form: planForm},
	"/tenants/{tenant}/dead-letters/groups/{fingerprint}/discard": {path: groupPath, form: discardForm},
	"/dead-letters/groups/{fingerprint}/discard":                  {path: groupPath, form: discardForm},
	"/tenants/{tenant}/runs/{run}/{act}":                          {path: values{"run": (*Canary).run, "act": constant("cancel")}, form: whyForm},
	"/runs/{run}/{act}":                                           {path: values{"run": (*Canary).run, "act": constant("cancel")}, form: whyForm},
}

// formOf is a form about a tenant with a canary's names in it, as a browser sends it from a page of the console.
func (w *World) formOf(pattern string, tenant uuid.UUID, c *Canary) (request, error) {
	a, known := formApproaches[pattern]
	if !known {
		return request{}, fmt.Errorf("nobody attacks the form %s: add an approach to it", pattern)
	}
	r := request{method: http.MethodPost, body: a.form(c).Encode(), header: http.Header{
		"Accept": {"text/html"}, "Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"},
	}}
	r.path = pathParameter.ReplaceAllStringFunc(pattern, func(parameter string) string {
		if name := strings.Trim(parameter, "{}"); name != "tenant" {
			return url.PathEscape(a.path[name](c))
		}
		return tenant.String()
	})
	return r, nil
}

// formAttempts send the forms of the console.
func formAttempts() []Attempt {
	all := []Attempt{
		{Name: "send every form without a session", Layer: API, Try: formsWithoutSession},
		{Name: "send every form with a token that may only read", Layer: API, Try: formsOfReader},
		{Name: "send every form in the victim's own session, from another site", Layer: API, Try: formsOfElsewhere},
	}
	for _, pattern := range console.Forms() {
		all = append(all, Attempt{Name: "send " + pattern + " with the victim's names", Layer: API, Try: func(ctx context.Context, w *World) Outcome {
			return w.sendForm(ctx, pattern)
		}})
	}
	return all
}

// everyForm makes a request of each form, with the victim's names.
func (w *World) everyForm(try func(pattern string, r request, into *tally)) Outcome {
	var into tally
	for _, pattern := range console.Forms() {
		r, err := w.formOf(pattern, w.Victim.ID, w.Victim)
		if err != nil {
			return fault(err)
		}
		try(pattern, r, &into)
	}
	return into.outcome()
}

// formsWithoutSession bring no cookie; the victim's token where no session is looked for.
func formsWithoutSession(ctx context.Context, w *World) Outcome {
	theirs, _ := good(w, w.Victim)
	return w.everyForm(func(pattern string, r request, into *tally) {
		for _, asked := range []request{r, r.bearing(theirs), r.keeping("")} {
			answer, err := w.API.do(ctx, asked)
			w.mustTurnAway(pattern, answer, err, into)
		}
	})
}

// formsOfReader are sent by somebody of the victim's who may not act.
func formsOfReader(ctx context.Context, w *World) Outcome {
	claims := w.API.claims(w.Victim)
	claims["roles"] = []auth.Role{auth.Reader}
	reader, ok := signed(w, map[string]any{}, claims)
	if !ok {
		return notApplicable("there is no key to sign a token with")
	}
	return w.everyForm(func(pattern string, r request, into *tally) {
		answer, err := w.API.do(ctx, r.keeping(reader))
		w.mustDeny(pattern, http.StatusForbidden, answer, err, into)
	})
}

// formsOfElsewhere are what another site makes the victim's browser send, as far as a browser lets it.
func formsOfElsewhere(ctx context.Context, w *World) Outcome {
	theirs, ok := good(w, w.Victim)
	if !ok {
		return notApplicable("there is no key to sign a token with")
	}
	return w.everyForm(func(pattern string, r request, into *tally) {
		for _, from := range []http.Header{
			{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://elsewhere.example"}}, {"Origin": {"null"}}, {},
		} {
			asked := r.keeping(theirs)
			asked.header.Del("Sec-Fetch-Site")
			for name, values := range from {
				asked.header[name] = values
			}
			answer, err := w.API.do(ctx, asked)
			w.mustDeny(pattern, http.StatusForbidden, answer, err, into)
		}
	})
}

// sendForm sends a form of the victim's in a session of the attacker's, and one of the attacker's own by the victim's names.
func (w *World) sendForm(ctx context.Context, pattern string) Outcome {
	own, ok := good(w, w.Attacker)
	if !ok {
		return notApplicable("there is no key to sign a token with")
	}
	victims, err := w.formOf(pattern, w.Victim.ID, w.Victim)
	if err != nil {
		return fault(err)
	}
	var into tally
	answer, err := w.API.do(ctx, victims.keeping(own))
	if !strings.Contains(pattern, "{tenant}") {
		w.mustDeny("the form of all tenants", http.StatusForbidden, answer, err, &into)
		return into.outcome()
	}
	w.mustDeny("the victim's form", http.StatusNotFound, answer, err, &into)
	attackers, _ := w.formOf(pattern, w.Attacker.ID, w.Victim)
	answer, err = w.API.do(ctx, attackers.keeping(own))
	if err == nil && answer.status < http.StatusBadRequest {
		into.leak("its own form by the victim's names: %d", answer.status)
	}
	w.judgePage("its own form by the victim's names", answer, err, &into)
	return into.outcome()
}
