package reconcile_test

import (
	"context"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")

	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
)

// fakeTransport is a broker: every queue that the topology has is empty, but for those in depths.
type fakeTransport struct {
	events.Transport
	topology events.Topology

	mu        sync.Mutex
	depths    map[string]int
	looks     int
	published []events.Outgoing
	failure   error
}

func newTransport() *fakeTransport {
	return &fakeTransport{topology: events.DefaultTopology(), depths: map[string]int{}}
}

func (f *fakeTransport) Depths(context.Context) (map[string]int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looks++
	all := map[string]int{}
	for _, queue := range f.topology.Queues() {
		all[queue.Name] = f.depths[queue.Name]
	}
	return all, nil
}

func (f *fakeTransport) PublishBatch(_ context.Context, batch []events.Outgoing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failure != nil {
		return f.failure
	}
	f.published = append(f.published, batch...)
	return nil
}

// said is an event that was published, and where to.
type said struct {
	topic string
	event events.Event
	step  events.Step
}

func (f *fakeTransport) said(t *testing.T) []said {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []said
	for _, out := range f.published {
		members, ok := events.Unbundle(out.Message)
		require.True(t, ok, "stages speak in bundles")
		for _, member := range members {
			require.NoError(t, member.Err)
			step, err := events.DecodeStep(member.Event)
			require.NoError(t, err)
			all = append(all, said{out.Topic, member.Event, step})
		}
	}
	return all
}

// fakeOverdue is progress: each tenant's unmoved events, handed out once.
type fakeOverdue struct {
	mu      sync.Mutex
	unmoved map[uuid.UUID][]store.Unmoved
	asked   []store.Overdue
}

func (f *fakeOverdue) Behind(context.Context, time.Duration) ([]uuid.UUID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var behind []uuid.UUID
	for _, tenant := range []uuid.UUID{tenantA, tenantB} {
		if len(f.unmoved[tenant]) > 0 {
			behind = append(behind, tenant)
		}
	}
	return behind, nil
}

type overdueOf struct {
	*fakeOverdue
	tenant uuid.UUID
}

func (f overdueOf) Redrive(_ context.Context, q store.Overdue) ([]store.Unmoved, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, q)
	var marked, left []store.Unmoved
	for _, u := range f.unmoved[f.tenant] {
		if len(marked) < q.Limit && slices.Contains(q.Places, u.Place) {
			marked = append(marked, u)
		} else {
			left = append(left, u)
		}
	}
	f.unmoved[f.tenant] = left
	return marked, nil
}

// fakeStores are one tenant's stores.
type fakeStores struct {
	mu        sync.Mutex
	standings []store.IndexStanding // in the order of their keys
	points    []store.PointRef      // in the order of their ids
	named     []store.ArchiveObject
	held      []store.ArchiveObject
	doubted   []store.IndexEntry
	deleted   []string
	look      func() // runs before every look at some standings
	listed    error
}

func (f *fakeStores) StandingsAfter(_ context.Context, _, after string, limit int) ([]store.IndexStanding, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var page []store.IndexStanding
	for _, s := range f.standings {
		if s.Key > after && len(page) < limit {
			page = append(page, s)
		}
	}
	return page, nil
}

func (f *fakeStores) Standings(_ context.Context, _ string, keys []string) ([]store.IndexStanding, error) {
	if f.look != nil {
		f.look()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.standings), func(s store.IndexStanding) bool { return !slices.Contains(keys, s.Key) }), nil
}

func (f *fakeStores) Existing(_ context.Context, keys []string) ([]string, error) {
	var existing []string
	for _, s := range f.standings {
		if slices.Contains(keys, s.Key) {
			existing = append(existing, s.Key)
		}
	}
	return existing, nil
}

func (f *fakeStores) Doubt(_ context.Context, entries []store.IndexEntry) error {
	f.doubted = append(f.doubted, entries...)
	return nil
}

func (f *fakeStores) ArchiveObjects(context.Context) iter.Seq2[store.ArchiveObject, error] {
	return yielding(f.named, nil)
}

func yielding[T any](all []T, last error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
		if last != nil {
			var none T
			yield(none, last)
		}
	}
}

type fakePoints struct{ *fakeStores }

func (f fakePoints) Points(_ context.Context, keys []string) (map[string]store.PointRef, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string]store.PointRef{}
	for _, point := range f.points {
		if slices.Contains(keys, point.Key) && point.ID == store.PointID(tenantA, point.Key).String() {
			found[point.Key] = point
		}
	}
	return found, nil
}

func (f fakePoints) List(context.Context) iter.Seq2[[]store.PointRef, error] {
	return yielding([][]store.PointRef{f.points}, f.listed)
}

func (f fakePoints) DeletePoints(_ context.Context, ids []string) error {
	f.deleted = append(f.deleted, ids...)
	return nil
}

type fakeArchive struct{ *fakeStores }

func (f fakeArchive) ArchiveObjects(context.Context) iter.Seq2[store.ArchiveObject, error] {
	return yielding(f.held, f.listed)
}

type fakePlatform []store.Tenant

func (f fakePlatform) Tenants(context.Context) ([]store.Tenant, error) { return slices.Clone(f), nil }

func (f *fakeStores) stores() reconcile.Stores {
	return reconcile.Stores{
		Records: func(uuid.UUID) reconcile.Records { return f },
		Points:  func(uuid.UUID) reconcile.Points { return fakePoints{f} },
		Archive: func(uuid.UUID) reconcile.Archive { return fakeArchive{f} },
	}
}

// samples reads the registry's counters and gauges: name, or name/label.
func samples(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name := family.GetName()
			for _, label := range metric.GetLabel() {
				name += "/" + label.GetValue()
			}
			all[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return all
}
