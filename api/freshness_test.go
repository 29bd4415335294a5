package api_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

var looked = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// factsOf are those of a tenant whose oldest work is so old.
func factsOf(tenant uuid.UUID, age time.Duration) store.TenantFacts {
	since := looked.Add(-age)
	return store.TenantFacts{
		Tenant:  store.Tenant{ID: tenant, Name: "tenant " + tenant.String(), State: store.TenantActive},
		Sources: []store.SourceSigns{{Source: "mls", LastLive: looked}},
		Work: []store.Work{{
			Stage: events.Embedding, Source: "mls", Entry: store.LiveEntry, Events: 2, OldestOccurred: since, OldestAccepted: since, OldestDue: since,
		}},
	}
}

// knownFreshness is Postgres, for all tenants and for each.
type knownFreshness struct {
	all   []store.TenantFacts
	rated []uuid.UUID
	err   error
}

func (k *knownFreshness) Freshness(context.Context) (store.FreshnessFacts, error) {
	return store.FreshnessFacts{At: looked, Tenants: k.all}, k.err
}

func (k *knownFreshness) FreshnessSigns(context.Context, []store.TenantFacts) error { return k.err }

func (k *knownFreshness) FreshnessRates(_ context.Context, tenants []store.TenantFacts) error {
	k.rated = nil
	for _, tenant := range tenants {
		k.rated = append(k.rated, tenant.Tenant.ID)
	}
	return k.err
}

type freshnessAnswer struct {
	At      time.Time
	States  map[string]int
	Tenants []struct {
		Tenant uuid.UUID
		State  string
		Stage  string
		Reason string
	}
}

func TestFreshnessOfATenantIsItsOwn(t *testing.T) {
	asked := uuid.Nil
	s := serve(t, func(_ *api.Config, p *api.Parts) {
		p.Freshness = func(tenant uuid.UUID) api.Freshness {
			asked = tenant
			return &knownFreshness{all: []store.TenantFacts{factsOf(tenant, 5*time.Hour)}}
		}
		p.FreshnessOfAll = &knownFreshness{err: fmt.Errorf("must not be asked")}
	})
	mine, other := s.tenant(), s.tenant()
	var got freshnessAnswer
	s.as(mine, auth.Reader).get("/v1/freshness").ok(&got)
	require.Equal(t, mine, asked)
	require.Len(t, got.Tenants, 1)
	require.Equal(t, []string{"warning", "embedding"}, []string{got.Tenants[0].State, got.Tenants[0].Stage})
	require.Equal(t, "2 events of mls wait at embedding, the oldest for 5h00m", got.Tenants[0].Reason)
	require.Equal(t, map[string]int{"warning": 1}, got.States)

	s.platform(auth.Operator).get("/v1/freshness?tenant=" + other.String()).ok(&got)
	require.Equal(t, other, asked)
	s.as(mine, auth.Reader).get("/v1/freshness?tenant="+other.String()).problem(http.StatusForbidden, api.ProblemForbidden)
	s.as(mine, auth.Publisher).get("/v1/freshness").problem(http.StatusForbidden, api.ProblemForbidden)
}

func TestPlatformSeesAllTenantsTheWorstFirst(t *testing.T) {
	known := &knownFreshness{}
	s := serve(t, func(_ *api.Config, p *api.Parts) { p.FreshnessOfAll = known })
	good, late, critical := s.tenant(), s.tenant(), s.tenant()
	known.all = []store.TenantFacts{factsOf(good, 0), factsOf(late, 3*time.Hour), factsOf(critical, 9*time.Hour)}
	all := s.platform(auth.Reader)
	order := func(query string) []uuid.UUID {
		t.Helper()
		var got freshnessAnswer
		all.get("/v1/freshness" + query).ok(&got)
		require.Equal(t, map[string]int{"fresh": 1, "unknown": 0, "late": 1, "warning": 0, "critical": 1}, got.States, "of all, whatever is shown")
		require.True(t, looked.Equal(got.At))
		ids := []uuid.UUID{}
		for _, tenant := range got.Tenants {
			ids = append(ids, tenant.Tenant)
		}
		require.ElementsMatch(t, ids, known.rated, "the dear part is read for these alone")
		return ids
	}
	require.Equal(t, []uuid.UUID{critical, late, good}, order(""))
	require.Equal(t, []uuid.UUID{critical, late}, order("?limit=2"))
	require.Equal(t, []uuid.UUID{late}, order("?state=late,unknown"))
	require.Empty(t, order("?state=warning"))
	all.get("/v1/freshness?state=stale").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)
	all.get("/v1/freshness?limit=0").problem(http.StatusUnprocessableEntity, api.ProblemInvalid)

	known.err = store.ErrUnavailable
	all.get("/v1/freshness").problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
}
