package isolation

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"
)

var pathParameter = regexp.MustCompile(`\{([^}]+)\}`)

// on makes the request that an approach makes, with a canary's names in it.
func (w *World) on(o operation, c *Canary) (request, error) {
	a, known := approaches[o.ID]
	r := request{method: o.Method}
	var missing string
	r.path = pathParameter.ReplaceAllStringFunc(o.Path, func(parameter string) string {
		name := strings.Trim(parameter, "{}.")
		value := a.path[name]
		if value == nil {
			missing = name
			return url.PathEscape(c.Mark)
		}
		return value(c)
	})
	if a.fill != nil {
		a.fill(w, &r)
	}
	switch {
	case !known:
		return r, fmt.Errorf("nobody attacks %s %s: add an approach to operation %s", o.Method, o.Path, o.ID)
	case missing != "":
		return r, fmt.Errorf("the approach to operation %s has no value for {%s}", o.ID, missing)
	}
	return r, nil
}

// onVictim is a request about the victim, whether or not an approach knows what it is.
func (w *World) onVictim(o operation) request {
	r, _ := w.on(o, w.Victim)
	return r
}

func endpointAttempts(secured []operation) []Attempt {
	all := []Attempt{
		withOwnToken("name the victim as the tenant, through every endpoint", secured, func(ctx context.Context, w *World, o operation, r request, into *tally) {
			if o.OfTenant {
				answer, err := w.API.do(ctx, r.with("tenant", w.Victim.ID.String()))
				w.mustDeny(o.Method+" "+o.Path, http.StatusForbidden, answer, err, into)
			}
		}),
		withOwnToken("name the victim as the tenant in another way, through every endpoint", secured, nameOtherwise),
		withOwnToken("ask about a tenant that does not exist, through every endpoint", secured, func(ctx context.Context, w *World, o operation, r request, into *tally) {
			if o.OfTenant { // the answer must be that for one that does
				answer, err := w.API.do(ctx, r.with("tenant", w.Attacker.id("nobody").String()))
				w.mustDeny(o.Method+" "+o.Path, http.StatusForbidden, answer, err, into)
			}
		}),
		{Name: "use a token without a role, through every endpoint", Layer: API, Try: withoutRole(secured)},
		{Name: "use a token of a tenant that does not exist, through every endpoint", Layer: API, Try: ofNobody(secured)},
	}
	for _, o := range secured {
		if o.ID == "get-document" || o.ID == "put-document" || o.ID == "delete-document" {
			all = append(all, documentAttempt(o))
		}
		all = append(all, Attempt{
			Name: fmt.Sprintf("%s %s with the victim's names", o.Method, o.Path), Layer: API, Intrusive: approaches[o.ID].intrusive,
			Try: func(ctx context.Context, w *World) Outcome { return w.approach(ctx, o) },
		})
	}
	return all
}

// approach makes one endpoint's attempt.
func (w *World) approach(ctx context.Context, o operation) Outcome {
	a := approaches[o.ID]
	r, err := w.on(o, w.Victim)
	if err != nil {
		return fault(err)
	}
	own, ok := good(w, w.Attacker)
	if !ok {
		return notApplicable("there is no key to sign a token with")
	}
	var into tally
	answer, err := w.API.do(ctx, r.bearing(own))
	if a.platform {
		w.mustDeny("as a tenant", http.StatusForbidden, answer, err, &into)
		return into.outcome()
	}
	if a.sees != nil && err == nil && strings.Contains(answer.text(), a.sees(w.Victim)) {
		into.leak("%d with what is the victim's", answer.status)
	} else {
		w.judgeAPI("as another tenant", answer, err, &into)
	}
	if a.sees != nil {
		theirs, _ := good(w, w.Victim)
		control, err := w.API.do(ctx, r.bearing(theirs))
		if err != nil || !strings.Contains(control.text(), a.sees(w.Victim)) {
			into.fail("it proves nothing: the victim itself gets %d without what is its own: %v", control.status, err)
		}
	}
	if w.Objects != nil {
		into.changed("objects", w.checkObjects(ctx))
	}
	return into.outcome()
}

// withOwnToken makes an attempt with a good token of the attacker's on every endpoint.
func withOwnToken(name string, secured []operation, try func(context.Context, *World, operation, request, *tally)) Attempt {
	return Attempt{Name: name, Layer: API, Try: func(ctx context.Context, w *World) Outcome {
		own, ok := good(w, w.Attacker)
		if !ok {
			return notApplicable("there is no key to sign a token with")
		}
		var into tally
		for _, o := range secured {
			try(ctx, w, o, w.onVictim(o).bearing(own), &into)
		}
		return into.outcome()
	}}
}

// nameOtherwise names the victim wherever another service would look for a tenant.
func nameOtherwise(ctx context.Context, w *World, o operation, r request, into *tally) {
	if approaches[o.ID].intrusive {
		return // what it may do as its own tenant is tried once, and last
	}
	victim, attacker := w.Victim.ID.String(), w.Attacker.ID.String()
	requests := []request{
		r.with("tenant_id", victim), r.with("tenantid", victim), r.with("Tenant", victim), r.with("tenant[]", victim),
		r.with("tenant", attacker, victim), r.with("tenant", victim, attacker), r.with("tenant", attacker+","+victim),
		r.with("tenant", "{"+victim+"}"), r.with("tenant", "urn:uuid:"+victim), r.with("tenant", strings.ToUpper(victim)),
		r.with("tenant", uuid.Nil.String()), r.with("tenant", "*"), r.with("tenant", w.Victim.Name), r.with("platform", "true"),
	}
	for _, name := range []string{"X-Tenant-Id", "Tenant", "X-Reos-Tenant", "Ce-Tenantid", "X-Forwarded-User", "X-Original-Url", "X-Http-Method-Override"} {
		named := r
		named.header = r.header.Clone()
		named.header.Set(name, victim)
		requests = append(requests, named)
	}
	for _, r := range requests {
		answer, err := w.API.do(ctx, r)
		w.judgeAPI(o.Method+" "+o.Path, answer, err, into)
	}
}

// withoutRole uses a token of the victim's own that grants nothing.
func withoutRole(secured []operation) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		if w.API.Sign == nil {
			return notApplicable("there is no key to sign a token with")
		}
		var into tally
		for _, roles := range [][]string{{}, {"root"}, {"Admin"}, {"*"}, {"reader "}} {
			claims := w.API.claims(w.Victim)
			claims["roles"] = roles
			token, err := w.API.Sign(map[string]any{}, claims)
			if err != nil {
				return fault(err)
			}
			for _, o := range secured {
				answer, err := w.API.do(ctx, w.onVictim(o).bearing(token))
				w.mustDeny(o.Method+" "+o.Path, http.StatusForbidden, answer, err, &into)
			}
		}
		return into.outcome()
	}
}

// ofNobody uses a good token of a tenant that was never made.
func ofNobody(secured []operation) func(context.Context, *World) Outcome {
	return func(ctx context.Context, w *World) Outcome {
		if w.API.Sign == nil {
			return notApplicable("there is no key to sign a token with")
		}
		claims := w.API.claims(w.Attacker)
		claims["tenant_id"] = w.Attacker.id("nobody").String()
		token, err := w.API.Sign(map[string]any{}, claims)
		if err != nil {
			return fault(err)
		}
		var into tally
		for _, o := range secured {
			answer, err := w.API.do(ctx, w.onVictim(o).bearing(token))
			w.mustDeny(o.Method+" "+o.Path, http.StatusForbidden, answer, err, &into)
		}
		return into.outcome()
	}
}

// documentAttempt names the victim's document by every hostile key, in the path as it is and percent-encoded.
func documentAttempt(o operation) Attempt {
	return Attempt{
		Name: o.Method + " " + o.Path + " with every hostile key", Layer: API, Intrusive: approaches[o.ID].intrusive,
		Try: func(ctx context.Context, w *World) Outcome {
			own, ok := good(w, w.Attacker)
			if !ok {
				return notApplicable("there is no key to sign a token with")
			}
			var into tally
			for _, hostile := range hostileKeys {
				key := w.hostileKey(hostile.key)
				for _, written := range []string{
					url.PathEscape(key), strings.ReplaceAll(url.PathEscape(key), "%2F", "/"), "../" + w.Victim.ID.String() + "/documents/" + w.Victim.Mark + ".txt",
				} {
					r := w.onVictim(o).bearing(own)
					r.path = pathParameter.ReplaceAllLiteralString(o.Path, written)
					answer, err := w.API.do(ctx, r)
					w.judgeAPI(hostile.name, answer, err, &into)
				}
			}
			if w.Objects != nil {
				into.changed("objects", w.checkObjects(ctx))
			}
			return into.outcome()
		},
	}
}
