package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

const overdueAfter = 10 * time.Minute

// overdue asks for events at every stage behind ingestion in some of the three lanes.
func overdue(limit int, lanes ...string) store.Overdue {
	q := store.Overdue{After: overdueAfter, Lanes: []string{"a", "b", events.BulkLane}, Limit: limit}
	for _, lane := range lanes {
		for _, stage := range []events.Stage{events.Quality, events.Embedding, events.Indexing} {
			q.Places = append(q.Places, store.Place{Stage: stage, Lane: lane})
		}
	}
	return q
}

// rest lets time pass for all rows in progress.
func rest(t *testing.T, f fixture, d time.Duration) {
	t.Helper()
	conn := connect(t, f.AdminURL)
	_, err := conn.Exec(t.Context(), `UPDATE progress SET accepted_at = accepted_at - $1::interval, ingested_at = ingested_at - $1::interval,
		judged_at = judged_at - $1::interval, embedded_at = embedded_at - $1::interval, redriven_at = redriven_at - $1::interval`, d)
	require.NoError(t, err)
}

func redrive(t *testing.T, tenant *postgres.Tenant, q store.Overdue) []store.Unmoved {
	t.Helper()
	unmoved, err := tenant.Redrive(t.Context(), q)
	require.NoError(t, err)
	return unmoved
}

func TestInvariant6OverdueEventsAreFoundOnceAndAgainWhenTheyStandStill(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	waits, passed, quarantined, removed, done := property("waits", 1), property("passed", 1), property("quarantined", 1), tombstone("removed", 1), property("done", 1)
	mustIngest(t, f.db, f.a, waits, passed, quarantined, removed, done)
	require.NoError(t, tenant.Advance(t.Context(), advance(passed, events.Quality, events.Embedding)))
	require.NoError(t, tenant.Advance(t.Context(), advance(quarantined, events.Quality, events.Indexing)))
	require.NoError(t, tenant.Advance(t.Context(), advance(removed, events.Quality, events.Indexing)))
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: eventOf(done), From: events.Quality, Outcome: events.Done}}))

	require.Empty(t, redrive(t, tenant, overdue(10, "a")), "nothing is overdue yet")
	rest(t, f, overdueAfter+time.Second)
	require.Empty(t, redrive(t, tenant, overdue(10, "b")), "another lane")

	first := redrive(t, tenant, overdue(3, "a"))
	require.Len(t, first, 3, "at most the limit")
	found := append(first, redrive(t, tenant, overdue(3, "a"))...)
	require.Len(t, found, 4)
	require.Empty(t, redrive(t, tenant, overdue(10, "a")), "never twice within the time")
	byKey := map[string]store.Unmoved{}
	for _, one := range found {
		byKey[one.Ref.Key] = one
	}
	require.Equal(t, store.Place{Stage: events.Quality, Lane: "a"}, byKey["waits"].Place)
	require.Equal(t, store.Place{Stage: events.Embedding, Lane: "a"}, byKey["passed"].Place)
	require.True(t, byKey["passed"].Judged)
	require.Equal(t, events.Indexing, byKey["quarantined"].Place.Stage)
	require.True(t, byKey["quarantined"].Judged)
	require.Equal(t, events.Indexing, byKey["removed"].Place.Stage)
	require.NotContains(t, byKey, "done")
	one := byKey["waits"]
	require.Equal(t, eventOf(waits), one.Event)
	require.Equal(t, eventOf(waits).String(), one.ID)
	require.Equal(t, waits.Version, one.Version)
	require.Equal(t, waits.Version.At, one.OccurredAt)
	require.Equal(t, 1, one.Redrives)

	// What moved starts anew; what stands still waits longer each time.
	require.NoError(t, tenant.Advance(t.Context(), advance(waits, events.Quality, events.Embedding)))
	rest(t, f, overdueAfter+time.Second)
	again := redrive(t, tenant, overdue(10, "a"))
	require.Len(t, again, 4)
	for _, one := range again {
		want := 2
		if one.Ref.Key == "waits" {
			want = 1
		}
		require.Equal(t, want, one.Redrives, one.Ref.Key)
	}
	rest(t, f, overdueAfter+time.Second)
	again = redrive(t, tenant, overdue(10, "a"))
	require.Len(t, again, 1, "those that did not move the second time wait twice as long")
	require.Equal(t, 2, again[0].Redrives)
	rest(t, f, overdueAfter+time.Second)
	require.Len(t, redrive(t, tenant, overdue(10, "a")), 3)
}

func TestRedriveTakesEventsOfAClosedLaneForBulk(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("k", 1))
	_, err := connect(t, f.AdminURL).Exec(t.Context(), `UPDATE progress SET lane = 'closed'`)
	require.NoError(t, err)
	rest(t, f, overdueAfter+time.Second)
	require.Empty(t, redrive(t, f.db.Tenant(f.a), overdue(10, "a")))
	found := redrive(t, f.db.Tenant(f.a), overdue(10, events.BulkLane))
	require.Len(t, found, 1)
	require.Equal(t, events.BulkLane, found[0].Place.Lane)
}

func TestWhatIsPausedIsNotOverdue(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("k", 1), tombstone("gone", 1))
	require.NoError(t, f.db.Tenant(f.a).Advance(t.Context(), advance(tombstone("gone", 1), events.Quality, events.Indexing)))
	rest(t, f, overdueAfter+time.Second)
	admin := connect(t, f.AdminURL)
	_, err := admin.Exec(t.Context(), `INSERT INTO pauses (tenant_id, stage, paused_by, why) VALUES ($1, 'quality', 'me', 'test')`, f.a)
	require.NoError(t, err)
	found := redrive(t, f.db.Tenant(f.a), overdue(10, "a"))
	require.Len(t, found, 1)
	require.Equal(t, events.Indexing, found[0].Place.Stage)
	_, err = admin.Exec(t.Context(), `DELETE FROM pauses`)
	require.NoError(t, err)
	require.Len(t, redrive(t, f.db.Tenant(f.a), overdue(10, "a")), 1)
}

func TestInvariant4RedriveLeavesOtherTenantsAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("k", 1))
	mustIngest(t, f.db, f.b, property("k", 1))
	behind, err := f.db.Platform().Behind(t.Context(), overdueAfter)
	require.NoError(t, err)
	require.Empty(t, behind)
	rest(t, f, overdueAfter+time.Second)
	behind, err = f.db.Platform().Behind(t.Context(), overdueAfter)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{f.a, f.b}, behind)

	const others = `SELECT xmin || p::text FROM progress p WHERE tenant_id = $1`
	before := rows[string](t, f.AdminURL, others, f.b)
	require.Len(t, redrive(t, f.db.Tenant(f.a), overdue(10, "a")), 1)
	require.Equal(t, before, rows[string](t, f.AdminURL, others, f.b))
	require.Len(t, redrive(t, f.db.Tenant(f.b), overdue(10, "a")), 1)
	require.Empty(t, redrive(t, f.db.Tenant(uuid.New()), overdue(10, "a")))
}

func TestRedriveMarksInPlace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var batch []events.Record
	for i := range 200 {
		batch = append(batch, property(fmt.Sprintf("k%03d", i), 1))
	}
	mustIngest(t, f.db, f.a, batch...)
	q := overdue(1000, "a")
	q.After = time.Microsecond
	require.Len(t, redrive(t, f.db.Tenant(f.a), q), 200)
	require.Eventually(t, func() bool {
		return rows[bool](t, f.AdminURL, `SELECT n_tup_upd = 200 AND n_tup_hot_upd >= 190 FROM pg_stat_user_tables WHERE relname = 'progress'`)[0]
	}, statisticsWait, statisticsTick, "marking rows is a HOT update")
}

const (
	statisticsWait = 20 * time.Second
	statisticsTick = 200 * time.Millisecond
)
