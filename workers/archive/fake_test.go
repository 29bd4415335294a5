package archive_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/archive"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

// fakeStores are Postgres and the object store of all tenants, as far as an Archiver sees them.
type fakeStores struct {
	mu       sync.Mutex
	staged   map[uuid.UUID][]store.StagedRaw // oldest first
	archived map[uuid.UUID]store.Span
	objects  map[string][]store.Frame
	puts     int

	putFails     func(tenant uuid.UUID) error
	unstageFails error
}

func newFakeStores() *fakeStores {
	return &fakeStores{
		staged: map[uuid.UUID][]store.StagedRaw{}, archived: map[uuid.UUID]store.Span{}, objects: map[string][]store.Frame{},
		putFails: func(uuid.UUID) error { return nil },
	}
}

// stage adds the raw bytes of an event.
func (f *fakeStores) stage(tenant uuid.UUID, at time.Time, bytes int) uuid.UUID {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := uuid.New()
	f.staged[tenant] = append(f.staged[tenant], store.StagedRaw{Event: id, StagedAt: at, Frame: store.Frame{Packed: make([]byte, bytes)}})
	return id
}

func (f *fakeStores) Staging(context.Context) ([]store.Staging, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []store.Staging
	for tenant, staged := range f.staged {
		if len(staged) == 0 {
			continue
		}
		s := store.Staging{Tenant: tenant, Events: len(staged), Oldest: staged[0].StagedAt}
		for _, one := range staged {
			s.Bytes += int64(len(one.Frame.Packed))
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b store.Staging) int { return a.Oldest.Compare(b.Oldest) })
	return all, nil
}

// tenantStores are one tenant's part.
type tenantStores struct {
	*fakeStores
	tenant uuid.UUID
}

func (f tenantStores) StagedRaw(_ context.Context, after time.Duration, bytes int64) ([]store.StagedRaw, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var page []store.StagedRaw
	for _, s := range f.staged[f.tenant] {
		if bytes > 0 && time.Since(s.StagedAt) > after {
			page = append(page, s)
			bytes -= int64(len(s.Frame.Packed))
		}
	}
	return page, nil
}

func (f tenantStores) PutFrames(_ context.Context, name string, frames []store.Frame) ([]store.Span, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.putFails(f.tenant); err != nil {
		return nil, fmt.Errorf("put: %w", err)
	}
	f.puts++
	key := f.tenant.String() + "/raw/" + name
	f.objects[key] = frames
	spans := make([]store.Span, len(frames))
	for i := range spans {
		spans[i] = store.Span{Key: key, Offset: int64(i)}
	}
	return spans, nil
}

func (f tenantStores) Unstage(_ context.Context, events []uuid.UUID, spans []store.Span) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unstageFails != nil {
		return f.unstageFails
	}
	f.staged[f.tenant] = slices.DeleteFunc(f.staged[f.tenant], func(s store.StagedRaw) bool {
		at := slices.Index(events, s.Event)
		if at >= 0 {
			f.archived[s.Event] = spans[at]
		}
		return at >= 0
	})
	return nil
}

func newArchiver(f *fakeStores, after time.Duration) (*archive.Archiver, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	return archive.New(f,
		func(id uuid.UUID) archive.Records { return tenantStores{f, id} },
		func(id uuid.UUID) archive.Objects { return tenantStores{f, id} },
		archive.Config{After: after}, archive.NewMetrics(registry), zerolog.Nop()), registry
}

// samples reads the registry's metrics.
func samples(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			all[family.GetName()] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return all
}
