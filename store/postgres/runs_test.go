package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func feedRun(id string) store.Run {
	return store.Run{ID: id, Kind: store.FeedRun, State: store.RunPublishing, By: "ann", Source: "feed/homes.csv", Lane: store.BulkEntry}
}

func TestRunIsWrittenAsItGoes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	run := feedRun("run")
	var err error
	run.StartedAt, err = tenant.StartRun(t.Context(), run)
	require.NoError(t, err)
	run.Published, run.Known, run.Rejected = 10, 3, 2
	run.Problems = []store.RunProblem{{Line: 7, Field: "ListingKey", Must: "be \x00 there", Got: "\"\""}}
	require.NoError(t, tenant.SaveRun(t.Context(), run))
	got, err := tenant.Run(t.Context(), "run")
	require.NoError(t, err)
	require.Zero(t, got.FinishedAt)
	require.False(t, got.UpdatedAt.Before(got.StartedAt))

	run.State, run.Error = store.RunInterrupted, "unexpected EOF"
	require.NoError(t, tenant.SaveRun(t.Context(), run))
	got, err = tenant.Run(t.Context(), "run")
	require.NoError(t, err)
	require.NotZero(t, got.FinishedAt)
	want := run
	want.Problems[0].Must = "be \uFFFD there"
	want.UpdatedAt, want.FinishedAt = got.UpdatedAt, got.FinishedAt
	require.Equal(t, want, got)
	require.ErrorIs(t, tenant.SaveRun(t.Context(), run), store.ErrConflict, "it has ended")

	_, err = f.db.Tenant(f.b).Run(t.Context(), "run")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestRunIsOnePublishersAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	first := feedRun("run")
	var err error
	first.StartedAt, err = tenant.StartRun(t.Context(), first)
	require.NoError(t, err)
	_, err = tenant.StartRun(t.Context(), feedRun("run"))
	require.ErrorIs(t, err, store.ErrExists)
	_, err = f.db.Tenant(f.b).StartRun(t.Context(), feedRun("run"))
	require.NoError(t, err, "another tenant's runs are others")

	execute(t, f.AdminURL, "UPDATE runs SET updated_at = now() - interval '1 hour' WHERE tenant_id = '"+f.a.String()+"'")
	second := feedRun("run")
	second.StartedAt, err = tenant.StartRun(t.Context(), second)
	require.NoError(t, err, "its publisher has died")
	require.ErrorIs(t, tenant.SaveRun(t.Context(), first), store.ErrConflict, "the first publisher comes back")

	second.State, second.Published = store.RunPublished, 5
	require.NoError(t, tenant.SaveRun(t.Context(), second))
	_, err = tenant.StartRun(t.Context(), store.Run{ID: "run", Kind: "other", Lane: store.LiveEntry})
	require.ErrorIs(t, err, store.ErrExists, "a run keeps its kind")
	_, err = tenant.StartRun(t.Context(), feedRun("run"))
	require.NoError(t, err)
	got, err := tenant.Run(t.Context(), "run")
	require.NoError(t, err)
	require.Zero(t, got.Published, "it begins anew")
}

func TestRunsAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	for i := range 5 {
		_, err := tenant.StartRun(t.Context(), feedRun(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	_, err := f.db.Tenant(f.b).StartRun(t.Context(), feedRun("theirs"))
	require.NoError(t, err)
	execute(t, f.AdminURL, "UPDATE runs SET started_at = '2026-01-01' WHERE id IN ('0', '1', '2')")
	var ids []string
	var after store.RunCursor
	for {
		page, err := tenant.Runs(t.Context(), store.RunFilter{}, 2, after)
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		for _, run := range page {
			ids = append(ids, run.ID)
		}
		last := page[len(page)-1]
		after = store.RunCursor{StartedAt: last.StartedAt, ID: last.ID}
	}
	require.Equal(t, []string{"4", "3", "2", "1", "0"}, ids)
}

func TestRunCountsWhereItsEventsAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	records := []events.Record{property("a", 1), property("b", 1), property("c", 1), property("d", 1)}
	mustIngest(t, f.db, f.a, records...)
	mustIngest(t, f.db, f.a, property("d", 0)) // stale
	execute(t, f.AdminURL, "UPDATE progress SET run_id = 'run' WHERE record_key <> 'a'")
	require.NoError(t, tenant.Advance(t.Context(), advance(records[1], events.Quality, events.Embedding)))
	counts, err := tenant.RunCounts(t.Context(), "run")
	require.NoError(t, err)
	require.ElementsMatch(t, []store.RunCount{
		{Stage: events.Embedding, Events: 1},
		{Stage: events.Quality, Events: 2},
		{Stage: events.Ingestion, Outcome: events.Stale, Reason: events.VersionOlder, Events: 1},
	}, counts)
	counts, err = tenant.RunCounts(t.Context(), "")
	require.NoError(t, err)
	require.Empty(t, counts, "no run is no run")

	ids := []uuid.UUID{eventOf(records[0]), eventOf(records[1]), uuid.New()}
	known, err := tenant.KnownEvents(t.Context(), ids, "run")
	require.NoError(t, err)
	require.EqualValues(t, 1, known, "a was accepted under another run, b under this one")
	known, err = f.db.Tenant(f.b).KnownEvents(t.Context(), ids, "run")
	require.NoError(t, err)
	require.Zero(t, known)
}

func TestRunWithoutAWordIsInterrupted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	run := feedRun("run")
	run.UpdatedAt = now.Add(-store.RunSilence - time.Second)
	require.True(t, run.Interrupted(now))
	run.UpdatedAt = now
	require.False(t, run.Interrupted(now))
	run.State, run.UpdatedAt = store.RunPublished, now.Add(-time.Hour)
	require.False(t, run.Interrupted(now))
}
