package isolation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/api/auth"
)

// Server is the installation's HTTP API.
type Server struct {
	URL    string
	Client *http.Client
	// Issuer and Audience are what its tokens say.
	Issuer, Audience string
	// Sign signs a token's header and claims as the API believes it. It is nil where only an issuer elsewhere can: then
	// attempts that need a good token are not applicable.
	Sign func(header, claims map[string]any) (string, error)
	// PublicKeys are the encodings of the keys that verify its tokens, where these are public.
	PublicKeys [][]byte
}

// claims are those of a good token of a canary's, with every role, for a while.
func (s *Server) claims(c *Canary) map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": s.Issuer, "aud": s.Audience, "sub": "isolation", "tenant_id": c.ID.String(), "roles": auth.Roles,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	}
}

// operation is an endpoint, as the API's own description tells of it.
type operation struct {
	ID, Method, Path string
	Secured          bool
	OfTenant         bool // it takes the parameter that names a tenant
}

// operations reads the API's description.
func (s *Server) operations(ctx context.Context) ([]operation, error) {
	response, err := s.do(ctx, request{method: http.MethodGet, path: "/openapi.json"})
	if err != nil {
		return nil, err
	}
	var described struct {
		Paths map[string]map[string]struct {
			OperationID string                `json:"operationId"`
			Security    []map[string][]string `json:"security"`
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal([]byte(response.body), &described); err != nil {
		return nil, fmt.Errorf("read the API's description: %w", err)
	}
	var all []operation
	for path, methods := range described.Paths {
		for method, of := range methods {
			all = append(all, operation{
				ID: of.OperationID, Method: strings.ToUpper(method), Path: path, Secured: len(of.Security) > 0,
				OfTenant: slices.ContainsFunc(of.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "tenant" && p.In == "query" }),
			})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) })
	return all, nil
}

// request is one to the API. The path is sent as it is.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         string
}

// response is an answer of the API.
type response struct {
	status int
	body   string
	header string
}

// text is all that it says.
func (r response) text() string { return r.header + r.body }

const (
	apiWithin   = 10 * time.Second
	maxAnswered = 4 << 20
)

func (s *Server) do(ctx context.Context, r request) (response, error) {
	ctx, cancel := context.WithTimeout(ctx, apiWithin)
	defer cancel()
	target := strings.TrimSuffix(s.URL, "/") + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	sent, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader([]byte(r.body)))
	if err != nil {
		return response{}, err
	}
	for name, values := range r.header {
		sent.Header[name] = values
	}
	answer, err := s.Client.Do(sent)
	if err != nil {
		return response{}, fmt.Errorf("ask the API: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswered))
	return response{answer.StatusCode, string(body), fmt.Sprint(answer.Header)}, err
}

// bearing adds a token.
func (r request) bearing(token string) request {
	r.header = r.header.Clone()
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("Authorization", "Bearer "+token)
	return r
}

// with adds a query parameter.
func (r request) with(name string, values ...string) request {
	query := url.Values{name: values}
	for name, values := range r.query {
		query[name] = append(query[name], values...)
	}
	r.query = query
	return r
}

// judgeAPI says what an answer to the attacker means.
func (w *World) judgeAPI(what string, answer response, err error, into *tally) {
	switch {
	case err != nil:
		into.fail("%s: %v", what, err)
	case w.tells(answer.text()):
		into.leak("%s: %d with the victim's content", what, answer.status)
	case answer.status == http.StatusTooManyRequests || answer.status >= 500:
		into.fail("%s: the API answers %d", what, answer.status)
	case answer.status >= 400:
		into.refuse()
	default:
		into.nothing()
	}
}

// mustDeny wants an answer to be exactly that the caller may not.
func (w *World) mustDeny(what string, status int, answer response, err error, into *tally) {
	if err == nil && answer.status != status && answer.status < 429 {
		into.leak("%s: %d in place of %d", what, answer.status, status)
		return
	}
	w.judgeAPI(what, answer, err, into)
}

// apiAttempts are derived from the API's own description.
func apiAttempts(ctx context.Context, w *World) []Attempt {
	if w.API == nil {
		return []Attempt{{Name: "attack every endpoint", Layer: API, Try: func(context.Context, *World) Outcome {
			return notApplicable("REOS_API_URL is not set")
		}}}
	}
	operations, err := w.API.operations(ctx)
	if err == nil && len(operations) == 0 {
		err = errors.New("the API describes no endpoint")
	}
	if err != nil {
		return []Attempt{{Name: "attack every endpoint", Layer: API, Try: func(context.Context, *World) Outcome { return fault(err) }}}
	}
	secured := slices.DeleteFunc(slices.Clone(operations), func(o operation) bool { return !o.Secured })
	return slices.Concat(tokenAttempts(w, secured), openAttempts(operations), endpointAttempts(secured))
}

// publicOperations need no token, and tell nothing of tenants.
var publicOperations = []string{"healthz", "ping", "readyz"}

// openAttempts look for endpoints that ask for no token.
func openAttempts(operations []operation) []Attempt {
	return []Attempt{{Name: "find an endpoint that asks for no token", Layer: API, Try: func(ctx context.Context, w *World) Outcome {
		var into tally
		for _, o := range operations {
			what := o.Method + " " + o.Path
			switch {
			case o.Secured:
				into.refuse()
			case !slices.Contains(publicOperations, o.ID):
				into.leak("%s (%s) asks for no token", what, o.ID)
			default:
				answer, err := w.API.do(ctx, request{method: o.Method, path: o.Path})
				w.judgeAPI(what, answer, err, &into)
			}
		}
		return into.outcome()
	}}}
}
