package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func indexAll(t *testing.T, f fixture, tenant uuid.UUID, entries ...store.IndexEntry) (granted []string) {
	t.Helper()
	require.NoError(t, f.db.Tenant(tenant).Index(t.Context(), entries, func(_ context.Context, keys []string) error {
		granted = keys
		return nil
	}, nil))
	return granted
}

func TestStandings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	found, gone, failed, fresh, moved := property("found", 1), tombstone("gone", 1), property("failed", 1), property("fresh", 1), property("moved", 1)
	mustIngest(t, f.db, f.a, found, gone, failed, fresh, moved)
	mustIngest(t, f.db, f.b, property("theirs", 1))
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(found, true), verdict(failed, false), verdict(moved, true)}, nil))
	require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(found, 1), embedding(moved, 1)}, nil))
	indexAll(t, f, f.a, entry(found, true), entry(gone, false), entry(failed, false), entry(moved, true))
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: eventOf(found), From: events.Indexing, Outcome: events.Done}}))
	mustIngest(t, f.db, f.a, property("moved", 2))

	var all []store.IndexStanding
	for after := ""; ; {
		page, err := tenant.StandingsAfter(t.Context(), "m", after, 2)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		all = append(all, page...)
		after = page[len(page)-1].Key
	}
	require.Equal(t, []string{"failed", "found", "fresh", "gone", "moved"}, keysOf(all))
	byKey := map[string]store.IndexStanding{}
	for _, s := range all {
		byKey[s.Key] = s
	}
	foundEntry := entry(found, true)
	require.Equal(t, store.IndexStanding{
		Key: "found", Version: found.Version, Judged: true, Passed: true, Embedded: true, Event: eventOf(found),
		OccurredAt: found.Version.At, Entry: &foundEntry,
	}, byKey["found"])
	require.True(t, byKey["fresh"].Unfinished)
	require.Nil(t, byKey["fresh"].Entry)
	require.True(t, byKey["gone"].Deleted)
	require.True(t, byKey["failed"].Judged)
	require.False(t, byKey["failed"].Passed)
	require.Equal(t, versionAt(2), byKey["moved"].Version)
	require.False(t, byKey["moved"].Judged, "the verdict is of an older version")
	require.False(t, byKey["moved"].Embedded)
	require.True(t, byKey["moved"].Entry.Present)

	some, err := tenant.Standings(t.Context(), "m", []string{"moved", "found", "theirs", "nobody"})
	require.NoError(t, err)
	require.Equal(t, []store.IndexStanding{byKey["found"], byKey["moved"]}, some)
	other, err := tenant.Standings(t.Context(), "another model", []string{"found"})
	require.NoError(t, err)
	require.False(t, other[0].Embedded)
	existing, err := tenant.Existing(t.Context(), []string{"gone", "theirs", "nobody"})
	require.NoError(t, err)
	require.Equal(t, []string{"gone"}, existing)
}

func keysOf(standings []store.IndexStanding) []string {
	keys := make([]string, len(standings))
	for i, s := range standings {
		keys[i] = s.Key
	}
	return keys
}

func TestWhatIsDoubtedIsIndexedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	present, absent, newer := property("present", 1), property("absent", 1), property("newer", 2)
	mustIngest(t, f.db, f.a, present, absent, newer)
	entries := []store.IndexEntry{entry(present, true), entry(absent, false), entry(newer, true)}
	require.Len(t, indexAll(t, f, f.a, entries...), 3)
	require.Empty(t, indexAll(t, f, f.a, entries...), "an entry that is right is not granted")
	require.NoError(t, f.db.Tenant(f.b).Doubt(t.Context(), nil))
	doubts := []store.IndexEntry{entries[0], entries[1], entry(property("newer", 1), true)}
	require.NoError(t, f.db.Tenant(f.a).Doubt(t.Context(), doubts))
	require.NoError(t, f.db.Tenant(f.a).Doubt(t.Context(), doubts), "again")
	require.ElementsMatch(t, []string{"present", "absent"}, indexAll(t, f, f.a, entries...), "one that has changed stays as it is")
}

func TestArchiveObjects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const objects, each = 1500, 2
	for _, owner := range []uuid.UUID{f.a, f.b} {
		var ids []uuid.UUID
		var spans []store.Span
		for i := range objects {
			for j := range each {
				ids = append(ids, uuid.New())
				spans = append(spans, store.Span{
					Key: fmt.Sprintf("%s/raw/2026/01/%04d.zst", owner, objects-i), Offset: int64(j * 10), Length: 10, SHA256: sha256.Sum256(nil),
				})
			}
		}
		require.NoError(t, f.db.Tenant(owner).Ingest(t.Context(), ids, nil, func(store.Known) (store.IngestPlan, error) {
			return store.IngestPlan{Archived: ids, Archive: func(context.Context) ([]store.Span, error) { return spans, nil }}, nil
		}))
	}
	n := 0
	for object, err := range f.db.Tenant(f.a).ArchiveObjects(t.Context()) {
		require.NoError(t, err)
		n++
		require.Equal(t, store.ArchiveObject{Key: fmt.Sprintf("%s/raw/2026/01/%04d.zst", f.a, n), Bytes: each * 10}, object)
	}
	require.Equal(t, objects, n)
	for range 20 { // more than there are connections
		for _, err := range f.db.Tenant(f.a).ArchiveObjects(t.Context()) {
			require.NoError(t, err)
			break
		}
	}
	for range f.db.Tenant(uuid.New()).ArchiveObjects(t.Context()) {
		require.Fail(t, "another tenant's")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.Zero(t, rows[int64](t, f.AdminURL, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)[0])
	require.NoError(t, f.db.Ready(ctx))
}
