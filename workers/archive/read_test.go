package archive_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
	"github.com/codybias9/real-estate-os/workers/archive"
)

// realStores are Postgres and an object store.
type realStores struct {
	db      *postgres.DB
	objects *objects.Client
}

func newRealStores(t *testing.T) realStores {
	server, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	client, err := objects.Open(t.Context(), objects.Config{URL: server.URL()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	require.NoError(t, client.Ensure(t.Context()))
	return realStores{db: postgrestest.New(t), objects: client}
}

// accept has Postgres accept events whose raw bytes are staged, as ingestion does.
func (r realStores) accept(t *testing.T, tenant uuid.UUID, raw map[uuid.UUID][]byte) {
	t.Helper()
	plan := store.IngestPlan{}
	var records [][]byte
	for id, bytes := range raw {
		plan.Accepted = append(plan.Accepted, store.Acceptance{
			Event: id, ID: id.String(), Source: "test", Type: "t", Ref: store.Ref{Type: events.Property, Key: id.String()},
			Version: events.NewVersion(time.Now(), 0), OccurredAt: time.Now(), Lane: "a", Next: events.Quality,
		})
		plan.Archived = append(plan.Archived, id)
		records = append(records, bytes)
	}
	frames, err := r.objects.Tenant(tenant).Pack(records)
	require.NoError(t, err)
	plan.Staged = frames
	require.NoError(t, r.db.Tenant(tenant).Ingest(t.Context(), nil, nil,
		func(store.Known) (store.IngestPlan, error) { return plan, nil }))
}

func (r realStores) read(ctx context.Context, tenant, event uuid.UUID) ([]byte, error) {
	return archive.Read(ctx, r.db.Tenant(tenant), r.objects.Tenant(tenant), event)
}

func (r realStores) staged(t *testing.T) (n int) {
	t.Helper()
	staging, err := r.db.Platform().Staging(t.Context())
	require.NoError(t, err)
	for _, s := range staging {
		n += s.Events
	}
	return n
}

func TestInvariant1RawBytesAreReadableBeforeDuringAndAfterTheyAreArchived(t *testing.T) {
	t.Parallel()
	r := newRealStores(t)
	raw := map[uuid.UUID]map[uuid.UUID][]byte{}
	for range 3 {
		tenant := postgrestest.NewTenant(t, r.db)
		raw[tenant] = map[uuid.UUID][]byte{}
		for batch := range 10 {
			accepted := map[uuid.UUID][]byte{}
			for i := range 1 + batch%3 {
				accepted[uuid.New()] = fmt.Appendf(nil, `{"batch": %d, "i": %d, "text": %q}`, batch, i, strings.Repeat("ż", 40*batch))
			}
			r.accept(t, tenant, accepted)
			for id, bytes := range accepted {
				raw[tenant][id] = bytes
			}
		}
	}
	readAll := func() error {
		for tenant, events := range raw {
			for id, want := range events {
				got, err := r.read(t.Context(), tenant, id)
				if err != nil {
					return err
				}
				if string(got) != string(want) {
					return fmt.Errorf("event %s: got %q, want %q", id, got, want)
				}
			}
		}
		return nil
	}
	require.NoError(t, readAll(), "before")
	require.Equal(t, 3*19, r.staged(t))

	archiver := archive.New(r.db.Platform(),
		func(id uuid.UUID) archive.Records { return r.db.Tenant(id) },
		func(id uuid.UUID) archive.Objects { return r.objects.Tenant(id) },
		archive.Config{After: 50 * time.Millisecond}, archive.NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
	archived := make(chan struct{})
	var reading sync.WaitGroup
	var during error
	reading.Go(func() {
		for during == nil {
			select {
			case <-archived:
				return
			default:
				during = readAll()
			}
		}
	})
	require.Eventually(t, func() bool {
		require.NoError(t, archiver.Run(t.Context()))
		return r.staged(t) == 0
	}, 30*time.Second, 10*time.Millisecond)
	close(archived)
	reading.Wait()
	require.NoError(t, during, "during")
	require.NoError(t, readAll(), "after")

	for tenant, events := range raw {
		named := map[string]int64{}
		for object, err := range r.db.Tenant(tenant).ArchiveObjects(t.Context()) {
			require.NoError(t, err)
			named[object.Key] = object.Bytes
		}
		for object, err := range r.objects.Tenant(tenant).ArchiveObjects(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, named[object.Key], object.Bytes, "events' bytes and nothing else")
			delete(named, object.Key)
		}
		require.Empty(t, named, "no object is missing")
		for id := range events {
			_, err := r.read(t.Context(), uuid.New(), id)
			require.ErrorIs(t, err, store.ErrNotFound, "another tenant's")
		}
	}
}

func TestStagedBytesAreCheckedAgainstTheirDigest(t *testing.T) {
	t.Parallel()
	r := newRealStores(t)
	tenant, id := postgrestest.NewTenant(t, r.db), uuid.New()
	frames, err := r.objects.Tenant(tenant).Pack([][]byte{[]byte("one")})
	require.NoError(t, err)
	frames[0].SHA256 = sha256.Sum256([]byte("another"))
	require.NoError(t, r.db.Tenant(tenant).Ingest(t.Context(), nil, nil, func(store.Known) (store.IngestPlan, error) {
		return store.IngestPlan{Archived: []uuid.UUID{id}, Staged: frames}, nil
	}))
	_, err = r.read(t.Context(), tenant, id)
	require.ErrorIs(t, err, objects.ErrCorrupt)
}
