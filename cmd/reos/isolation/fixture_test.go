package isolation

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/embedding"
)

// fixture is an installation of a test's own: a database, an object store, a vector store and queues.
type fixture struct {
	Installation
	postgrestest.Database
	objects  *objects.Client
	points   *qdrant.Client
	embedder embedding.Embedder
	believe  bool // ingestion believes envelopes
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{Database: postgrestest.NewDatabase(t)}
	f.DB = postgrestest.Open(t, f.Database)
	f.embedder = embedding.NewHashing()
	f.Model, f.Dimension = f.embedder.Model(), f.embedder.Dimensions()
	f.Topology = events.DefaultTopology()

	s3, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s3.Close()) })
	f.S3URL = s3.URL()
	f.objects, err = objects.Open(t.Context(), objects.Config{URL: s3.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.objects.Close()) })
	f.Objects = func(id uuid.UUID) Objects { return f.objects.Tenant(id) }

	vectors, err := embedded.StartQdrant(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, vectors.Close()) })
	f.QdrantURL = vectors.URL()
	f.points, err = qdrant.Open(t.Context(), qdrant.Config{URL: vectors.URL(), Collection: "reos_properties"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.points.Close()) })
	require.NoError(t, f.points.Ensure(t.Context(), f.Model, f.Dimension))
	f.Points = func(id uuid.UUID) Points { return f.points.Tenant(id) }

	transport, err := pgqueue.Open(t.Context(), f.DB.Pool(), f.Topology, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	require.NoError(t, transport.Declare(t.Context()))
	f.Transport = transport
	f.Tenants = plainTenants{db: f.DB, transport: transport}
	return f
}

// plainTenants makes tenants in Postgres and at the transport, and removes no more than their row's state.
type plainTenants struct {
	db         *postgres.DB
	transport  events.Transport // nil: there is none
	connection string           // of a broker user
}

var act = store.Act{By: "test", Why: "isolation"}

func (p plainTenants) Create(ctx context.Context, tenant store.Tenant) (store.Tenant, error) {
	tenant.Lane = "a"
	if err := p.db.Platform().CreateTenant(ctx, tenant, act); err != nil {
		return tenant, err
	}
	if p.transport != nil {
		if err := p.transport.BindTenant(ctx, tenant.ID, tenant.Lane); err != nil {
			return tenant, err
		}
	}
	return p.db.Platform().Tenant(ctx, tenant.ID.String())
}

func (p plainTenants) Connect(context.Context, store.Tenant) (string, error) {
	return p.connection, nil
}

func (p plainTenants) Remove(ctx context.Context, tenant store.Tenant) error {
	if _, err := p.db.Platform().BeginDeletion(ctx, tenant.ID, act); err != nil {
		return err
	}
	_, err := p.db.Platform().Bury(ctx, tenant, act, map[string]int{})
	return err
}

func (p plainTenants) All(ctx context.Context) ([]store.Tenant, error) {
	return p.db.Platform().Tenants(ctx)
}

// verify runs the suite.
func (f *fixture) verify(t *testing.T) *Report {
	t.Helper()
	report, err := Verify(t.Context(), f.Installation, Options{})
	require.NoError(t, err)
	return report
}

// of are the results of a verdict, as text.
func of(report *Report, verdict Verdict) []string {
	var all []string
	for _, r := range report.Results {
		if r.Verdict == verdict {
			all = append(all, string(r.Layer)+": "+r.Name+": "+r.Detail)
		}
	}
	return all
}

// leaky are the layers that leaked.
func leaky(report *Report) []Layer {
	var all []Layer
	for _, r := range report.Results {
		if r.Verdict == Leaked && !slices.Contains(all, r.Layer) {
			all = append(all, r.Layer)
		}
	}
	return all
}
