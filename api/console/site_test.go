package console_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// site is a console on a database of the test's own.
type site struct {
	t      *testing.T
	db     *postgres.DB
	tokens auth.Config
	server *httptest.Server
	one    uuid.UUID // a tenant
	other  uuid.UUID
}

func newSite(t *testing.T, change ...func(*console.Parts)) *site {
	t.Helper()
	s := &site{t: t, db: postgrestest.New(t), tokens: auth.Config{Secret: strings.Repeat("secret ", 6), Issuer: "reos", Audience: "reos-api"}}
	s.one, s.other = postgrestest.NewTenant(t, s.db), postgrestest.NewTenant(t, s.db)
	verifier, err := auth.New(t.Context(), s.tokens, zerolog.Nop())
	require.NoError(t, err)
	parts := console.Parts{
		Rows: func(id uuid.UUID) console.Rows { return s.db.Tenant(id) }, Platform: s.db.Platform(), Log: zerolog.Nop(),
	}
	for _, apply := range change {
		apply(&parts)
	}
	s.server = httptest.NewServer(api.New(api.Config{
		RequestsPerSec: 1000, RequestBurst: 1000, RequestTimeout: 10 * time.Second, BodyTimeout: 10 * time.Second, TenantCacheTime: time.Minute,
	}, api.Parts{
		Verifier: verifier, Tenants: s.db.Platform(), Pings: s.db.Platform(), Registry: prometheus.NewRegistry(), Log: zerolog.Nop(),
		Pages: console.New(parts),
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *site) token(who auth.Principal) string {
	s.t.Helper()
	who.Subject = "test"
	token, err := auth.Mint(s.tokens, who, time.Now(), time.Hour)
	require.NoError(s.t, err)
	return token
}

func (s *site) readerOf(tenant uuid.UUID) string {
	return s.token(auth.Principal{Tenant: tenant, Roles: []auth.Role{auth.Reader}})
}

// answer is what a page's request was answered with.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks for a page in a session; without one where the token is empty. Redirects are not followed.
func (s *site) get(path, token string, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodGet, path, token, nil, headers...)
}

// post sends a form.
func (s *site) post(path, token string, form url.Values, headers ...string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, path, token, form, append(headers, "Content-Type", "application/x-www-form-urlencoded")...)
}

func (s *site) do(method, path, token string, form url.Values, headers ...string) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	request.Header.Set("Accept", "text/html")
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	if token != "" {
		request.AddCookie(&http.Cookie{Name: "reos_console", Value: token})
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return answer{response.StatusCode, response.Header, string(body)}
}

// accept lets ingestion accept an event of a tenant, as a version of a record that waits at quality.
func (s *site) accept(tenant uuid.UUID, id, key string) uuid.UUID {
	s.t.Helper()
	e := events.Event{ID: id, Source: "mls/x"}
	version := events.NewVersion(time.Now(), 0)
	ref := store.Ref{Type: events.Property, Key: key}
	err := s.db.Tenant(tenant).Ingest(context.Background(), []uuid.UUID{e.UID()}, []store.Ref{ref}, func(store.Known) (store.IngestPlan, error) {
		return store.IngestPlan{
			Accepted: []store.Acceptance{{
				Event: e.UID(), ID: id, Source: e.Source, Type: events.Type(events.Property, events.Upserted), Ref: ref, Version: version,
				OccurredAt: time.Now(), RunID: "run-" + id, Lane: "a", Next: events.Quality,
			}},
			Records: []store.RecordWrite{{Event: e.UID(), Record: events.Record{Type: ref.Type, Key: key, Version: version, Doc: []byte(`{"City":"Kirkland"}`)}}},
		}, nil
	})
	require.NoError(s.t, err)
	return e.UID()
}
