package isolation

import (
	"context"
	"io"
	"iter"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// Installation is what is attacked: its adapters, as its own processes open them. What is nil or empty is not there, and
// the attempts that need it are not applicable.
type Installation struct {
	Tenants   Tenants
	DB        *postgres.DB // as reos_app
	Transport events.Transport
	Topology  events.Topology
	Objects   func(tenant uuid.UUID) Objects
	Points    func(tenant uuid.UUID) Points
	Model     string // of the embedder, with its size
	Dimension int

	S3URL     string // with its secret, which attempts leave out
	QdrantURL string // likewise
	API       *Server
	Metrics   prometheus.Gatherer // of this process
	Logs      func() string       // what the installation has logged
}

// Tenants makes and removes canaries, the way any tenant is made and removed.
type Tenants interface {
	// Create makes a tenant and lets its events in.
	Create(ctx context.Context, tenant store.Tenant) (created store.Tenant, err error)
	// Connect gives a tenant's broker user a new password and returns the URL to connect with: empty where tenants have no
	// broker users.
	Connect(ctx context.Context, tenant store.Tenant) (connection string, err error)
	// Remove removes a tenant and all that is its. One that is partly removed already is removed for the rest.
	Remove(ctx context.Context, tenant store.Tenant) error
	// All lists the tenants, those that are being deleted among them.
	All(ctx context.Context) ([]store.Tenant, error)
}

// Objects is a tenant's handle to the object store.
type Objects interface {
	Put(ctx context.Context, key string, body io.Reader, size int64, contentType string) error
	Open(ctx context.Context, key string) (io.ReadCloser, error)
	Delete(ctx context.Context, key string) error
	OpenAt(ctx context.Context, object objects.ObjectInfo, offset, length int64) (io.ReadCloser, error)
	Stat(ctx context.Context, key string) (objects.ObjectInfo, error)
	List(ctx context.Context, prefix string) iter.Seq2[objects.ObjectInfo, error]
	ListAfter(ctx context.Context, prefix, after string) iter.Seq2[objects.ObjectInfo, error]
	PutArchive(ctx context.Context, name string, records [][]byte) ([]store.Span, error)
	PutFrames(ctx context.Context, name string, frames []store.Frame) ([]store.Span, error)
	ReadSpan(ctx context.Context, span store.Span) ([]byte, error)
	Purge(ctx context.Context, removed func(n int)) error
	Leftovers(ctx context.Context) ([]store.Leftover, error)
}

// Points is a tenant's handle to the vector store.
type Points interface {
	Upsert(ctx context.Context, points []store.Point) error
	Delete(ctx context.Context, keys []string) error
	DeletePoints(ctx context.Context, ids []string) error
	Search(ctx context.Context, query store.Query) ([]store.Hit, error)
	Points(ctx context.Context, keys []string) (map[string]store.PointRef, error)
	List(ctx context.Context) iter.Seq2[[]store.PointRef, error]
	Count(ctx context.Context) (int, error)
	Purge(ctx context.Context, removed func(n int)) error
	Leftovers(ctx context.Context) ([]store.Leftover, error)
}

// World is an installation with two canaries in it. Attempts run one after the other.
type World struct {
	Installation
	Attacker, Victim *Canary

	tables []table          // where tenants' rows lie
	unsown map[string]error // tables that took no canary
	sql    *session
	idle   bool // no worker takes what is published
}

func (w *World) rows(tenant uuid.UUID) *postgres.Tenant { return w.DB.Tenant(tenant) }
