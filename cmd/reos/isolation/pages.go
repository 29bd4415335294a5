package isolation

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/console"
)

// A pageApproach says how a page of the console is attacked by the victim's names.
type pageApproach struct {
	path  values
	query func(*Canary) url.Values
	// sees is what the victim itself is shown there, and the attacker must not be.
	sees func(*Canary) string
}

var (
	groupPath  = values{"fingerprint": (*Canary).group}
	letterPath = values{"letter": letterOf}
)

// groupQuery narrows letters to those of one group.
func groupQuery(c *Canary) url.Values { return url.Values{"fingerprint": {c.group()}} }

// pageApproaches has one for each page, by its pattern. A page without one is reported.
var pageApproaches = map[string]pageApproach{
	"/{$}":                                                {},
	"/tenants/{tenant}":                                   {sees: secretOf},
	"/tenants/{tenant}/find":                              {query: func(c *Canary) url.Values { return url.Values{"q": {c.property()}} }},
	"/tenants/{tenant}/events/{event}":                    {path: values{"event": eventOf}, sees: secretOf},
	"/tenants/{tenant}/records/{type}/{key}":              {path: values{"type": constant("property"), "key": (*Canary).property}, sees: secretOf},
	"/tenants/{tenant}/runs":                              {sees: (*Canary).run},
	"/tenants/{tenant}/runs/{run}":                        {path: values{"run": (*Canary).run}, sees: secretOf},
	"/tenants/{tenant}/dead-letters":                      {sees: secretOf},
	"/tenants/{tenant}/dead-letters/groups/{fingerprint}": {path: groupPath, sees: secretOf},
	"/tenants/{tenant}/dead-letters/{letter}":             {path: letterPath, sees: secretOf},
	"/tenants/{tenant}/dead-letters/plan":                 {query: groupQuery, sees: secretOf},
	"/runs":                                               {},
	"/runs/{run}":                                         {path: values{"run": (*Canary).run}},
	"/dead-letters":                                       {},
	"/dead-letters/plan":                                  {query: groupQuery},
	"/dead-letters/groups/{fingerprint}":                  {path: groupPath},
	"/dead-letters/{letter}":                              {path: letterPath},
}

// page asks for a page about a tenant, with a canary's names in it.
func (w *World) page(pattern string, tenant uuid.UUID, c *Canary) (request, error) {
	a, known := pageApproaches[pattern]
	if !known {
		return request{}, fmt.Errorf("nobody attacks the page %s: add an approach to it", pattern)
	}
	r := request{method: http.MethodGet, header: http.Header{"Accept": {"text/html"}}}
	r.path = pathParameter.ReplaceAllStringFunc(strings.TrimSuffix(pattern, "{$}"), func(parameter string) string {
		name := strings.Trim(parameter, "{}")
		if name == "tenant" {
			return tenant.String()
		}
		return url.PathEscape(a.path[name](c))
	})
	if a.query != nil {
		r.query = a.query(c)
	}
	return r, nil
}

// keeping adds a session with a token.
func (r request) keeping(token string) request {
	r.header = r.header.Clone()
	r.header.Set("Cookie", console.CookieName+"="+token)
	return r
}

// pageAttempts attack the console.
func pageAttempts(ctx context.Context, w *World) []Attempt {
	if w.API == nil {
		return nil // apiAttempts says so
	}
	name := "attack every page"
	answer, err := w.API.do(ctx, request{method: http.MethodGet, path: "/sign-in"})
	switch {
	case err != nil:
		return []Attempt{{Name: name, Layer: API, Try: func(context.Context, *World) Outcome { return fault(err) }}}
	case answer.status != http.StatusOK:
		return []Attempt{{Name: name, Layer: API, Try: func(context.Context, *World) Outcome { return notApplicable("it serves no console") }}}
	}
	all := []Attempt{{Name: "open every page without a session", Layer: API, Try: withoutSession}}
	for _, f := range forgeries() {
		all = append(all, Attempt{Name: "open every page with a session of " + f.name, Layer: API, Try: func(ctx context.Context, w *World) Outcome {
			token, ok := f.make(w)
			if !ok {
				return notApplicable("there is no key to make the token with")
			}
			return w.everyPage(w.Victim.ID, func(pattern string, r request, into *tally) {
				answer, err := w.API.do(ctx, r.keeping(token))
				w.mustTurnAway(pattern, answer, err, into)
			})
		}})
	}
	for _, pattern := range console.Pages() {
		all = append(all, Attempt{Name: "open " + pattern + " with the victim's names", Layer: API, Try: func(ctx context.Context, w *World) Outcome {
			return w.openPage(ctx, pattern)
		}})
	}
	return append(all, formAttempts()...)
}

// everyPage makes a request to each page about a tenant, with the victim's names.
func (w *World) everyPage(tenant uuid.UUID, try func(pattern string, r request, into *tally)) Outcome {
	var into tally
	for _, pattern := range console.Pages() {
		r, err := w.page(pattern, tenant, w.Victim)
		if err != nil {
			return fault(err)
		}
		try(pattern, r, &into)
	}
	return into.outcome()
}

// withoutSession brings nothing, or the victim's token where no session is looked for.
func withoutSession(ctx context.Context, w *World) Outcome {
	theirs, _ := good(w, w.Victim)
	return w.everyPage(w.Victim.ID, func(pattern string, r request, into *tally) {
		for _, header := range []http.Header{
			{},
			{"Cookie": {console.CookieName + "="}},
			{"Authorization": {"Bearer " + theirs}},
			{"Cookie": {"session=" + theirs}},
			{"Cookie": {console.CookieName + "=Bearer " + theirs}},
		} {
			for name, value := range r.header {
				header[name] = value
			}
			asked := r
			asked.header = header
			answer, err := w.API.do(ctx, asked)
			w.mustTurnAway(pattern, answer, err, into)
		}
	})
}

// mustTurnAway wants an answer to be exactly that one has to sign in.
func (w *World) mustTurnAway(what string, answer response, err error, into *tally) {
	if err == nil && answer.status == http.StatusSeeOther && !w.tells(answer.text()) {
		into.refuse()
		return
	}
	w.mustDeny(what, http.StatusSeeOther, answer, err, into)
}

// openPage opens a page of the victim's in a session of the attacker's, and one of the attacker's own by the victim's names.
func (w *World) openPage(ctx context.Context, pattern string) Outcome {
	own, ok := good(w, w.Attacker)
	if !ok {
		return notApplicable("there is no key to sign a token with")
	}
	victims, err := w.page(pattern, w.Victim.ID, w.Victim)
	if err != nil {
		return fault(err)
	}
	var into tally
	answer, err := w.API.do(ctx, victims.keeping(own))
	if !strings.Contains(pattern, "{tenant}") {
		w.judgePage("the page of all tenants", answer, err, &into)
		return into.outcome()
	}
	w.mustDeny("the victim's page", http.StatusNotFound, answer, err, &into)
	w.judgePage("the victim's page", answer, err, &into)
	attackers, _ := w.page(pattern, w.Attacker.ID, w.Victim)
	for _, r := range []request{attackers, attackers.with("tenant", w.Victim.ID.String())} {
		answer, err = w.API.do(ctx, r.keeping(own))
		w.judgePage("its own page by the victim's names", answer, err, &into)
	}
	if sees := pageApproaches[pattern].sees; sees != nil {
		theirs, _ := good(w, w.Victim)
		control, err := w.API.do(ctx, victims.keeping(theirs))
		if err != nil || !strings.Contains(control.text(), sees(w.Victim)) {
			into.fail("it proves nothing: the victim itself gets %d without what is its own: %v", control.status, err)
		}
	}
	return into.outcome()
}

// judgePage says what an answer to the attacker means: even a name of the victim's is too much, unless it was in the request.
func (w *World) judgePage(what string, answer response, err error, into *tally) {
	if err == nil && strings.Contains(answer.text(), w.Victim.Name) {
		into.leak("%s: %d with the victim's name", what, answer.status)
		return
	}
	w.judgeAPI(what, answer, err, into)
}
