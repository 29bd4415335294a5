package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// mustBegin starts a rerun.
func mustBegin(t testing.TB, tenant *postgres.Tenant, selection store.RerunSelection) string {
	t.Helper()
	id := uuid.NewString()
	_, err := tenant.PlanRerun(t.Context(), store.Run{ID: id, Source: "test"}, selection, operator)
	require.NoError(t, err)
	_, changed, err := tenant.BeginRun(t.Context(), id, operator)
	require.NoError(t, err)
	require.True(t, changed)
	return id
}

func mustRelease(t testing.TB, tenant *postgres.Tenant, id string, limit int) []store.ReleasedItem {
	t.Helper()
	_, _, err := tenant.ReleaseRun(t.Context(), id, limit)
	require.NoError(t, err)
	items, err := tenant.Unpublished(t.Context(), id, 1000)
	require.NoError(t, err)
	return items
}

// mustSettle publishes everything of a run and has its events end in an outcome.
func mustSettle(t testing.TB, tenant *postgres.Tenant, id string, outcome events.Outcome) store.Settled {
	t.Helper()
	items, err := tenant.Unpublished(t.Context(), id, 1000)
	require.NoError(t, err)
	var published store.Published
	var ends []store.Advance
	for _, item := range items {
		published.Confirmed = append(published.Confirmed, item.Ordinal)
		if item.Waiting != nil {
			ends = append(ends, store.Advance{Event: item.Event, From: item.Stage, Outcome: outcome, Reason: reasonOf(outcome)})
		}
	}
	require.NoError(t, tenant.MarkPublished(t.Context(), id, published))
	require.NoError(t, tenant.Advance(t.Context(), ends))
	settled, err := tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	return settled
}

func reasonOf(outcome events.Outcome) events.Reason {
	if outcome == events.Done {
		return ""
	}
	return events.StageError
}

func TestInvariant6ReleasedItemsAreInProgress(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	stored(t, f)
	for stage, want := range map[events.Stage]map[string][2]bool{ // judged, embedded
		events.Quality:   {"failed": {}, "judged": {}, "lease": {}, "new": {}, "passed": {}},
		events.Embedding: {"judged": {true}, "passed": {true}},
		events.Indexing:  {"failed": {true}, "gone": {}, "passed": {true, true}},
	} {
		id := mustBegin(t, tenant, selecting(stage))
		items := mustRelease(t, tenant, id, 100)
		require.Len(t, items, len(want), stage)
		for _, item := range items {
			facts, ok := want[item.Ref.Key]
			require.True(t, ok, "%s %s", stage, item.Ref.Key)
			w := item.Waiting
			require.NotNil(t, w, "%s %s", stage, item.Ref.Key)
			require.Equal(t, facts, [2]bool{w.Judged, w.Embedded}, "%s %s", stage, item.Ref.Key)
			require.Equal(t, store.Place{Stage: stage, Lane: events.BulkLane}, w.Place)
			require.Equal(t, []any{item.Event, item.Event.String(), id, item.Version}, []any{w.Event, w.ID, w.RunID, w.Version})
			trail, err := tenant.Trail(t.Context(), store.EventRef{Event: item.Event, ID: w.ID})
			require.NoError(t, err)
			require.NotNil(t, trail.Progress)
		}
		sources := rows[string](t, f.AdminURL, "SELECT DISTINCT source || ' ' || lane FROM progress WHERE run_id = $1", id)
		require.Equal(t, []string{"mls bulk"}, sources, "the source of what is worked on again")
		settled := mustSettle(t, tenant, id, events.Done)
		require.Equal(t, map[events.Outcome]int{events.Done: len(want)}, settled.Ended, stage)
		require.Equal(t, store.RunDone, settled.Run.State)
		require.NotZero(t, settled.Run.SettledAt)
		require.NotZero(t, settled.Run.FinishedAt)
	}
}

func TestWhatChangedSinceThePlanIsSkipped(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	mustFinish(t, f, f.a, true, property("newer", 1), property("gone", 1), property("failed", 1), property("kept", 1))
	embed, index := mustBegin(t, tenant, selecting(events.Embedding)), mustBegin(t, tenant, selecting(events.Indexing))
	mustIngest(t, f.db, f.a, property("newer", 2))
	mustIngest(t, f.db, f.a, tombstone("gone", 3))
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(property("failed", 1), false)}, nil))
	for id, reasons := range map[string]map[string]string{
		embed: {"newer": store.SkipSuperseded, "gone": store.SkipSuperseded, "failed": store.SkipNotPassed},
		index: {"newer": store.SkipSuperseded, "gone": store.SkipSuperseded},
	} {
		released, skipped, err := tenant.ReleaseRun(t.Context(), id, 10)
		require.NoError(t, err)
		require.Equal(t, []int{4 - len(reasons), len(reasons)}, []int{released, skipped})
		items, err := tenant.RunItems(t.Context(), id, store.ItemSkipped, 0, 10)
		require.NoError(t, err)
		found := map[string]string{}
		for _, item := range items {
			found[item.Ref.Key] = item.Reason
		}
		require.Equal(t, reasons, found)
		run, err := tenant.Run(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, len(reasons), run.Skipped)
		require.Zero(t, run.Left())
	}
}

func TestIndexingIsMadeToWriteWhatItWroteBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	mustFinish(t, f, f.a, true, property("present", 1))
	mustFinish(t, f, f.a, false, property("absent", 1))
	write := func() (granted []string) {
		require.NoError(t, tenant.Index(t.Context(), []store.IndexEntry{entry(property("absent", 1), false), entry(property("present", 1), true)},
			func(_ context.Context, keys []string) error { granted = keys; return nil }, nil))
		return granted
	}
	require.Empty(t, write(), "what is there already is not written again")
	mustRelease(t, tenant, mustBegin(t, tenant, selecting(events.Indexing)), 10)
	require.ElementsMatch(t, []string{"absent", "present"}, write())
	require.Empty(t, write())
}

func TestARunIsReleasedBitByBit(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	var records []events.Record
	for i := range 10 {
		records = append(records, property(fmt.Sprint("k", i), 1))
	}
	mustIngest(t, f.db, f.a, records...)
	id := mustBegin(t, tenant, selecting(events.Quality))
	require.Len(t, mustRelease(t, tenant, id, 4), 4)
	again, err := tenant.Unpublished(t.Context(), id, 2)
	require.NoError(t, err)
	require.Len(t, again, 2, "until they are marked")

	mark := store.Published{Confirmed: []int64{1, 2}, Final: []int64{3}, Skipped: map[int64]string{4: "no bytes"}}
	require.NoError(t, tenant.MarkPublished(t.Context(), id, mark))
	require.NoError(t, tenant.MarkPublished(t.Context(), id, mark), "twice is once")
	run, err := tenant.Run(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []int64{3, 1, 1, 3, 2, 6}, []int64{run.Released, run.Ended, run.Skipped, run.Published, run.InFlight(), run.Left()})

	require.NoError(t, tenant.SaveDeadLetters(t.Context(), []store.DeadLetter{letter("l", again[0].Event)}))
	settled, err := tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, map[events.Outcome]int{events.Dead: 1}, settled.Ended)
	require.EqualValues(t, 1, settled.Run.Dead)
	require.Equal(t, store.RunRunning, settled.Run.State)
	items, err := tenant.RunItems(t.Context(), id, store.ItemEnded, 0, 10)
	require.NoError(t, err)
	require.Equal(t, []events.Outcome{events.Dead, events.Done}, []events.Outcome{items[0].Outcome, items[1].Outcome})

	for range 3 {
		mustRelease(t, tenant, id, 4)
		mustSettle(t, tenant, id, events.Done)
	}
	run, err = tenant.Run(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, store.RunRunning, run.State, "the second of those marked is on its way")
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: again[1].Event, From: events.Quality, Outcome: events.Done}}))
	settled, err = tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, store.RunDone, settled.Run.State)
	require.EqualValues(t, 9, settled.Run.Ended)
}

func TestARunIsPausedResumedAndCancelled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	mustIngest(t, f.db, f.a, property("k1", 1), property("k2", 1), property("k3", 1))
	id := mustBegin(t, tenant, selecting(events.Quality))
	require.Len(t, mustRelease(t, tenant, id, 1), 1)

	_, changed, err := tenant.PauseRun(t.Context(), id, operator)
	require.NoError(t, err)
	require.True(t, changed)
	_, changed, err = tenant.PauseRun(t.Context(), id, operator)
	require.NoError(t, err)
	require.False(t, changed, "it is paused already")
	require.Len(t, mustRelease(t, tenant, id, 1), 1, "nothing more")
	run, changed, err := tenant.ResumeRun(t.Context(), id, operator)
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, store.RunRunning, run.State)

	run, _, err = tenant.CancelRun(t.Context(), id, operator)
	require.NoError(t, err)
	require.NotZero(t, run.FinishedAt)
	require.Zero(t, run.SettledAt)
	require.Len(t, mustRelease(t, tenant, id, 1), 1)
	_, _, err = tenant.ResumeRun(t.Context(), id, operator)
	require.ErrorIs(t, err, store.ErrConflict, "never again")
	at, err := f.db.Platform().RunsAtWork(t.Context())
	require.NoError(t, err)
	require.Equal(t, []store.RunAtWork{{Tenant: f.a, ID: id, Active: true}}, at, "an event is on its way")

	settled := mustSettle(t, tenant, id, events.Quarantine)
	require.Equal(t, store.RunCancelled, settled.Run.State)
	require.Equal(t, []int64{2, 1, 0}, []int64{settled.Run.Cancelled, settled.Run.Ended, settled.Run.Dead})
	require.NotZero(t, settled.Run.SettledAt)
	at, err = f.db.Platform().RunsAtWork(t.Context())
	require.NoError(t, err)
	require.Empty(t, at)

	entries, err := tenant.AuditLog(t.Context(), store.AuditFilter{})
	require.NoError(t, err)
	var acts []store.Action
	for _, entry := range entries {
		if entry.Subject == id {
			acts = append(acts, entry.Action)
		}
	}
	require.Equal(t, []store.Action{store.RunCancelledAct, store.RunResumedAct, store.RunPausedAct, store.RunStartedAct, store.RunPlannedAct}, acts)

	_, _, err = f.db.Tenant(f.b).CancelRun(t.Context(), id, operator)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = tenant.StartRun(t.Context(), feedRun("feed"))
	require.NoError(t, err)
	_, _, err = tenant.CancelRun(t.Context(), "feed", operator)
	require.ErrorIs(t, err, store.ErrConflict, "a feed is its publisher's")
}

func TestAStoppedRunSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	mustIngest(t, f.db, f.a, property("k1", 1))
	id := mustBegin(t, tenant, selecting(events.Quality))
	run, changed, err := tenant.StopRun(t.Context(), id, "60 of 100 died", store.Act{By: "runs", Why: "60 of 100 died"})
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, []any{store.RunStopped, "60 of 100 died"}, []any{run.State, run.Error})
	settled, err := tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 1, settled.Run.Cancelled)
	require.NotZero(t, settled.Run.SettledAt)
}

func TestRunsOfAllTenantsAreListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	id := uuid.NewString()
	for _, tenant := range []uuid.UUID{f.a, f.b} {
		mustIngest(t, f.db, tenant, property("k1", 1))
		_, err := f.db.Tenant(tenant).PlanRerun(t.Context(), store.Run{ID: id}, selecting(events.Quality), operator)
		require.NoError(t, err)
	}
	_, err := f.db.Tenant(f.a).StartRun(t.Context(), feedRun("feed"))
	require.NoError(t, err)
	all, err := f.db.Platform().Runs(t.Context(), "", store.RunFilter{}, 10, store.RunCursor{})
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.Equal(t, "feed", all[0].ID)
	rest, err := f.db.Platform().Runs(t.Context(), "", store.RunFilter{}, 10, store.RunCursor{StartedAt: all[0].StartedAt, ID: all[0].ID})
	require.NoError(t, err)
	require.Len(t, rest, 2)
	both, err := f.db.Platform().Runs(t.Context(), id, store.RunFilter{}, 10, store.RunCursor{})
	require.NoError(t, err)
	require.Len(t, both, 2)
	require.NotEqual(t, both[0].Digest, both[1].Digest, "no two tenants' events are the same")
	at, err := f.db.Platform().RunsAtWork(t.Context())
	require.NoError(t, err)
	require.Empty(t, at, "they are only planned")
}

func TestARunFromIngestionOnNamesTheEventWhoseBytesItReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	record, other := property("k1", 1), property("k2", 1)
	mustIngest(t, f.db, f.a, record, other)
	id, second := mustBegin(t, tenant, selecting(events.Ingestion)), mustBegin(t, tenant, selecting(events.Ingestion))
	items := mustRelease(t, tenant, id, 10)
	require.Len(t, items, 2)
	require.Nil(t, items[0].Waiting, "its progress is ingestion's own work")
	require.Equal(t, &store.RunOrigin{
		ID: eventOf(record).String(), Source: "mls", Type: "reos.property.upserted.v1", OccurredAt: record.Version.At,
	}, items[0].Origin)

	require.NoError(t, tenant.MarkPublished(t.Context(), id, store.Published{Confirmed: []int64{1, 2}}))
	rows[int](t, f.AdminURL, "WITH late AS (UPDATE run_items SET published_at = now() - interval '16 minutes' RETURNING 1) SELECT count(*) FROM late")
	first := items[0]
	remake(t, f, record, first.Event)
	forgotten, err := tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, 1, forgotten.Forgotten, "the broker has lost the one that was not accepted")
	items, err = tenant.Unpublished(t.Context(), id, 10)
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.Equal(t, "k2", items[0].Ref.Key)
	_, skipped, err := tenant.ReleaseRun(t.Context(), second, 10)
	require.NoError(t, err)
	require.Equal(t, 1, skipped, "another run has made it anew")
	settled := mustSettle(t, tenant, id, events.Done)
	require.Zero(t, settled.Run.Ended, "its event is on its way")
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: first.Event, From: events.Quality, Outcome: events.Done}}))
	settled, err = tenant.SettleRun(t.Context(), id)
	require.NoError(t, err)
	require.EqualValues(t, 1, settled.Run.Ended)
}

// remake has ingestion make a record's version anew, as another event and with another price.
func remake(t testing.TB, f fixture, record events.Record, event uuid.UUID) {
	t.Helper()
	require.NoError(t, remaking(t.Context(), f, record, event, eventOf(record)))
}

func remaking(ctx context.Context, f fixture, record events.Record, event, of uuid.UUID) error {
	anew := record
	anew.Doc = []byte(`{"ListPrice":7,"ListingKey":"` + record.Key + `"}`)
	return f.db.Tenant(f.a).Ingest(ctx, []uuid.UUID{event}, []store.Ref{refOf(record)}, func(store.Known) (store.IngestPlan, error) {
		accepted := acceptance(record)
		accepted.Event, accepted.ID = event, event.String()
		return store.IngestPlan{
			Accepted: []store.Acceptance{accepted}, Archived: []uuid.UUID{event}, Staged: []store.Frame{frameOf(record)},
			Records: []store.RecordWrite{{Record: anew, Event: event, RemadeOf: of}},
		}, nil
	})
}

func TestInvariant3TheSameVersionReplacesWhatItWasMadeFrom(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old, record := property("k1", 0), property("k1", 1)
	mustIngest(t, f.db, f.a, old)
	mustIngest(t, f.db, f.a, record)
	prior := load(t, f.db, f.a, "k1")["k1"].Prior
	require.Contains(t, string(prior), "1000.50")

	require.ErrorIs(t, remaking(t.Context(), f, record, uuid.New(), uuid.Nil), store.ErrConflict, "the same version from elsewhere")
	require.ErrorIs(t, remaking(t.Context(), f, record, uuid.New(), eventOf(old)), store.ErrConflict, "made from another version")
	require.ErrorIs(t, remaking(t.Context(), f, old, uuid.New(), eventOf(record)), store.ErrConflict, "an older version")
	require.Contains(t, string(load(t, f.db, f.a, "k1")["k1"].Doc), "1001.50")

	remake(t, f, record, uuid.New())
	now := load(t, f.db, f.a, "k1")["k1"]
	require.JSONEq(t, `{"ListPrice":7,"ListingKey":"k1"}`, string(now.Doc))
	require.Equal(t, prior, now.Prior, "it is compared with the same as before")
	require.ErrorIs(t, remaking(t.Context(), f, record, uuid.New(), eventOf(record)), store.ErrConflict, "that event holds it no more")
	require.Equal(t, []string{"7.00"}, rows[string](t, f.AdminURL, "SELECT list_price::text FROM properties"))
}
