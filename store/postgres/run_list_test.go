package postgres_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// wholeRuns reads the list from its beginning to its end, two at a time.
func wholeRuns(t *testing.T, f fixture, filter store.RunFilter) (all []store.WholeRun) {
	t.Helper()
	var after store.WholeRunCursor
	for {
		page, err := f.db.Platform().WholeRuns(t.Context(), filter, 2, after)
		require.NoError(t, err)
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Cursor()
	}
}

func TestARunOverSeveralTenantsIsOneInTheListOfAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := uuid.NewString()
	for _, tenant := range []uuid.UUID{f.a, f.b} {
		mustIngest(t, f.db, tenant, property("k1", 1), property("k2", 1))
		_, err := f.db.Tenant(tenant).PlanRerun(t.Context(), store.Run{ID: id, RunWork: store.RunWork{Ticket: "OPS-7", Rate: 20}}, selecting(events.Quality), operator)
		require.NoError(t, err)
		_, err = f.db.Tenant(tenant).StartRun(t.Context(), feedRun("feed"))
		require.NoError(t, err)
	}
	execute(t, f.AdminURL, "UPDATE runs SET started_at = '2026-01-01' WHERE kind = 'feed'") // of the same id, at the same moment
	all := wholeRuns(t, f, store.RunFilter{})
	require.Len(t, all, 3)
	run := all[0]
	require.Equal(t, []any{id, store.RerunRun, store.RunPlanned, int64(2), uuid.Nil}, []any{run.ID, run.Kind, run.State, run.Tenants, run.Tenant})
	require.Equal(t, []any{int64(4), "OPS-7", 20.0, operator.By}, []any{run.Selected, run.Ticket, run.Rate, run.By})
	require.ElementsMatch(t, []uuid.UUID{f.a, f.b}, []uuid.UUID{all[1].Tenant, all[2].Tenant})

	_, _, err := f.db.Tenant(f.a).ResumeRun(t.Context(), id, operator)
	require.NoError(t, err)
	_, _, err = f.db.Tenant(f.b).CancelRun(t.Context(), id, operator)
	require.NoError(t, err)
	running := wholeRuns(t, f, store.RunFilter{State: store.RunRunning})
	require.Len(t, running, 1, "one that any part of it is in")
	require.Zero(t, running[0].FinishedAt, "not all of it has ended")
	require.Empty(t, wholeRuns(t, f, store.RunFilter{State: store.RunCancelled}))
	require.Len(t, wholeRuns(t, f, store.RunFilter{Kind: store.FeedRun}), 2)
}

func TestRunsAreNarrowedByKindAndState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	for _, id := range []string{"lives", "silent"} {
		_, err := tenant.StartRun(t.Context(), feedRun(id))
		require.NoError(t, err)
	}
	execute(t, f.AdminURL, "UPDATE runs SET updated_at = now() - interval '1 hour' WHERE id = 'silent'")
	for state, want := range map[store.RunState]string{store.RunPublishing: "lives", store.RunInterrupted: "silent"} {
		filter := store.RunFilter{Kind: store.FeedRun, State: state}
		own, err := tenant.Runs(t.Context(), filter, 10, store.RunCursor{})
		require.NoError(t, err)
		require.Len(t, own, 1)
		require.Equal(t, want, own[0].ID)
		all := wholeRuns(t, f, filter)
		require.Len(t, all, 1)
		require.Equal(t, want, all[0].ID)
	}
	own, err := tenant.Runs(t.Context(), store.RunFilter{Kind: store.ReplayRun}, 10, store.RunCursor{})
	require.NoError(t, err)
	require.Empty(t, own)
}
