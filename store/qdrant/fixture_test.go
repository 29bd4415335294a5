package qdrant_test

import (
	"context"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// fixture is an ensured alias of its own on a server, with one tenant. All of it goes when the test ends.
type fixture struct {
	t      testing.TB
	url    string
	alias  string
	id     uuid.UUID
	client *qdrant.Client
	tenant *qdrant.Tenant
}

func newFixture(t testing.TB, url string) *fixture { return newSizedFixture(t, url, testSize) }

func newSizedFixture(t testing.TB, url string, dimensions int) *fixture {
	f := &fixture{t: t, url: url, alias: "reos_test_" + uuid.NewString(), id: uuid.New()}
	f.dropLater(f.alias)
	f.client = f.open(f.alias)
	require.NoError(t, f.client.Ensure(t.Context(), testModel, dimensions))
	f.tenant = f.client.Tenant(f.id)
	return f
}

// startEmbedded serves until the test and its subtests have ended.
func startEmbedded(t testing.TB) string {
	server, err := embedded.StartQdrant(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server.URL()
}

func (f *fixture) open(alias string) *qdrant.Client {
	client, err := qdrant.Open(f.t.Context(), qdrant.Config{URL: f.url, Collection: alias})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { require.NoError(f.t, client.Close()) })
	return client
}

// dropLater removes the alias's collections when the test ends; a server drops the aliases with them.
func (f *fixture) dropLater(alias string) {
	f.t.Cleanup(func() {
		ctx := context.Background()
		api := f.raw()
		names, err := api.ListCollections(ctx)
		require.NoError(f.t, err)
		for _, name := range names {
			if strings.HasPrefix(name, alias) {
				require.NoError(f.t, api.DeleteCollection(ctx, name))
			}
		}
		require.NoError(f.t, api.Close())
	})
}

// replaceCollection puts a collection of another size in the place of the fixture's.
func (f *fixture) replaceCollection(dimensions uint64) {
	api := f.raw()
	defer func() { require.NoError(f.t, api.Close()) }()
	names, err := api.ListCollections(f.t.Context())
	require.NoError(f.t, err)
	for _, name := range names {
		if !strings.HasPrefix(name, f.alias) {
			continue
		}
		require.NoError(f.t, api.DeleteCollection(f.t.Context(), name))
		require.NoError(f.t, api.CreateCollection(f.t.Context(), &pb.CreateCollection{
			CollectionName: name,
			VectorsConfig:  pb.NewVectorsConfig(&pb.VectorParams{Size: dimensions, Distance: pb.Distance_Cosine}),
		}))
	}
}

// raw is the library's client, for what the adapter offers no way to do.
func (f *fixture) raw() *pb.Client { return rawClient(f.t, f.url) }

func rawClient(t testing.TB, address string) *pb.Client {
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := net.LookupPort("tcp", u.Port())
	require.NoError(t, err)
	key, _ := u.User.Password()
	api, err := pb.NewClient(&pb.Config{
		Host: u.Hostname(), Port: port, UseTLS: u.Scheme == "https", Headers: map[string]string{"api-key": key},
		SkipCompatibilityCheck: true, PoolSize: 1,
	})
	require.NoError(t, err)
	return api
}

func (f *fixture) upsert(points ...store.Point) {
	require.NoError(f.t, f.tenant.Upsert(f.t.Context(), points))
}

func (f *fixture) search(query store.Query) []store.Hit {
	hits, err := f.tenant.Search(f.t.Context(), query)
	require.NoError(f.t, err)
	return hits
}

// found lists the keys of the points that a filter lets through, in their order.
func (f *fixture) found(filter store.Filter) string {
	keys := keysOf(f.search(store.Query{Vector: vector(1), Limit: 100, Filter: filter}))
	slices.Sort(keys)
	return strings.Join(keys, " ")
}

func (f *fixture) versions(keys ...string) map[string]events.Version {
	points, err := f.tenant.Points(f.t.Context(), keys)
	require.NoError(f.t, err)
	versions := make(map[string]events.Version, len(points))
	for key, point := range points {
		versions[key] = point.Version
	}
	return versions
}

func (f *fixture) count() int { return count(f.t, f.tenant) }

// gate forwards TCP to a server, until it is shut: then the server is away for whoever comes by the gate, on the same
// address to which it returns.
type gate struct {
	t       testing.TB
	url     string
	address string
	target  string

	mu       sync.Mutex
	listener net.Listener
	conns    []net.Conn
	group    sync.WaitGroup
}

func newGate(t testing.TB, target string) *gate {
	u, err := url.Parse(target)
	require.NoError(t, err)
	require.Equal(t, "http", u.Scheme, "a gate cannot show a server's certificate: test with an http:// URL")
	g := &gate{t: t, target: u.Host, address: "127.0.0.1:0"}
	g.open()
	g.address = g.listener.Addr().String()
	u.Host = g.address
	g.url = u.String()
	t.Cleanup(g.shut)
	return g
}

func (g *gate) open() {
	listener, err := net.Listen("tcp", g.address)
	require.NoError(g.t, err)
	g.listener = listener
	g.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			g.group.Go(func() { g.forward(conn) })
		}
	})
}

func (g *gate) forward(near net.Conn) {
	far, err := net.Dial("tcp", g.target)
	if err != nil {
		_ = near.Close() // the near side sees the end, which is all that there is to tell
		return
	}
	g.mu.Lock()
	g.conns = append(g.conns, near, far)
	g.mu.Unlock()
	var both sync.WaitGroup
	for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(pair[0], pair[1]) // ends with an error whenever a side goes away
			_ = near.Close()
			_ = far.Close()
		})
	}
	both.Wait()
}

func (g *gate) shut() {
	_ = g.listener.Close() // closed already when the test has shut the gate itself
	g.mu.Lock()
	for _, conn := range g.conns {
		_ = conn.Close()
	}
	g.conns = nil
	g.mu.Unlock()
	g.group.Wait()
}

func randomVector(random *rand.Rand, dimensions int) []float32 {
	vector := make([]float32, dimensions)
	var square float64
	for i := range vector {
		x := random.NormFloat64()
		vector[i] = float32(x)
		square += x * x
	}
	for i := range vector {
		vector[i] /= float32(math.Sqrt(square))
	}
	return vector
}
