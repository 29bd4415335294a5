package isolation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/store"
)

// described are the endpoints of a careless API: two that the suite knows, one that it does not, one that forgot to ask
// for a token.
const described = `{"paths": {
	"/v1/runs":      {"get": {"operationId": "list-runs", "security": [{"bearer": []}], "parameters": [{"name": "tenant", "in": "query"}]}},
	"/v1/runs/{id}": {"get": {"operationId": "show-run", "security": [{"bearer": []}], "parameters": [{"name": "tenant", "in": "query"}]}},
	"/v1/secrets":   {"get": {"operationId": "list-secrets", "security": [{"bearer": []}]}},
	"/v1/backdoor":  {"get": {"operationId": "backdoor"}}
}}`

// carelessAPI believes every token that it can read, and the parameter more than the token.
func carelessAPI(t *testing.T, tenants Tenants) *Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/openapi.json" {
			_, _ = w.Write([]byte(described))
			return
		}
		named := r.URL.Query().Get("tenant")
		parts := strings.Split(r.Header.Get("Authorization"), ".")
		if named == "" && len(parts) > 1 {
			body, _ := base64.RawURLEncoding.DecodeString(parts[1])
			var claims map[string]any
			_ = json.Unmarshal(body, &claims)
			named, _ = claims["tenant_id"].(string)
		}
		all, _ := tenants.All(context.WithoutCancel(r.Context()))
		for _, tenant := range all {
			if tenant.ID.String() == named {
				_, _ = w.Write([]byte(newCanary(tenant, 1).Secret))
				return
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(server.Close)
	config := auth.Config{Secret: strings.Repeat("s", auth.MinSecretBytes), Issuer: "reos", Audience: "reos-api"}
	return &Server{URL: server.URL, Client: server.Client(), Issuer: config.Issuer, Audience: config.Audience, Sign: SignWith(config)}
}

func TestACarelessAPIIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.API = carelessAPI(t, f.Tenants)
	report := attack(t, f.Installation, API)
	require.Equal(t, []Layer{API}, leaky(report), report.Results)
	told := strings.Join(of(report, Leaked), "\n")
	for _, attempt := range []string{
		"a token for the victim with alg=none", "its own token with the victim as its tenant", "a token signed with another secret",
		"an expired token of the victim's", "a token for another audience", "name the victim as the tenant, through every endpoint",
		"find an endpoint that asks for no token: GET /v1/backdoor",
	} {
		require.Contains(t, told, attempt)
	}
	require.Contains(t, strings.Join(of(report, Fault), "\n"), "nobody attacks GET /v1/secrets: add an approach to operation list-secrets")
}

func TestOnlyACanaryIsACanary(t *testing.T) {
	t.Parallel()
	canary := store.NewCanary(store.CanaryVerify)
	require.Equal(t, store.CanaryVerify, canary.Canary())
	require.Equal(t, store.CanaryProbe, store.NewCanary(store.CanaryProbe).Canary())
	require.NotEqual(t, canary.ID, store.NewCanary(store.CanaryVerify).ID)

	customer := canary
	customer.ID = store.NewCanary(store.CanaryVerify).ID
	require.Empty(t, customer.Canary(), "a name alone")
	customer = canary
	customer.Name = "acme"
	require.Empty(t, customer.Canary(), "an id alone")
}

// A console that shows what is a tenant's to whoever has a session.
func TestACarelessConsoleIsALeak(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.API = carelessAPI(t, f.Tenants)
	careless := f.API.Client
	pages := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.URL.Path, "/")
		_, err := r.Cookie(console.CookieName)
		switch {
		case r.URL.Path == "/openapi.json":
			_, _ = w.Write([]byte(described))
		case r.URL.Path == "/sign-in":
		case err == nil && len(parts) > 2:
			id, _ := uuid.Parse(parts[2])
			_, _ = w.Write([]byte(newCanary(store.Tenant{ID: id}, 1).Secret))
		default:
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		}
	}))
	t.Cleanup(pages.Close)
	f.API.URL = pages.URL
	careless.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	told := strings.Join(of(attack(t, f.Installation, API), Leaked), "\n")
	require.Contains(t, told, "open /tenants/{tenant}/dead-letters/{letter} with the victim's names: the victim's page: 200 in place of 404")
	require.Contains(t, told, "open every page with a session of an expired token of the victim's")
	require.NotContains(t, told, "open /{$} with")
}
