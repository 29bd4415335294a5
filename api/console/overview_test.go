package console

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// manyTenants has work of each waiting, of each older than that of the one before.
type manyTenants struct {
	Letters
	tenants int
	reads   atomic.Int64
	rates   atomic.Int64 // tenants that rates were read of
}

func (m *manyTenants) Freshness(context.Context) (store.FreshnessFacts, error) {
	m.reads.Add(1)
	now := time.Now()
	facts := store.FreshnessFacts{At: now, EvaluatedAt: now, Tenants: make([]store.TenantFacts, m.tenants)}
	for i := range facts.Tenants {
		since := now.Add(-time.Duration(i) * 9 * time.Hour / time.Duration(m.tenants))
		work := make([]store.Work, len(events.Pausable))
		for n, stage := range events.Pausable {
			work[n] = store.Work{Stage: stage, Source: "mls", Entry: store.LiveEntry, Events: 1, OldestOccurred: since, OldestAccepted: since, OldestDue: since}
		}
		facts.Tenants[i] = store.TenantFacts{Work: work, Tenant: store.Tenant{
			ID: uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)), Name: fmt.Sprintf("tenant-%05d", i), State: store.TenantActive, CreatedAt: now,
		}}
	}
	return facts, nil
}

func (m *manyTenants) FreshnessSigns(_ context.Context, tenants []store.TenantFacts) error {
	for i := range tenants {
		tenants[i].Sources = []store.SourceSigns{{Source: "mls", LastLive: time.Now()}}
	}
	return nil
}

func (m *manyTenants) FreshnessRates(_ context.Context, tenants []store.TenantFacts) error {
	m.rates.Add(int64(len(tenants)))
	return nil
}

func (m *manyTenants) FreshnessHistory(
	_ context.Context, tenants []uuid.UUID, from, to time.Time, step time.Duration,
) (map[uuid.UUID][]store.FreshnessSample, error) {
	history := map[uuid.UUID][]store.FreshnessSample{}
	for _, tenant := range tenants {
		for at := from; !at.After(to); at = at.Add(step) {
			history[tenant] = append(history[tenant], store.FreshnessSample{At: at, State: store.Fresh})
		}
	}
	return history, nil
}

// The page of 10,000 tenants is as large as that of 25, and all who look share one reading of them.
func TestTheOverviewOf10000Tenants(t *testing.T) {
	t.Parallel()
	m := &manyTenants{tenants: 10_000}
	c := New(Parts{Platform: m, Log: zerolog.Nop()})
	who := api.Visitor{Principal: auth.Principal{Platform: true}}
	open := func(path string) string {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		page, err := c.overview(t.Context(), who, r)
		require.NoError(t, err)
		w := httptest.NewRecorder()
		c.render(w, r, http.StatusOK, look{shown: page, Visitor: &who, Live: true})
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		return w.Body.String()
	}
	began := time.Now()
	first := open("/")
	t.Logf("the first page took %s and is %d bytes", time.Since(began), len(first))
	require.Less(t, len(first), 64<<10)
	require.Equal(t, overviewRows, strings.Count(first, `class="spark"`))
	require.Contains(t, first, "tenant-09999", "the worst first")
	require.Contains(t, first, "Page 1 of 400")
	require.Contains(t, open("/?page=400"), "tenant-00000")
	require.Contains(t, open("/?name=NT-012"), "100 tenants of those asked for")
	require.NotContains(t, open("/?state=critical"), "tenant-00000")
	require.LessOrEqual(t, m.reads.Load(), int64(2), "one reading for all")
	require.LessOrEqual(t, m.rates.Load(), int64(4*overviewRows), "rates are read of what is shown alone")
}

func TestWhoLooksFromTheLookoutWaitsNoLongerThanTheyWant(t *testing.T) {
	t.Parallel()
	l := newLookout(&manyTenants{tenants: 1})
	<-l.turn // somebody reads, and takes their time
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.look(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestHoursFitTheirTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 15, 12, 10, 0, 0, time.UTC)
	hour := func(back int) time.Time { return now.Truncate(time.Hour).Add(-time.Duration(back) * time.Hour) }
	h := newHours([]store.LetterHour{{Hour: hour(0), Open: 1}, {Hour: hour(2), Open: 30, Replayed: 30}}, now)
	require.Equal(t, 240, h.Width, "a day")
	require.Equal(t, int64(60), h.Most)
	require.Equal(t, "M215 60v-30M235 60v-1", h.Open, "what is little can be seen")
	require.Equal(t, "M215 30v-30", h.Else)
	require.Equal(t, "61 died in the last 24 hours; the most within an hour, 60, from 2026-01-15 10:00 UTC on", h.Words)
	require.Equal(t, 720, newHours([]store.LetterHour{{Hour: hour(0), Open: 1}, {Hour: hour(40), Open: 1}}, now).Width)
	h = newHours([]store.LetterHour{{Hour: hour(300), Open: 1}}, now)
	require.Equal(t, 840, h.Width)
	require.NotEmpty(t, h.Open)
	require.Contains(t, newHours([]store.LetterHour{{Hour: hour(3000), Open: 1}}, now).Words, "none died")
}
