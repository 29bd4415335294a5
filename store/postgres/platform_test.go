package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestTenants(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	platform := f.db.Platform()
	acme := store.Tenant{ID: uuid.New(), Name: "acme", Lane: "b"}
	require.NoError(t, platform.CreateTenant(t.Context(), acme, store.Act{By: "test"}))
	require.NoError(t, platform.CreateTenant(t.Context(), acme, store.Act{By: "test"}), "a second time")
	require.ErrorIs(t, platform.CreateTenant(t.Context(), store.Tenant{ID: uuid.New(), Name: "acme", Lane: "b"}, store.Act{By: "test"}), store.ErrExists)
	require.ErrorIs(t, platform.CreateTenant(t.Context(), store.Tenant{ID: acme.ID, Name: "other", Lane: "b"}, store.Act{By: "test"}), store.ErrExists)
	require.Error(t, platform.CreateTenant(t.Context(), store.Tenant{ID: uuid.New(), Name: "", Lane: "b"}, store.Act{By: "test"}))

	for _, idOrName := range []string{"acme", acme.ID.String()} {
		found, err := platform.Tenant(t.Context(), idOrName)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), found.CreatedAt, time.Minute)
		require.Equal(t, found.CreatedAt, found.StateSince)
		found.CreatedAt, found.StateSince = time.Time{}, time.Time{}
		acme.State, acme.StateBy = store.TenantActive, "test"
		require.Equal(t, acme, found)
	}
	for _, idOrName := range []string{"", "nobody", "a\x00", uuid.NewString()} {
		_, err := platform.Tenant(t.Context(), idOrName)
		require.ErrorIs(t, err, store.ErrNotFound, idOrName)
	}
	all, err := platform.Tenants(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Equal(t, "acme", all[0].Name)
	require.Equal(t, store.PlatformTenant, all[1].ID)
}

func TestStatusOfAllTenants(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("x", 1), property("y", 1), tombstone("z", 1))
	mustIngest(t, f.db, f.b, property("x", 1))
	require.NoError(t, f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(property("x", 1), true), entry(tombstone("z", 1), false)},
		func(context.Context, []string) error { return nil }, nil))
	all, err := f.db.Platform().Status(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, all, 3)
	byTenant := map[uuid.UUID]store.TenantStatus{}
	for _, one := range all {
		byTenant[one.Tenant.ID] = one
	}
	a := byTenant[f.a]
	require.Equal(t, []int{3, 2, 1, 1}, []int{a.Events, a.Records, a.Deleted, a.Indexed})
	require.Equal(t, 1, byTenant[f.b].Records)
	require.Zero(t, byTenant[store.PlatformTenant].Events)
	require.WithinDuration(t, time.Now(), a.Waiting[0].OldestAccepted, time.Minute)
	none, err := f.db.Platform().Status(t.Context(), []uuid.UUID{})
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestSaveSLIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	rowsOf := []store.SLI{
		{Tenant: f.a, At: epoch, Stage: events.Quality, Waiting: 2, State: store.Late, OldestOccurred: epoch, OldestAccepted: epoch, Endings: store.Endings{Done: 1, Dead: 3}},
		{Tenant: f.b, At: epoch, Stage: events.Indexing, State: store.Fresh, Endings: store.Endings{Stale: 4, Quarantined: 5}},
	}
	for range 2 {
		require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), rowsOf))
	}
	require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), nil))
	require.Equal(t, []int64{15}, rows[int64](t, f.AdminURL, "SELECT sum(waiting + done + stale + quarantined + dead)::bigint FROM sli_history"))
}

func TestLiveIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const many = 501
	var records []events.Record
	var embeddings []store.EmbeddingWrite
	var entries []store.IndexEntry
	for i := range many {
		record := property(fmt.Sprintf("k%04d", i), 1)
		records = append(records, record)
		embeddings = append(embeddings, embedding(record, byte(i)))
		entries = append(entries, entry(record, i != 7))
	}
	for _, tenant := range []uuid.UUID{f.a, f.b} {
		mustIngest(t, f.db, tenant, records...)
		require.NoError(t, f.db.Tenant(tenant).SaveEmbeddings(t.Context(), "m", embeddings, nil))
		require.NoError(t, f.db.Tenant(tenant).Index(t.Context(), entries, func(context.Context, []string) error { return nil }, nil))
		mustIngest(t, f.db, f.b, tombstone("k0008", 2))
	}
	count := map[uuid.UUID]int{}
	require.NoError(t, f.db.Platform().LiveIndex(t.Context(), "m", func(tenant uuid.UUID, states []store.IndexState) error {
		require.LessOrEqual(t, len(states), 500)
		for _, state := range states {
			require.Len(t, state.Vector, 3)
			require.NotEmpty(t, state.Record.Doc)
			require.NotEqual(t, "k0007", state.Record.Ref.Key)
		}
		count[tenant] += len(states)
		return nil
	}))
	require.Equal(t, map[uuid.UUID]int{f.a: many - 1, f.b: many - 2}, count)
	require.ErrorIs(t, f.db.Platform().LiveIndex(t.Context(), "m", func(uuid.UUID, []store.IndexState) error { return context.Canceled }), context.Canceled)
	require.NoError(t, f.db.Platform().LiveIndex(t.Context(), "another model", func(uuid.UUID, []store.IndexState) error { return context.Canceled }))
}
