package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// endpoint is an operation as the OpenAPI document tells it.
type endpoint struct {
	method, path string // the path's parameters are filled in
	public       bool
}

// endpoints are all operations that the document of a service tells of.
func (s *service) endpoints() []endpoint {
	var document struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string `json:"security"`
		} `json:"paths"`
	}
	s.anonymous().get("/openapi.json").ok(&document)
	var found []endpoint
	for path, methods := range document.Paths {
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + uuid.NewString() + after
		}
		for method, operation := range methods {
			found = append(found, endpoint{strings.ToUpper(method), path, len(operation.Security) == 0})
		}
	}
	require.NotEmpty(s.t, found)
	return found
}

// Invariant 4: whatever is added later, nothing answers but to a token with a role.
func TestInvariant4EveryOperationAsksForATokenAndARole(t *testing.T) {
	s := serve(t)
	s.server.AddGet("/v1/things", func(context.Context) (string, error) { return "done", nil })
	nobody := s.as(s.tenant())
	open := 0
	for _, e := range s.endpoints() {
		if e.public {
			open++
			require.NotContains(t, e.path, "/v1/", "public operations are about the process, not about data")
			continue
		}
		what := e.method + " " + e.path
		answer := s.anonymous().do(e.method, e.path, nil)
		require.Equal(t, http.StatusUnauthorized, answer.status, what)
		require.Equal(t, `Bearer realm="reos"`, answer.header.Get("WWW-Authenticate"), what)
		refused := nobody.do(e.method, e.path, nil)
		require.Equal(t, http.StatusForbidden, refused.status, what)
		if e.method != http.MethodHead { // whose answers have no body
			answer.problem(http.StatusUnauthorized, api.ProblemUnauthenticated)
			require.Contains(t, refused.problem(http.StatusForbidden, api.ProblemForbidden).Detail, "needs the role", what)
		}
	}
	require.Equal(t, 3, open, "healthz, ping, readyz")
}

func TestInvariant4TokensReachTheirTenantOnly(t *testing.T) {
	s := serve(t)
	s.server.AddGet("/v1/things", func(context.Context) (string, error) { return "done", nil })
	own, other := s.tenant(), s.tenant()
	suspended := uuid.New()
	s.known.put(store.Tenant{ID: suspended, State: store.TenantSuspended})
	at := func(tenant any) string { return fmt.Sprintf("/v1/things?tenant=%v", tenant) }

	publisher := s.as(own, auth.Publisher)
	publisher.get("/v1/things").ok(nil)
	publisher.get(at(own)).ok(nil)
	foreign := publisher.get(at(other))
	foreign.problem(http.StatusForbidden, api.ProblemForbidden)
	require.Equal(t, string(foreign.body), string(publisher.get(at(uuid.New())).body), "which tenants exist does not show")
	publisher.get(at(uuid.Nil)).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	publisher.get(at("acme")).problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	s.as(uuid.New(), auth.Publisher).get("/v1/things").problem(http.StatusForbidden, api.ProblemForbidden)
	s.as(own, auth.Reader).get("/v1/things").problem(http.StatusForbidden, api.ProblemForbidden)
	s.as(suspended, auth.Publisher).get("/v1/things").problem(http.StatusForbidden, api.ProblemSuspended)

	everywhere := s.platform(auth.Publisher)
	everywhere.get(at(own)).ok(nil)
	everywhere.get(at(other)).ok(nil)
	everywhere.get("/v1/things").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	everywhere.get(at(uuid.New())).problem(http.StatusForbidden, api.ProblemForbidden)
	s.bearer(auth.Principal{Subject: "test", Tenant: own, Platform: true, Roles: []auth.Role{auth.Publisher}}).get("/v1/things").ok(nil)
}

func TestHowATokenIsSent(t *testing.T) {
	s := serve(t)
	s.server.AddGet("/v1/things", func(context.Context) (string, error) { return "done", nil })
	token := strings.TrimPrefix(s.as(s.tenant(), auth.Publisher).header.Get("Authorization"), "Bearer ")
	for _, sent := range []string{"Bearer " + token, "bearer " + token} {
		s.anonymous().with("Authorization", sent).get("/v1/things").ok(nil)
	}
	for _, sent := range []string{
		"", "Bearer", "Bearer ", "Basic " + token, token, "Bearer  " + token, "Bearer " + token + " x", "Bearer " + token + "," + token,
		"Bearer " + strings.Repeat("x", 50_000),
	} {
		answer := s.anonymous().with("Authorization", sent).get("/v1/things")
		answer.problem(http.StatusUnauthorized, api.ProblemUnauthenticated)
		require.NotContains(t, string(answer.body), token)
	}
	s.anonymous().get("/v1/things?access_token="+token).problem(http.StatusUnauthorized, api.ProblemUnauthenticated)
	expired, err := auth.Mint(s.tokens, auth.Principal{Subject: "test", Tenant: s.tenant()}, time.Now().Add(-time.Hour), time.Minute)
	require.NoError(t, err)
	document := s.anonymous().with("Authorization", "Bearer "+expired).get("/v1/things").problem(http.StatusUnauthorized, api.ProblemUnauthenticated)
	require.Contains(t, document.Detail, "expired")
	require.NotContains(t, s.logged.String(), token)
}

// unreachable is a Verifier whose issuer is down.
type unreachable struct{}

func (unreachable) Verify(context.Context, string) (auth.Principal, error) {
	return auth.Principal{}, auth.ErrUnavailable
}

func TestIssuerOutOfReachIsNotTheCallersFault(t *testing.T) {
	s := serve(t, func(_ *api.Config, parts *api.Parts) { parts.Verifier = unreachable{} })
	s.server.AddGet("/v1/things", func(context.Context) (string, error) { return "done", nil })
	answer := s.as(s.tenant(), auth.Publisher).get("/v1/things")
	answer.problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	require.NotEmpty(t, answer.header.Get("Retry-After"))
}
