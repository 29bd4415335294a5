package qdrant_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

const (
	testModel = "test/hashed-v1"
	testSize  = 16
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestQdrantContract runs every behaviour against the embedded server and, when QDRANT_URL is set, against that server too.
func TestQdrantContract(t *testing.T) {
	behaviours := []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"upsert, then search finds it with score 1", searchFinds},
		{"invariant 2: upsert twice is upsert once", upsertTwice},
		{"a newer point replaces the older one", newerReplaces},
		{"invariant 3: of one batch's versions the newest is written", newestOfBatch},
		{"delete takes the point out of searches", deleteRemoves},
		{"delete of a missing point does nothing", deleteMissing},
		{"invariant 4: tenant A does not see or touch tenant B", tenantsApart},
		{"invariant 4: the nil tenant is refused", nilTenantRefused},
		{"filters narrow a search, bounds included", filtersNarrow},
		{"cities with quotes and other scripts match exactly", citiesMatch},
		{"a circle finds what lies inside it, around the Earth", circlesMatch},
		{"a circle's edge lies outside of it", circlesExcludeTheirEdge},
		{"a circle together with other filters", circlesWithFilters},
		{"keys of any bytes come back as they went", keysRoundTrip},
		{"a listing shows every point of the tenant once, page by page", listPages},
		{"a listing shows points that somebody else made", listStrays},
		{"invariant 4: points are deleted by id in the tenant only", deleteByID},
		{"a purge leaves nothing of the tenant, in no collection", purges},
		{"an empty batch is nothing to do", emptyBatches},
		{"a thousand points in one call", thousandPoints},
		{"a search returns its limit, best first", searchOrders},
		{"a vector of another size is the caller's error", wrongSize},
		{"a query that cannot be right is refused", badQueries},
		{"ensure is safe to repeat and to race", ensureRaces},
		{"ensure refuses a collection of another size", ensureOtherSize},
		{"ensure of a new model moves the alias, the old client keeps its collection", ensureMovesAlias},
		{"an outage is ErrUnavailable, and ends", outageEnds},
		{"the caller's own end is not an outage", callerEnds},
	}
	for name, url := range servers(t) {
		t.Run(name, func(t *testing.T) {
			for _, behaviour := range behaviours {
				t.Run(behaviour.name, func(t *testing.T) {
					t.Parallel()
					behaviour.run(t, newFixture(t, url))
				})
			}
		})
	}
}

func searchFinds(t *testing.T, f *fixture) {
	point := fullPoint("MLS-1")
	f.upsert(point)
	hits := f.search(store.Query{Vector: point.Vector, Limit: 5})
	require.Len(t, hits, 1)
	require.InDelta(t, 1, hits[0].Score, 1e-5)
	require.Equal(t, point.Key, hits[0].Key)
	require.Equal(t, point.Payload, hits[0].Payload)
	require.Zero(t, point.Version.Compare(hits[0].Version))

	bare := store.Point{Key: "MLS-2", Version: version(1), Vector: vector(99)}
	f.upsert(bare)
	hits = f.search(store.Query{Vector: bare.Vector, Limit: 1})
	require.Equal(t, bare.Key, hits[0].Key)
	require.Equal(t, store.Payload{}, hits[0].Payload, "what the record does not say stays unsaid")
}

func upsertTwice(t *testing.T, f *fixture) {
	point := fullPoint("MLS-1")
	f.upsert(point)
	f.upsert(point)
	require.Equal(t, 1, f.count())
}

func newerReplaces(t *testing.T, f *fixture) {
	older, newer := fullPoint("MLS-1"), fullPoint("MLS-1")
	newer.Version, newer.Vector, newer.Payload = version(2), vector(2), store.Payload{City: "Reno"}
	f.upsert(older)
	f.upsert(newer)
	require.Equal(t, 1, f.count())
	hits := f.search(store.Query{Vector: newer.Vector, Limit: 5})
	require.Len(t, hits, 1)
	require.InDelta(t, 1, hits[0].Score, 1e-5)
	require.Equal(t, newer.Payload, hits[0].Payload, "nothing of the older payload is left")
	require.Zero(t, newer.Version.Compare(f.versions("MLS-1")["MLS-1"]))
}

func newestOfBatch(t *testing.T, f *fixture) {
	var points []store.Point
	for sequence := range int64(600) {
		points = append(points, store.Point{Key: "MLS-1", Version: version(sequence), Vector: vector(1)})
	}
	rand.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	f.upsert(points...)
	require.Equal(t, int64(599), f.versions("MLS-1")["MLS-1"].Sequence)
}

func deleteRemoves(t *testing.T, f *fixture) {
	f.upsert(fullPoint("MLS-1"), fullPoint("MLS-2"))
	require.NoError(t, f.tenant.Delete(t.Context(), []string{"MLS-1"}))
	hits := f.search(store.Query{Vector: vector(1), Limit: 5})
	require.Equal(t, []string{"MLS-2"}, keysOf(hits))
	require.Equal(t, 1, f.count())
	require.NotContains(t, f.versions("MLS-1", "MLS-2"), "MLS-1")
}

func deleteMissing(t *testing.T, f *fixture) {
	f.upsert(fullPoint("MLS-1"))
	require.NoError(t, f.tenant.Delete(t.Context(), []string{"never", "seen"}))
	require.Equal(t, 1, f.count())
}

func tenantsApart(t *testing.T, f *fixture) {
	mine, theirs := f.tenant, f.client.Tenant(uuid.New())
	secret := fullPoint("MLS-B")
	require.NoError(t, theirs.Upsert(t.Context(), []store.Point{secret}))

	require.Empty(t, f.search(store.Query{Vector: secret.Vector, Limit: 10}))
	require.Empty(t, f.search(store.Query{Vector: secret.Vector, Limit: 10, Filter: store.Filter{City: secret.Payload.City}}))
	require.Empty(t, f.versions(secret.Key))
	require.Zero(t, f.count())
	require.NoError(t, mine.Delete(t.Context(), []string{secret.Key}))

	f.upsert(store.Point{Key: secret.Key, Version: version(9), Vector: vector(2)})
	points, err := theirs.Points(t.Context(), []string{secret.Key})
	require.NoError(t, err)
	require.Zero(t, secret.Version.Compare(points[secret.Key].Version), "a record of mine with their key is another record")
	hits, err := theirs.Search(t.Context(), store.Query{Vector: secret.Vector, Limit: 10})
	require.NoError(t, err)
	require.Equal(t, []string{secret.Key}, keysOf(hits))
	require.InDelta(t, 1, hits[0].Score, 1e-5)
}

func nilTenantRefused(t *testing.T, f *fixture) {
	nobody := f.client.Tenant(uuid.Nil)
	require.ErrorIs(t, nobody.Upsert(t.Context(), nil), qdrant.ErrNoTenant)
	require.ErrorIs(t, nobody.Delete(t.Context(), nil), qdrant.ErrNoTenant)
	_, err := nobody.Search(t.Context(), store.Query{Vector: vector(1), Limit: 1})
	require.ErrorIs(t, err, qdrant.ErrNoTenant)
	_, err = nobody.Points(t.Context(), nil)
	require.ErrorIs(t, err, qdrant.ErrNoTenant)
	_, err = nobody.Count(t.Context())
	require.ErrorIs(t, err, qdrant.ErrNoTenant)
}

func filtersNarrow(t *testing.T, f *fixture) {
	home := func(key string, price float64, bedrooms int64, city, status string) store.Point {
		return store.Point{Key: key, Version: version(1), Vector: vector(1), Payload: store.Payload{
			ListPrice: &price, Bedrooms: &bedrooms, City: city, Status: status,
		}}
	}
	f.upsert(
		home("a", 100_000, 1, "Reno", "Active"),
		home("b", 250_000.5, 2, "Reno", "Closed"),
		home("c", 500_000, 3, "Sparks", "Active"),
		store.Point{Key: "silent", Version: version(1), Vector: vector(1)},
	)
	for _, c := range []struct {
		filter store.Filter
		want   string
	}{
		{store.Filter{}, "a b c silent"},
		{store.Filter{MinPrice: ptr(250_000.5)}, "b c"},
		{store.Filter{MaxPrice: ptr(250_000.5)}, "a b"},
		{store.Filter{MinPrice: ptr(250_000.51), MaxPrice: ptr(499_999.99)}, ""},
		{store.Filter{MinBedrooms: ptr(int64(2))}, "b c"},
		{store.Filter{MaxBedrooms: ptr(int64(2))}, "a b"},
		{store.Filter{City: "Reno"}, "a b"},
		{store.Filter{City: "reno"}, ""},
		{store.Filter{Status: "Active"}, "a c"},
		{store.Filter{City: "Reno", Status: "Active", MinBedrooms: ptr(int64(1)), MaxPrice: ptr(1e6)}, "a"},
	} {
		require.Equal(t, c.want, f.found(c.filter), "%+v", c.filter)
	}
}

func citiesMatch(t *testing.T, f *fixture) {
	cities := []string{`Coeur d'Alene`, `"The" City\`, `São Paulo`, `東京 🏠`, `a"} OR {"x`, strings.Repeat("長", 200)}
	for i, city := range cities {
		f.upsert(store.Point{Key: city, Version: version(1), Vector: vector(uint64(i)), Payload: store.Payload{City: city}})
	}
	for _, city := range cities {
		require.Equal(t, []string{city}, keysOf(f.search(store.Query{Vector: vector(1), Limit: 10, Filter: store.Filter{City: city}})))
	}
}

func keysRoundTrip(t *testing.T, f *fixture) {
	keys := []string{strings.Repeat("🏠", 255), strings.Repeat("é\u0301", 127), "", " ", "a/b?c#d", "nul\x00inside", "not utf-8 \xff\xfe", `"`}
	var points []store.Point
	for i, key := range keys {
		points = append(points, store.Point{Key: key, Version: version(int64(i)), Vector: vector(uint64(i))})
	}
	f.upsert(points...)
	require.ElementsMatch(t, keys, keysOf(f.search(store.Query{Vector: vector(1), Limit: 20})))
	versions := f.versions(keys...)
	for i, key := range keys {
		require.Equal(t, int64(i), versions[key].Sequence, "%q", key)
	}
	require.NoError(t, f.tenant.Delete(t.Context(), keys))
	require.Zero(t, f.count())
}

func emptyBatches(t *testing.T, f *fixture) {
	require.NoError(t, f.tenant.Upsert(t.Context(), nil))
	require.NoError(t, f.tenant.Delete(t.Context(), nil))
	require.Empty(t, f.versions())
	require.Zero(t, f.count())
}

func thousandPoints(t *testing.T, f *fixture) {
	points := make([]store.Point, 1000)
	keys := make([]string, len(points))
	for i := range points {
		keys[i] = fmt.Sprintf("MLS-%d", i)
		points[i] = store.Point{Key: keys[i], Version: version(int64(i)), Vector: vector(uint64(i))}
	}
	f.upsert(points...)
	require.Equal(t, 1000, f.count())
	require.Len(t, f.versions(append(keys, "missing")...), 1000)
	require.Equal(t, "MLS-777", f.search(store.Query{Vector: vector(777), Limit: 1})[0].Key)
	require.NoError(t, f.tenant.Delete(t.Context(), keys[:999]))
	require.Equal(t, 1, f.count())
	require.Equal(t, []string{"MLS-999"}, keysOf(f.search(store.Query{Vector: vector(999), Limit: 10})))
}

func searchOrders(t *testing.T, f *fixture) {
	for i := range 20 {
		f.upsert(store.Point{Key: fmt.Sprint(i), Version: version(1), Vector: vector(uint64(i))})
	}
	hits := f.search(store.Query{Vector: vector(3), Limit: 7})
	require.Len(t, hits, 7)
	require.Equal(t, "3", hits[0].Key)
	require.True(t, slices.IsSortedFunc(hits, func(a, b store.Hit) int { return cmp.Compare(b.Score, a.Score) }))
}

func wrongSize(t *testing.T, f *fixture) {
	err := f.tenant.Upsert(t.Context(), []store.Point{{Key: "MLS-1", Version: version(1), Vector: vector(1)[:testSize-1]}})
	require.ErrorContains(t, err, "upsert points")
	require.NotErrorIs(t, err, store.ErrUnavailable)
	_, err = f.tenant.Search(t.Context(), store.Query{Vector: append(vector(1), 1), Limit: 1})
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrUnavailable)
}

func badQueries(t *testing.T, f *fixture) {
	zero := float32(0)
	for _, query := range []store.Query{
		{Vector: vector(1), Limit: 0},
		{Vector: vector(1), Limit: -1},
		{Vector: []float32{zero / zero}, Limit: 1},
		{Vector: vector(1), Limit: 1, Filter: store.Filter{City: "\xff"}},
	} {
		_, err := f.tenant.Search(t.Context(), query)
		require.Error(t, err)
		require.NotErrorIs(t, err, store.ErrUnavailable)
	}
	err := f.tenant.Upsert(t.Context(), []store.Point{{Key: "k", Vector: vector(1), Payload: store.Payload{City: "\xff"}}})
	require.ErrorContains(t, err, "city is not UTF-8")
}

func ensureRaces(t *testing.T, f *fixture) {
	const processes = 8
	alias := f.alias + "_race"
	f.dropLater(alias)
	var group sync.WaitGroup
	errs := make([]error, processes)
	for i := range processes {
		client := f.open(alias)
		group.Go(func() { errs[i] = client.Ensure(t.Context(), testModel, testSize) })
	}
	group.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	client := f.open(alias)
	require.NoError(t, client.Ensure(t.Context(), testModel, testSize))
	require.NoError(t, client.Ready(t.Context()))
	require.NoError(t, client.Tenant(uuid.New()).Upsert(t.Context(), []store.Point{fullPoint("MLS-1")}))
}

func ensureOtherSize(t *testing.T, f *fixture) {
	f.upsert(fullPoint("MLS-1"))
	f.replaceCollection(testSize + 1)
	err := f.client.Ensure(t.Context(), testModel, testSize)
	require.ErrorContains(t, err, "17 dimensions")
	require.NotErrorIs(t, err, store.ErrUnavailable)
}

func ensureMovesAlias(t *testing.T, f *fixture) {
	f.upsert(fullPoint("MLS-1"))
	next, reader := f.open(f.alias), f.open(f.alias)
	require.Equal(t, 1, count(t, reader.Tenant(f.id)), "the alias names the only collection")

	require.NoError(t, next.Ensure(t.Context(), "another-model", testSize))
	require.Zero(t, count(t, next.Tenant(f.id)), "vectors of two models never meet")
	require.Zero(t, count(t, reader.Tenant(f.id)), "the alias has moved")
	require.Equal(t, 1, f.count(), "who works on the old model keeps its collection")

	require.NoError(t, f.client.Ensure(t.Context(), testModel, testSize))
	require.Equal(t, 1, count(t, reader.Tenant(f.id)), "and back")
}

func outageEnds(t *testing.T, f *fixture) {
	gate := newGate(t, f.url)
	client, err := qdrant.Open(t.Context(), qdrant.Config{URL: gate.url, Collection: f.alias})
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	require.NoError(t, client.Ensure(t.Context(), testModel, testSize))

	gate.shut()
	require.ErrorIs(t, client.Ready(t.Context()), store.ErrUnavailable)
	require.ErrorIs(t, client.Ensure(t.Context(), testModel, testSize), store.ErrUnavailable)
	tenant := client.Tenant(f.id)
	require.ErrorIs(t, tenant.Upsert(t.Context(), []store.Point{fullPoint("MLS-1")}), store.ErrUnavailable)
	require.ErrorIs(t, tenant.Delete(t.Context(), []string{"MLS-1"}), store.ErrUnavailable)
	_, err = tenant.Search(t.Context(), store.Query{Vector: vector(1), Limit: 1})
	require.ErrorIs(t, err, store.ErrUnavailable)
	_, err = tenant.Count(t.Context())
	require.ErrorIs(t, err, store.ErrUnavailable)

	gate.open()
	require.Eventually(t, func() bool { return client.Ready(t.Context()) == nil }, 20*time.Second, 20*time.Millisecond)
	require.NoError(t, tenant.Upsert(t.Context(), []store.Point{fullPoint("MLS-1")}))
}

func callerEnds(t *testing.T, f *fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := f.tenant.Search(ctx, store.Query{Vector: vector(1), Limit: 1})
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.NotErrorIs(t, f.tenant.Upsert(ctx, []store.Point{fullPoint("MLS-1")}), store.ErrUnavailable)
}

// BenchmarkSearch measures a search over one tenant's 20,000 points of 384 dimensions, gRPC included.
func BenchmarkSearch(b *testing.B) {
	const points, dimensions = 20_000, 384
	for name, url := range servers(b) {
		f := newSizedFixture(b, url, dimensions)
		random := rand.New(rand.NewPCG(1, 2))
		batch := make([]store.Point, points)
		for i := range batch {
			price := float64(i)
			batch[i] = store.Point{
				Key: fmt.Sprint(i), Version: version(1), Vector: randomVector(random, dimensions),
				Payload: store.Payload{ListPrice: &price, City: "Reno", Latitude: ptr(39 + random.Float64()), Longitude: ptr(-120 + random.Float64())},
			}
		}
		f.upsert(batch...)
		for kind, filter := range map[string]store.Filter{
			"all": {}, "filtered": {MinPrice: ptr(19_000.0), City: "Reno"},
			"near": {Near: &store.Circle{Center: store.Location{Latitude: 39.5, Longitude: -119.5}, Meters: 10_000}},
		} {
			b.Run(name+"/"+kind, func(b *testing.B) { searchAlone(b, f, filter, dimensions) })
		}
		b.Run(name+"/4 at once", func(b *testing.B) { searchTogether(b, f, dimensions, 4) })
	}
}

func searchAlone(b *testing.B, f *fixture, filter store.Filter, dimensions int) {
	random := rand.New(rand.NewPCG(3, 4))
	for b.Loop() {
		hits := f.search(store.Query{Vector: randomVector(random, dimensions), Limit: 10, Filter: filter})
		require.Len(b, hits, 10)
	}
}

// searchTogether has several callers search at the same time, and reports what one of them waits.
func searchTogether(b *testing.B, f *fixture, dimensions, callers int) {
	var mu sync.Mutex
	var waits []time.Duration
	b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.RunParallel(func(pb *testing.PB) {
		random := rand.New(rand.NewPCG(rand.Uint64(), 4))
		for pb.Next() {
			query := store.Query{Vector: randomVector(random, dimensions), Limit: 10}
			began := time.Now()
			_, err := f.tenant.Search(b.Context(), query)
			wait := time.Since(began)
			mu.Lock()
			waits = append(waits, wait)
			mu.Unlock()
			if err != nil {
				b.Error(err)
			}
		}
	})
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)*95/100].Microseconds())/1000, "p95-ms")
}

// servers returns the URLs to test by name.
func servers(t testing.TB) map[string]string {
	urls := map[string]string{"embedded": startEmbedded(t)}
	if url := os.Getenv("QDRANT_URL"); url != "" {
		urls["server"] = url
	}
	return urls
}

func version(sequence int64) events.Version {
	return events.NewVersion(time.Date(2026, 3, 14, 15, 9, 26, 535_897_000, time.UTC), sequence)
}

// vector is a unit vector that the seed decides; vectors of different seeds point apart.
func vector(seed uint64) []float32 { return randomVector(rand.New(rand.NewPCG(seed, 7)), testSize) }

func fullPoint(key string) store.Point {
	return store.Point{Key: key, Version: version(3), Vector: vector(1), Payload: store.Payload{
		Address: "1 Main St", City: "Sparks", PostalCode: "89431", Status: "Active",
		ListPrice: ptr(450_000.25), Bedrooms: ptr(int64(3)), Bathrooms: ptr(int64(2)), LivingArea: ptr(1850.0),
		YearBuilt: ptr(int64(1987)), Latitude: ptr(39.5349), Longitude: ptr(-119.7527),
	}}
}

func ptr[T any](value T) *T { return &value }

func keysOf(hits []store.Hit) []string {
	keys := make([]string, len(hits))
	for i, hit := range hits {
		keys[i] = hit.Key
	}
	return keys
}

func count(t testing.TB, tenant *qdrant.Tenant) int {
	n, err := tenant.Count(t.Context())
	require.NoError(t, err)
	return n
}
