package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

const kept = 30 * 24 * time.Hour

// age has everything that has happened so far be long ago.
func age(t *testing.T, f fixture, d time.Duration) {
	t.Helper()
	asOwner(t, f, `UPDATE progress SET accepted_at = accepted_at - $1::interval, finished_at = finished_at - $1::interval`, d)
	asOwner(t, f, `UPDATE runs SET settled_at = settled_at - $1::interval`, d)
	asOwner(t, f, `UPDATE dead_letters SET replayed_at = replayed_at - $1::interval`, d)
}

func mustRetire(t *testing.T, f fixture) (removed int64) {
	t.Helper()
	removed, err := f.db.Platform().RetireEvents(t.Context(), kept)
	require.NoError(t, err)
	return removed
}

func keptEvents(t *testing.T, f fixture) []string {
	return rows[string](t, f.AdminURL, `SELECT coalesce(record_key, '') || ' ' || coalesce(outcome, 'waits') FROM progress ORDER BY 1`)
}

func TestEventsAreRemovedWhenTheyWereKeptLongEnough(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustFinish(t, f, f.a, true, property("moved", 1))
	mustFinish(t, f, f.a, true, property("moved", 2))
	mustIngest(t, f.db, f.a, property("moved", 0)) // stale
	mustFinish(t, f, f.b, true, property("other", 1))
	mustFinish(t, f, f.b, true, property("other", 2))
	mustIngest(t, f.db, f.a, property("waits", 1))
	age(t, f, kept-time.Hour)
	require.Zero(t, mustRetire(t, f), "young")
	age(t, f, 2*time.Hour)
	mustFinish(t, f, f.a, true, property("today", 1))
	mustFinish(t, f, f.a, true, property("today", 2))
	require.EqualValues(t, 3, mustRetire(t, f))
	require.Equal(t, []string{"moved done", "other done", "today done", "today done", "waits waits"}, keptEvents(t, f),
		"the newest version's event stays, and what waits")
	require.Equal(t, []uuid.UUID{eventOf(property("moved", 2))}, rows[uuid.UUID](t, f.AdminURL, `SELECT event_uid FROM progress WHERE record_key = 'moved'`))
	require.Equal(t, []int{7}, rows[int](t, f.AdminURL, "SELECT sum(events)::int FROM endings"), "what was counted stays counted")
	require.Zero(t, mustRetire(t, f))
}

func TestInvariant6UnfinishedEventsCannotBeRemoved(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustFinish(t, f, f.a, true, property("done", 1))
	mustIngest(t, f.db, f.a, property("waits", 1))
	app := connect(t, f.URL)
	tx, err := app.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SELECT set_tenant_context($1)", f.a)
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "DELETE FROM progress")
	require.NoError(t, err)
	require.NoError(t, tx.Commit(t.Context()))
	require.Equal(t, []string{"waits waits"}, keptEvents(t, f), "whatever a statement says")
}

func TestInvariant7TheLastOfASourceStays(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, n := range []int{1, 2} {
		mustFinish(t, f, f.a, true, property("k", n))
	}
	asOwner(t, f, `UPDATE progress SET source = 'silent', accepted_at = accepted_at - interval '1 day' WHERE version_seq = 1`)
	age(t, f, 2*kept)
	require.Zero(t, mustRetire(t, f))
	facts, err := f.db.Tenant(f.a).Freshness(t.Context())
	require.NoError(t, err)
	require.Len(t, facts.Tenants[0].Sources, 2, "or its silence would end with it")
}

func TestEventsOfOpenLettersAndRunsStay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	old, record := property("stored", 0), property("stored", 1)
	mustIngest(t, f.db, f.a, old)
	step := letter("step", eventOf(old))
	step.Key, step.Version, step.RunID = "stored", old.Version, ""
	save(t, f, f.a, step)
	mustFinish(t, f, f.a, true, record)
	age(t, f, 2*kept)
	require.Zero(t, mustRetire(t, f), "it died, and its letter is open")

	step.Version = record.Version
	planned(t, f, f.a, "mend", store.RunItem{Letter: step.ID, Cause: step.Event, Stage: events.Quality, Ref: refOf(record), Version: record.Version})
	items := mustRelease(t, tenant, "mend", 10)
	require.Len(t, items, 1)
	require.NoError(t, tenant.MarkPublished(t.Context(), "mend", store.Published{Confirmed: []int64{1}}))
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: items[0].Event, From: events.Indexing, Outcome: events.Done}}))
	age(t, f, 2*kept)
	require.EqualValues(t, 1, mustRetire(t, f), "the letter is closed; how its replay ended, the run has not seen yet")
	require.Empty(t, rows[uuid.UUID](t, f.AdminURL, "SELECT event_uid FROM progress WHERE event_uid = $1", eventOf(old)))

	settled, err := tenant.SettleRun(t.Context(), "mend")
	require.NoError(t, err)
	require.EqualValues(t, 1, settled.Run.Ended)
	require.Zero(t, mustRetire(t, f), "the letter shows what became of it")
	purged, err := f.db.Platform().PurgeLetters(t.Context(), 3*kept)
	require.NoError(t, err)
	require.Zero(t, purged, "young")
	age(t, f, 2*kept)
	purged, err = f.db.Platform().PurgeLetters(t.Context(), kept)
	require.NoError(t, err)
	require.EqualValues(t, 1, purged)
	require.Empty(t, groupsOf(t, tenant, store.LetterGroupFilter{}))
	mustFinish(t, f, f.a, true, property("later", 1)) // of the same source
	asOwner(t, f, `UPDATE progress SET lane = 'bulk' WHERE record_key = 'later'`)
	require.EqualValues(t, 2, mustRetire(t, f), "its event, and the item of the run")
	left, err := tenant.RunItems(t.Context(), "mend", "", 0, 10)
	require.NoError(t, err)
	require.Empty(t, left)
	run, err := tenant.Run(t.Context(), "mend")
	require.NoError(t, err)
	require.EqualValues(t, 1, run.Ended, "what it came to stays")
	counts, err := tenant.RunCounts(t.Context(), "mend")
	require.NoError(t, err)
	require.Equal(t, []store.RunCount{{Stage: events.Indexing, Outcome: events.Done, Events: 1}}, counts)
}

func TestARunsCountsStayWhenItsEventsGo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	_, err := tenant.StartRun(t.Context(), feedRun("run"))
	require.NoError(t, err)
	mustFinish(t, f, f.a, true, property("a", 1), property("b", 1))
	mustIngest(t, f.db, f.a, property("b", 0)) // stale
	asOwner(t, f, `UPDATE progress SET run_id = CASE WHEN version_seq = 0 THEN 'run' ELSE 'nobody' || record_key END`)
	asOwner(t, f, `UPDATE progress SET run_id = 'run' WHERE record_key = 'a'`)
	mustFinish(t, f, f.a, true, property("a", 2), property("b", 2))
	before, err := tenant.RunCounts(t.Context(), "run")
	require.NoError(t, err)
	require.Len(t, before, 2)
	age(t, f, 2*kept)
	require.EqualValues(t, 3, mustRetire(t, f))
	counts, err := tenant.RunCounts(t.Context(), "run")
	require.NoError(t, err)
	require.ElementsMatch(t, before, counts)
	require.Equal(t, []string{"run"}, rows[string](t, f.AdminURL, "SELECT DISTINCT run_id FROM run_removed"), "what is no run needs no account")

	_, err = tenant.StartRun(t.Context(), feedRun("run"))
	require.ErrorIs(t, err, store.ErrExists, "its publisher lives")
	counts, err = tenant.RunCounts(t.Context(), "run")
	require.NoError(t, err)
	require.Len(t, counts, 2)
	asOwner(t, f, `UPDATE runs SET updated_at = now() - interval '1 day'`)
	_, err = tenant.StartRun(t.Context(), feedRun("run"))
	require.NoError(t, err)
	counts, err = tenant.RunCounts(t.Context(), "run")
	require.NoError(t, err)
	require.Empty(t, counts, "published again, its events are counted as they come")
}

func TestInvariants2And3ADuplicateThatComesAfterAllIsForgottenDoesNoHarm(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, record := property("k", 1), property("k", 2)
	mustFinish(t, f, f.a, true, old)
	mustFinish(t, f, f.a, true, record)
	age(t, f, 2*kept)
	require.EqualValues(t, 1, mustRetire(t, f))
	held := func() []string {
		return rows[string](t, f.AdminURL, `SELECT r.xmin || r::text FROM properties r UNION ALL SELECT r.xmin || r::text FROM verdicts r
			UNION ALL SELECT r.xmin || r::text FROM embeddings r UNION ALL SELECT r.xmin || r::text FROM index_entries r
			UNION ALL SELECT r.xmin || r::text FROM raw_archive r UNION ALL SELECT r.xmin || r::text FROM staged_raw r ORDER BY 1`)
	}
	before := held()
	mustIngest(t, f.db, f.a, old, record)
	require.Equal(t, before, held(), "not a row was written but the event's own")
	require.Equal(t, []string{"k done", "k stale"}, keptEvents(t, f))
	require.Equal(t, []string{"done 2", "stale 1"}, rows[string](t, f.AdminURL, "SELECT outcome || ' ' || sum(events) FROM endings GROUP BY outcome ORDER BY 1"))
}

// However many rows stay, a removal finds those that go without reading the table.
func TestRemovalReadsWhatIsOldOnly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const young, old = 20_000, 1_500
	asOwner(t, f, `ALTER TABLE progress SET (autovacuum_enabled = off)`)
	fill := func(n int, finished string) {
		asOwner(t, f, `INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
				occurred_at, accepted_at, run_id, traceparent, lane, finished_at, ended_in, outcome)
			SELECT $1, gen_random_uuid(), 'e', 'mls', 'x', 'property', 'k', now(), 0, now(), now() - $2::interval, '', '', 'a', now() - $2::interval,
				'indexing', 'done' FROM generate_series(1, $3)`, f.a, finished, n)
	}
	fill(young, "1h")
	for _, prepare := range []string{"SELECT 1", "ANALYZE"} {
		fill(old, "1000h")
		asOwner(t, f, prepare)
		asOwner(t, f, `SELECT pg_stat_reset()`)
		db := postgrestest.Open(t, f.Database)
		removed, err := db.Platform().RetireEvents(t.Context(), kept)
		require.NoError(t, err)
		require.EqualValues(t, old, removed)
		db.Close() // a connection reports its statistics when it ends
		var read int
		require.Eventually(t, func() bool {
			require.NoError(t, connect(t, f.AdminURL).QueryRow(t.Context(),
				"SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_user_tables WHERE relname = 'progress'").Scan(&read))
			return read > 0
		}, timeout, tick)
		require.Less(t, read, 4*old, fmt.Sprint("after ", prepare))
	}
}
