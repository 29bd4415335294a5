package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// service is an API that listens on a port of its own, as it would in production, until its test ends.
//
//	s := serve(t, func(c *api.Config, p *api.Parts) { p.Pings = … })
//	reader := s.as(s.tenant(), auth.Reader)
//	reader.get("/v1/properties").ok(&page)
//	reader.post("/v1/events", body).problem(http.StatusForbidden, api.ProblemForbidden)
type service struct {
	t        *testing.T
	server   *api.Server
	address  string // host:port
	registry *prometheus.Registry
	logged   *lines
	tokens   auth.Config
	known    *knownTenants
}

// serve starts an API. Its Parts know no store unless change puts one in; tenants are those that (*service).tenant made,
// unless change sets Parts.Tenants.
func serve(t *testing.T, change ...func(*api.Config, *api.Parts)) *service {
	t.Helper()
	s := &service{
		t: t, registry: prometheus.NewRegistry(), logged: &lines{}, known: &knownTenants{},
		tokens: auth.Config{Secret: strings.Repeat("secret ", 6), Issuer: "reos", Audience: "reos-api"},
	}
	verifier, err := auth.New(t.Context(), s.tokens, zerolog.Nop())
	require.NoError(t, err)
	config := api.Config{
		RequestsPerSec: 10_000, RequestBurst: 10_000, MaxEventsBytes: 1 << 20,
		RequestTimeout: 10 * time.Second, BodyTimeout: 10 * time.Second, TenantCacheTime: time.Minute,
	}
	parts := api.Parts{
		Verifier: verifier, Tenants: s.known, Pings: pings{}, Registry: s.registry, Log: zerolog.New(s.logged),
	}
	for _, apply := range change {
		apply(&config, &parts)
	}
	s.server = api.New(config, parts)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.address = listener.Addr().String()
	over := s.server.HTTP()
	go func() { _ = over.Serve(listener) }() // ends with Close
	t.Cleanup(func() { _ = over.Close() })
	return s
}

// tenant makes an active tenant that the API knows.
func (s *service) tenant() uuid.UUID {
	id := uuid.New()
	s.known.put(store.Tenant{ID: id, Name: "tenant " + id.String(), Lane: "a", State: store.TenantActive})
	return id
}

// as is a caller with a tenant's token.
func (s *service) as(tenant uuid.UUID, roles ...auth.Role) *client {
	return s.bearer(auth.Principal{Subject: "test", Tenant: tenant, Roles: roles})
}

// platform is a caller whose token holds for every tenant.
func (s *service) platform(roles ...auth.Role) *client {
	return s.bearer(auth.Principal{Subject: "test", Platform: true, Roles: roles})
}

func (s *service) bearer(who auth.Principal) *client {
	token, err := auth.Mint(s.tokens, who, time.Now(), time.Hour)
	require.NoError(s.t, err)
	return s.anonymous().with("Authorization", "Bearer "+token)
}

// anonymous is a caller without a token.
func (s *service) anonymous() *client {
	return &client{t: s.t, base: "http://" + s.address, header: http.Header{}}
}

// client calls the API in somebody's name.
type client struct {
	t      *testing.T
	base   string
	header http.Header
}

// with is the same caller, who sends one header more with every request.
func (c *client) with(name, value string) *client {
	header := c.header.Clone()
	header.Set(name, value)
	return &client{t: c.t, base: c.base, header: header}
}

func (c *client) get(path string) *answer    { return c.do(http.MethodGet, path, nil) }
func (c *client) delete(path string) *answer { return c.do(http.MethodDelete, path, nil) }

// post sends a value as JSON; []byte and string go as they are, with the content type that the caller has.
func (c *client) post(path string, body any) *answer { return c.do(http.MethodPost, path, body) }

// put is like post.
func (c *client) put(path string, body any) *answer { return c.do(http.MethodPut, path, body) }

func (c *client) do(method, path string, body any) *answer {
	c.t.Helper()
	var sent io.Reader
	header := c.header.Clone()
	switch body := body.(type) {
	case nil:
	case []byte:
		sent = bytes.NewReader(body)
	case string:
		sent = strings.NewReader(body)
	default:
		encoded, err := json.Marshal(body)
		require.NoError(c.t, err)
		sent = bytes.NewReader(encoded)
		if header.Get("Content-Type") == "" {
			header.Set("Content-Type", "application/json")
		}
	}
	request, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, sent)
	require.NoError(c.t, err)
	request.Header = header
	response, err := http.DefaultTransport.RoundTrip(request) // follows no redirect
	require.NoError(c.t, err)
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return &answer{t: c.t, status: response.StatusCode, header: response.Header, body: got}
}

// answer is what the API said.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// ok requires success, and reads the JSON body into a value unless that is nil.
func (a *answer) ok(into any) *answer {
	a.t.Helper()
	require.Truef(a.t, a.status >= 200 && a.status < 300, "%d: %s", a.status, a.body)
	if into != nil {
		require.NoError(a.t, json.Unmarshal(a.body, into), string(a.body))
	}
	return a
}

// problemDocument is RFC 9457's, with what ours adds.
type problemDocument struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Message  string `json:"message"`
		Location string `json:"location"`
	} `json:"errors"`
}

// problem requires a problem document of a kind.
func (a *answer) problem(status int, kind api.Problem) problemDocument {
	a.t.Helper()
	require.Equalf(a.t, status, a.status, "%s", a.body)
	require.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"), string(a.body))
	var document problemDocument
	require.NoError(a.t, json.Unmarshal(a.body, &document), string(a.body))
	require.Equal(a.t, status, document.Status)
	require.Equal(a.t, "/docs#problem-"+string(kind), document.Type, document.Detail)
	require.NotEmpty(a.t, document.Title)
	return document
}

// knownTenants is a Tenants that knows what it was told.
type knownTenants struct {
	mu   sync.Mutex
	byID map[string]store.Tenant
}

func (k *knownTenants) put(tenant store.Tenant) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = map[string]store.Tenant{}
	}
	k.byID[tenant.ID.String()] = tenant
}

func (k *knownTenants) Tenant(_ context.Context, id string) (store.Tenant, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	tenant, ok := k.byID[id]
	if !ok {
		return store.Tenant{}, store.ErrNotFound
	}
	return tenant, nil
}

type pings struct{}

func (pings) Ping(context.Context) (int64, error) { return 1, nil }

// lines is a log that a test reads. Safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestHealthNeedsNoToken(t *testing.T) {
	s := serve(t, func(_ *api.Config, parts *api.Parts) {
		parts.Checks = map[string]api.Check{"postgres": func(context.Context) error { return store.ErrUnavailable }}
	})
	require.JSONEq(t, `{"status":"ok"}`, string(s.anonymous().get("/healthz").ok(nil).body))
	require.JSONEq(t, `{"ping_count":1}`, string(s.anonymous().get("/ping").ok(nil).body))
	var ready struct{ Checks map[string]string }
	answer := s.anonymous().get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, answer.status)
	require.NoError(t, json.Unmarshal(answer.body, &ready))
	require.Equal(t, map[string]string{"postgres": store.ErrUnavailable.Error()}, ready.Checks)
}
