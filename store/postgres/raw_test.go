package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// spansOf are the places of events in an object.
func spansOf(tenant uuid.UUID, name string, staged []store.StagedRaw) (ids []uuid.UUID, spans []store.Span) {
	offset := int64(0)
	for _, s := range staged {
		length := int64(len(s.Frame.Packed))
		ids = append(ids, s.Event)
		spans = append(spans, store.Span{Key: tenant.String() + "/raw/" + name, Offset: offset, Length: length, SHA256: s.Frame.SHA256})
		offset += length
	}
	return ids, spans
}

func stagedRaw(t *testing.T, tenant *postgres.Tenant, bytes int64) []store.StagedRaw {
	t.Helper()
	staged, err := tenant.StagedRaw(t.Context(), 0, bytes)
	require.NoError(t, err)
	return staged
}

func TestInvariant1RawBytesAreAlwaysInExactlyOnePlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	records := []events.Record{property("a", 1), property("b", 1), property("c", 1)}
	mustStage(t, f.db, f.a, records[0])
	mustStage(t, f.db, f.a, records[1:]...)
	mustStage(t, f.db, f.b, property("theirs", 1))
	for _, record := range records {
		place, err := tenant.RawPlace(t.Context(), eventOf(record))
		require.NoError(t, err)
		require.Equal(t, store.RawPlace{Staged: new(frameOf(record))}, place)
	}
	_, err := f.db.Tenant(f.b).RawPlace(t.Context(), eventOf(records[0]))
	require.ErrorIs(t, err, store.ErrNotFound)

	frame := int64(len(frameOf(records[0]).Packed))
	require.Len(t, stagedRaw(t, tenant, frame), 1)
	require.Len(t, stagedRaw(t, tenant, frame+1), 2, "the one that makes them as many is included")
	staged := stagedRaw(t, tenant, 1<<20)
	require.Len(t, staged, 3)
	require.Equal(t, eventOf(records[0]), staged[0].Event, "the oldest first")
	require.Equal(t, frameOf(records[0]), staged[0].Frame)
	young, err := tenant.StagedRaw(t.Context(), time.Hour, 1<<20)
	require.NoError(t, err)
	require.Empty(t, young)

	staging, err := f.db.Platform().Staging(t.Context())
	require.NoError(t, err)
	require.Len(t, staging, 2)
	require.Equal(t, store.Staging{Tenant: f.a, Events: 3, Bytes: 3 * frame, Oldest: staged[0].StagedAt.UTC()}, staging[0])

	ids, spans := spansOf(f.a, "first", staged[:2])
	require.NoError(t, tenant.Unstage(t.Context(), ids, spans))
	for i, id := range ids {
		place, err := tenant.RawPlace(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, store.RawPlace{Span: spans[i]}, place)
	}
	place, err := tenant.RawPlace(t.Context(), staged[2].Event)
	require.NoError(t, err)
	require.NotNil(t, place.Staged)

	// Another process was at the same rows, and comes second.
	ids, spans = spansOf(f.a, "second", staged)
	require.NoError(t, tenant.Unstage(t.Context(), ids, spans))
	require.Equal(t, []string{"first", "first", "second"},
		rows[string](t, f.AdminURL, "SELECT split_part(object_key, '/', 3) FROM raw_archive ORDER BY 1"))
	require.Equal(t, []int{1}, rows[int](t, f.AdminURL, "SELECT count(*)::int FROM staged_raw"), "the other tenant's")
	require.NoError(t, f.db.Tenant(f.b).Unstage(t.Context(), ids, spans), "not staged of this tenant")
}
