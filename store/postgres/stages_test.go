package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

func TestVerdicts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	first, second := property("k", 1), property("k", 2)
	mustIngest(t, f.db, f.a, second, property("l", 1))
	failed := verdict(second, false)
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{failed, verdict(property("l", 1), true)}, nil))
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(first, true)}, nil), "older")

	got, err := tenant.Verdict(t.Context(), refOf(first))
	require.NoError(t, err)
	require.False(t, got.JudgedAt.IsZero())
	failed.JudgedAt = got.JudgedAt
	require.Equal(t, failed, got)
	passed, err := tenant.Verdict(t.Context(), store.Ref{Type: events.Property, Key: "l"})
	require.NoError(t, err)
	require.NotNil(t, passed.Failures)
	_, err = f.db.Tenant(f.b).Verdict(t.Context(), refOf(first))
	require.ErrorIs(t, err, store.ErrNotFound)

	again := verdict(second, true)
	again.Suite = "property/2"
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{again}, nil))
	got, err = tenant.Verdict(t.Context(), refOf(first))
	require.NoError(t, err)
	require.True(t, got.Passed, "the same version judged by another suite")
}

func TestQuarantined(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	var verdicts []store.Verdict
	var records []events.Record
	for _, key := range []string{"a", "b", "c", "d"} {
		records = append(records, property(key, 1))
		verdicts = append(verdicts, verdict(property(key, 1), key == "b"))
	}
	lease := events.Record{Type: events.Lease, Key: "a", Version: versionAt(1), Doc: []byte(`{}`)}
	mustIngest(t, f.db, f.a, append(records, lease)...)
	require.NoError(t, tenant.SaveVerdicts(t.Context(), append(verdicts, verdict(lease, false)), nil))
	require.Equal(t, 4, status(t, f.db, f.a).Quarantined)

	var listed []store.Ref
	after := store.Ref{}
	for {
		page, err := tenant.Quarantined(t.Context(), 2, after)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, one := range page {
			listed = append(listed, one.Ref)
		}
		after = listed[len(listed)-1]
	}
	require.Equal(t, []store.Ref{{Type: events.Lease, Key: "a"}, refOf(records[0]), refOf(records[2]), refOf(records[3])}, listed)

	mustIngest(t, f.db, f.a, property("a", 2), tombstone("c", 2))
	require.Equal(t, 2, status(t, f.db, f.a).Quarantined, "the newest version of two is not quarantined")
}

func TestEmbeddings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	first, second := property("k", 1), property("k", 2)
	mustIngest(t, f.db, f.a, first, property("fresh", 1))
	written := embedding(first, 7)
	require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{written}, nil))

	state := func() store.IndexState {
		states, err := tenant.IndexStates(t.Context(), "m", []store.Wanted{{Key: "k"}})
		require.NoError(t, err)
		return states[0]
	}
	require.Equal(t, written.Vector, state().Vector)
	states, err := tenant.EmbeddingStates(t.Context(), "m", []store.Wanted{{Key: "k"}, {Key: "fresh"}})
	require.NoError(t, err)
	byKey := map[string]store.EmbeddingState{}
	for _, one := range states {
		byKey[one.Record.Ref.Key] = one
	}
	require.Equal(t, written.ContentHash, byKey["k"].ContentHash)
	require.Equal(t, first.Version, byKey["k"].Version)
	require.Nil(t, byKey["fresh"].ContentHash)
	require.Zero(t, byKey["fresh"].Version)
	other, err := tenant.EmbeddingStates(t.Context(), "another model", []store.Wanted{{Key: "k"}})
	require.NoError(t, err)
	require.Nil(t, other[0].ContentHash)

	mustIngest(t, f.db, f.a, second)
	touched := embedding(second, 7)
	touched.Vector = nil
	require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{touched}, nil))
	require.Equal(t, second.Version, state().Embedded)
	require.Equal(t, written.Vector, state().Vector)

	changed := embedding(property("k", 3), 8)
	changed.Vector = nil
	before := contents(t, f.AdminURL)
	err = tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{changed}, advance(second, events.Quality, events.Embedding))
	require.ErrorIs(t, err, store.ErrConflict, "no vector of that content is there")
	require.Equal(t, before, contents(t, f.AdminURL))
}

func TestIndexGrantsWhatChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	index := func(entries ...store.IndexEntry) (granted []string) {
		require.NoError(t, tenant.Index(t.Context(), entries, func(_ context.Context, keys []string) error {
			granted = keys
			return nil
		}, nil))
		return granted
	}
	require.ElementsMatch(t, []string{"a", "b"}, index(entry(property("b", 2), true), entry(property("a", 2), true)))
	require.Empty(t, index(entry(property("b", 2), true), entry(property("a", 1), false)), "the same, and an older one")
	require.Equal(t, []string{"b"}, index(entry(property("b", 2), false)), "the same version is not to be found any more")
	require.Equal(t, []string{"a"}, index(entry(property("a", 3), true)))
	require.Empty(t, index())
}

func TestInvariant6NothingIsFinishedWhenTheLastEffectFails(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	before := contents(t, f.AdminURL)
	broken := errors.New("no such collection")
	end := []store.Advance{{Event: eventOf(record), From: events.Indexing, Outcome: events.Done}}
	err := f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(record, true)},
		func(context.Context, []string) error { return broken }, end)
	require.ErrorIs(t, err, broken)
	require.NotErrorIs(t, err, store.ErrUnavailable)
	require.Equal(t, before, contents(t, f.AdminURL))
	require.NoError(t, f.db.Tenant(f.a).Index(t.Context(), nil, nil, end))
	require.Empty(t, status(t, f.db, f.a).Waiting)
}

// The side effects of two versions of one record never run at the same time, and the newer one's is last.
func TestInvariant3TheIndexIsLockedWhileItIsApplied(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var mu sync.Mutex
	var applied []int
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Go(func() {
			err := f.db.Tenant(f.a).Index(t.Context(), []store.IndexEntry{entry(property("k", n), true)}, func(context.Context, []string) error {
				if !mu.TryLock() {
					return errors.New("two at once")
				}
				defer mu.Unlock()
				applied = append(applied, n)
				return nil
			}, nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	require.IsIncreasing(t, applied)
	require.Equal(t, 7, applied[len(applied)-1])
}

func TestInvariant6AnEventWaitsUntilItsLastStage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	tenant := f.db.Tenant(f.a)
	move := func(from, next events.Stage, outcome events.Outcome, reason events.Reason) {
		t.Helper()
		one := store.Advance{Event: eventOf(record), From: from, Next: next, Outcome: outcome, Reason: reason}
		require.NoError(t, tenant.Advance(t.Context(), []store.Advance{one, {Event: uuid.New(), From: from, Next: next, Outcome: outcome, Reason: reason}, one}))
	}
	waitsAt := func() events.Stage {
		t.Helper()
		waiting := status(t, f.db, f.a).Waiting
		require.Len(t, waiting, 1)
		return waiting[0].Stage
	}
	require.Equal(t, events.Quality, waitsAt())
	move(events.Quality, events.Embedding, "", "")
	require.Equal(t, events.Embedding, waitsAt())
	move(events.Embedding, events.Indexing, "", "")
	before := contents(t, f.AdminURL)
	move(events.Quality, events.Embedding, "", "")
	move(events.Quality, "", events.Quarantine, events.ExpectationFailed)
	require.Equal(t, before, contents(t, f.AdminURL), "it is further on")
	move(events.Indexing, "", events.Quarantine, events.ExpectationFailed)
	move(events.Indexing, "", events.Done, "")
	got := status(t, f.db, f.a)
	require.Empty(t, got.Waiting)
	require.Equal(t, []store.StageCount{{Stage: events.Indexing, Outcome: events.Quarantine, Reason: events.ExpectationFailed, Count: 1}}, got.Counts)
	require.Equal(t, 1, got.Events)
	require.Equal(t, []int64{1}, rows[int64](t, f.AdminURL,
		"SELECT num_nonnulls(ingested_at, judged_at, embedded_at, indexed_at, finished_at) / 5::bigint FROM progress"))
	require.NoError(t, tenant.Advance(t.Context(), nil))
}

// A worker commits that an event goes on, and ends before it has said so. When its message comes again, the record has
// moved on: nothing else would ever come for the event.
func TestInvariant6AnOvertakenEventEndsWhereverItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k", 1)
	mustIngest(t, f.db, f.a, record)
	tenant := f.db.Tenant(f.a)
	event := eventOf(record)
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: event, From: events.Quality, Next: events.Embedding}}))
	overtaken := []store.Advance{{Event: event, From: events.Quality, Outcome: events.Stale, Reason: events.Superseded}}
	require.NoError(t, tenant.Advance(t.Context(), overtaken))
	got := status(t, f.db, f.a)
	require.Empty(t, got.Waiting)
	ended := []store.StageCount{{Stage: events.Quality, Outcome: events.Stale, Reason: events.Superseded, Count: 1}}
	require.Equal(t, ended, got.Counts)

	before := contents(t, f.AdminURL)
	require.NoError(t, tenant.Advance(t.Context(), overtaken))
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: event, From: events.Embedding, Next: events.Indexing}}))
	require.Equal(t, before, contents(t, f.AdminURL), "its output had been published all the same")
}

// Intermediate advances must not add index entries: see the migration.
func TestAdvancesAreHeapOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var records []events.Record
	var advances []store.Advance
	for range 100 {
		record := property(uuid.NewString(), 1)
		records = append(records, record)
		advances = append(advances, advance(record, events.Quality, events.Embedding)...)
	}
	mustIngest(t, f.db, f.a, records...)
	require.NoError(t, f.db.Tenant(f.a).Advance(t.Context(), advances))
	conn := connect(t, f.AdminURL)
	// A worker's connection reports its statistics when it ends.
	f.db.Close()
	var updates, hot int
	require.Eventually(t, func() bool {
		require.NoError(t, conn.QueryRow(t.Context(),
			"SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'progress'").Scan(&updates, &hot))
		return updates == 100
	}, timeout, tick)
	require.Equal(t, 100, hot)
}

// A worker's plans are made while its tables are empty, and must be right when a burst has filled them.
func TestRowsAreLookedUpByKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	conn := connect(t, f.AdminURL)
	for _, table := range tenantTables(t, f.AdminURL) {
		_, err := conn.Exec(t.Context(), "ALTER TABLE "+table+" SET (autovacuum_enabled = off)")
		require.NoError(t, err)
	}
	database := postgrestest.Database{URL: f.URL}
	db := postgrestest.Open(t, database)
	work := func(n int) {
		record := property(fmt.Sprint("k", n), 1)
		mustIngest(t, db, f.a, record)
		tenant := db.Tenant(f.a)
		require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, advance(record, events.Quality, events.Embedding)))
		_, err := tenant.EmbeddingStates(t.Context(), "m", []store.Wanted{{Key: record.Key}})
		require.NoError(t, err)
		require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(record, 1)}, advance(record, events.Embedding, events.Indexing)))
		_, err = tenant.IndexStates(t.Context(), "m", []store.Wanted{{Key: record.Key}})
		require.NoError(t, err)
		require.NoError(t, tenant.Index(t.Context(), []store.IndexEntry{entry(record, true)}, func(context.Context, []string) error { return nil },
			[]store.Advance{{Event: eventOf(record), From: events.Indexing, Outcome: events.Done}}))
	}
	const warm, more = 10, 40
	for n := range warm {
		work(n)
	}
	var many []events.Record
	for n := range 1000 {
		many = append(many, property(fmt.Sprint("many", n), 1))
	}
	mustIngest(t, f.db, f.a, many...)
	for n := range more {
		work(warm + n)
	}
	db.Close() // a connection reports its statistics when it ends
	f.db.Close()
	sum := func(column string) (n int) {
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT sum("+column+")::int FROM pg_stat_user_tables").Scan(&n))
		return n
	}
	require.Eventually(t, func() bool { return sum("n_tup_ins") > 2*len(many) }, timeout, tick)
	require.Less(t, sum("seq_tup_read")+sum("idx_tup_fetch"), 3*len(many)+100*(warm+more))
}
