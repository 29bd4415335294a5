package freshness

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// timesEvery is how often histograms are written. What a process has not written when it is killed is lost: they are
// statistics.
const timesEvery = time.Minute

// TimesRecords is what Times needs of a tenant's part of Postgres.
type TimesRecords interface {
	// AddSearchableTimes adds to the tenant's histograms.
	AddSearchableTimes(ctx context.Context, times []store.SearchableTimes) error
}

// Times measures how long events took until search found them, where the indexing stage runs: as metrics over all tenants,
// and per tenant and hour in Postgres. It is safe for concurrent use.
type Times struct {
	records func(tenant uuid.UUID) TimesRecords
	log     zerolog.Logger

	sinceEvent, sinceAcceptance *prometheus.HistogramVec

	mu        sync.Mutex
	collected map[timesKey][]int64
}

type timesKey struct {
	tenant uuid.UUID
	hour   time.Time
	entry  store.EntryLane
}

// NewTimes starts a collection and registers its metrics; records hands out tenant-bound handles.
func NewTimes(records func(uuid.UUID) TimesRecords, registry prometheus.Registerer, log zerolog.Logger) *Times {
	t := &Times{
		records: records, log: log, collected: map[timesKey][]int64{},
		sinceEvent: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "reos_event_to_searchable_seconds",
			Help:    "From an event's own time to the moment when search finds its record.",
			Buckets: prometheus.ExponentialBuckets(0.01, 2, 24),
		}, []string{"entry"}),
		sinceAcceptance: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "reos_acceptance_to_searchable_seconds",
			Help:    "From an event's acceptance to the moment when search finds its record.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 20),
		}, []string{"entry"}),
	}
	registry.MustRegister(t.sinceEvent, t.sinceAcceptance)
	return t
}

// Searchable notes that search finds now what an event brought.
func (t *Times) Searchable(tenant uuid.UUID, lane string, step events.Step) {
	now, entry := time.Now(), store.LiveEntry
	if lane == events.BulkLane {
		entry = store.BulkEntry
	}
	took := max(0, now.Sub(step.OccurredAt))
	t.sinceEvent.WithLabelValues(string(entry)).Observe(took.Seconds())
	t.sinceAcceptance.WithLabelValues(string(entry)).Observe(max(0, now.Sub(step.AcceptedAt)).Seconds())
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bucketsOf(timesKey{tenant, now.UTC().Truncate(time.Hour), entry})[store.TimeBucket(took)]++
}

func (t *Times) bucketsOf(key timesKey) []int64 {
	buckets, ok := t.collected[key]
	if !ok {
		buckets = make([]int64, len(store.TimeBuckets)+1)
		t.collected[key] = buckets
	}
	return buckets
}

// Run writes what was collected at intervals, until ctx ends, and once more then.
func (t *Times) Run(ctx context.Context) {
	ticker := time.NewTicker(timesEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		select {
		case <-ticker.C:
			t.Flush(ctx)
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	t.Flush(last)
}

// Flush writes what was collected. What cannot be written just now is kept for the next time.
func (t *Times) Flush(ctx context.Context) {
	t.mu.Lock()
	collected := t.collected
	t.collected = map[timesKey][]int64{}
	t.mu.Unlock()
	byTenant := map[uuid.UUID][]store.SearchableTimes{}
	for key, buckets := range collected {
		byTenant[key.tenant] = append(byTenant[key.tenant],
			store.SearchableTimes{Tenant: key.tenant, Hour: key.hour, Entry: key.entry, Buckets: buckets})
	}
	away := false
	for tenant, times := range byTenant {
		if !away {
			err := t.records(tenant).AddSearchableTimes(ctx, times)
			if err == nil || errors.Is(err, store.ErrTenantDeleted) {
				continue
			}
			t.log.Warn().Err(err).Stringer("tenant_id", tenant).Msg("searchable times not written yet")
			away = errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil
		}
		t.keep(times)
	}
}

func (t *Times) keep(times []store.SearchableTimes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range times {
		buckets := t.bucketsOf(timesKey{one.Tenant, one.Hour, one.Entry})
		for i, n := range one.Buckets {
			buckets[i] += n
		}
	}
}
