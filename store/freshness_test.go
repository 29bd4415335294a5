package store_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

const mls = "mls/northwest"

// facts are those of one tenant with one source, changed.
func facts(change ...func(*store.TenantFacts)) store.FreshnessFacts {
	tenant := store.TenantFacts{
		Tenant:  store.Tenant{ID: uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001"), Name: "acme", Lane: "a", State: store.TenantActive},
		Sources: []store.SourceSigns{{Source: mls, LastLive: noon.Add(-time.Minute)}},
	}
	for _, apply := range change {
		apply(&tenant)
	}
	return store.FreshnessFacts{At: noon, Tenants: []store.TenantFacts{tenant}}
}

// at judges the tenant by another clock.
func at(f store.FreshnessFacts, after time.Duration) store.Freshness {
	f.At = noon.Add(after)
	return f.Judge().Tenants[0]
}

// waits is live work that was accepted when it happened.
func waits(stage events.Stage, age time.Duration) func(*store.TenantFacts) {
	return func(t *store.TenantFacts) {
		since := noon.Add(-age)
		t.Work = append(t.Work, store.Work{
			Stage: stage, Source: mls, Entry: store.LiveEntry, Events: 1, OldestOccurred: since, OldestAccepted: since, OldestDue: since,
		})
	}
}

func heard(signs store.SourceSigns) func(*store.TenantFacts) {
	return func(t *store.TenantFacts) { signs.Source = mls; t.Sources = []store.SourceSigns{signs} }
}

func stageOf(t *testing.T, f store.Freshness, stage events.Stage) store.StageFreshness {
	t.Helper()
	for _, one := range f.Stages {
		if one.Stage == stage {
			return one
		}
	}
	require.FailNow(t, "no such stage")
	return store.StageFreshness{}
}

func TestStateIsTheAgeOfTheOldestUnfinishedLiveWork(t *testing.T) {
	for age, state := range map[time.Duration]store.FreshnessState{
		time.Second: store.Fresh, 2*time.Hour - 1: store.Fresh, 2 * time.Hour: store.Late, 4 * time.Hour: store.Late,
		4*time.Hour + 1: store.Warning, 8 * time.Hour: store.Warning, 8*time.Hour + 1: store.Critical, 1000 * time.Hour: store.Critical,
	} {
		f := at(facts(waits(events.Embedding, age), waits(events.Quality, time.Second)), 0)
		require.Equal(t, state, f.State, age)
		require.Equal(t, state, f.Sources[0].State, age)
		require.Equal(t, state, stageOf(t, f, events.Embedding).State, age)
		require.Equal(t, store.Fresh, stageOf(t, f, events.Quality).State, "only the stage that is late is")
		require.Equal(t, store.Fresh, stageOf(t, f, events.Indexing).State, "nothing waits there")
		if state != store.Fresh {
			require.Equal(t, events.Embedding, f.Stage)
			require.Equal(t, mls, f.Source)
		}
	}
	f := at(facts(waits(events.Embedding, 5*time.Hour+12*time.Minute)), 0)
	require.Equal(t, "1 event of mls/northwest waits at embedding, the oldest for 5h12m", f.Reason)
	require.Equal(t, noon.Add(-72*time.Minute), f.Since, "since it passed the threshold")
}

// The trap: "now minus last event" wakes somebody for every tenant that has nothing to say.
func TestInvariant7TenantThatSendsNothingForADayIsNeverLate(t *testing.T) {
	quiet := facts(heard(store.SourceSigns{LastLive: noon, LongestSilence: 10 * time.Minute}))
	require.Equal(t, store.Fresh, at(quiet, 20*time.Minute).State)
	for _, after := range []time.Duration{time.Hour, 9 * time.Hour, 24 * time.Hour, 29 * 24 * time.Hour} {
		f := at(quiet, after)
		require.Equal(t, store.Unknown, f.State, after)
		require.Equal(t, store.Unknown, stageOf(t, f, events.Indexing).State, after)
		require.False(t, f.Sources[0].Alive)
		require.Equal(t, noon.Add(30*time.Minute), f.Since)
	}
	require.Contains(t, at(quiet, 24*time.Hour).Reason, "silent for 1d")

	alive := facts(heard(store.SourceSigns{LastLive: noon.Add(-24 * time.Hour), Heartbeat: noon, HeartbeatEvery: 5 * time.Minute}))
	f := at(alive, 14*time.Minute)
	require.Equal(t, store.Fresh, f.State)
	require.True(t, f.Sources[0].Alive)
	require.Equal(t, store.Unknown, at(alive, 16*time.Minute).State, "three heartbeats are missed")
}

func TestInvariant7NoEvidenceIsUnknown(t *testing.T) {
	never := facts(func(t *store.TenantFacts) { t.Sources = nil })
	f := at(never, 0)
	require.Equal(t, store.Unknown, f.State)
	require.Equal(t, "no source has been heard of", f.Reason)
	for _, stage := range f.Stages {
		require.Equal(t, store.Unknown, stage.State)
	}
	backfilled := facts(heard(store.SourceSigns{LastBulk: noon}))
	require.Equal(t, store.Unknown, at(backfilled, 0).State, "a backfill says nothing about live data")
	retired := facts(heard(store.SourceSigns{LastLive: noon.Add(-31 * 24 * time.Hour)}))
	require.Empty(t, at(retired, 0).Sources, "nobody waits for it any more")
}

func TestOneSilentSourceMakesNotSureOfTheTenant(t *testing.T) {
	f := at(facts(func(t *store.TenantFacts) {
		t.Sources = append(t.Sources, store.SourceSigns{Source: "mls/south", LastLive: noon.Add(-50 * time.Hour)})
	}), 0)
	require.Equal(t, store.Unknown, f.State)
	require.Equal(t, "mls/south", f.Source)
	require.Equal(t, store.Fresh, stageOf(t, f, events.Quality).State)
}

// The other trap: a backfill looks fresh when the last write counts, and late when event times do.
func TestBackfillNeitherHidesAnOutageNorMakesOne(t *testing.T) {
	bulk := func(t *store.TenantFacts) {
		t.Sources[0].LastBulk = noon
		t.Work = append(t.Work, store.Work{
			Stage: events.Quality, Source: mls, Entry: store.BulkEntry, Events: 1_000_000,
			OldestOccurred: noon.AddDate(-10, 0, 0), OldestAccepted: noon.Add(-30 * time.Hour), OldestDue: noon.Add(-30 * time.Hour),
		})
	}
	f := at(facts(bulk), 0)
	require.Equal(t, store.Fresh, f.State, "however old its records are, and however long it takes")
	quality := stageOf(t, f, events.Quality)
	require.Equal(t, 1_000_000, quality.Bulk.Events)
	require.Zero(t, quality.Live.Events)
	require.Equal(t, noon.AddDate(-10, 0, 0), quality.Bulk.OldestOccurred, "reported beside")

	require.Equal(t, store.Critical, at(facts(waits(events.Indexing, 9*time.Hour), bulk), 0).State, "and an outage stays one")
	silent := facts(heard(store.SourceSigns{LastLive: noon.Add(-50 * time.Hour), LastBulk: noon}), bulk)
	require.Equal(t, store.Unknown, at(silent, 0).State, "a backfill is no sign of life")
}

func TestOneStuckEventBecomesLateInTime(t *testing.T) {
	stuck := facts(waits(events.Indexing, time.Minute), func(t *store.TenantFacts) {
		t.Ended = []store.StageCount{{Stage: events.Indexing, Outcome: events.Done, Count: 1_000_000}}
	})
	for after, state := range map[time.Duration]store.FreshnessState{
		0: store.Fresh, 119 * time.Minute: store.Late, 240 * time.Minute: store.Warning, 480 * time.Minute: store.Critical,
	} {
		stuck.Tenants[0].Sources[0].LastLive = noon.Add(after) // everything else goes through
		require.Equal(t, state, at(stuck, after).State, after)
	}
}

func TestThresholdsAreTheSourcesElseTheTenants(t *testing.T) {
	set := func(source string, scale time.Duration) store.TenantThresholds {
		return store.TenantThresholds{Source: source, Thresholds: store.Thresholds{Late: scale, Warning: 2 * scale, Critical: 3 * scale}}
	}
	f := facts(waits(events.Quality, 10*time.Minute))
	require.Equal(t, store.Fresh, at(f, 0).State)
	f.Tenants[0].Thresholds = []store.TenantThresholds{set("", time.Minute)}
	require.Equal(t, store.Critical, at(f, 0).State)
	f.Tenants[0].Thresholds = []store.TenantThresholds{set("", time.Minute), set(mls, 9*time.Minute), set("other", time.Second)}
	require.Equal(t, store.Late, at(f, 0).State)
	require.Equal(t, noon.Add(8*time.Minute+time.Millisecond), ptr(at(f, 0)).WorseAt(), "when it will be a warning")
}

func ptr[T any](v T) *T { return &v }

func TestLifeIsJudgedByHeartbeatsWhereThereAreAny(t *testing.T) {
	for name, one := range map[string]struct {
		signs store.SourceSigns
		alive time.Duration // it is at this age
		dead  time.Duration // and no more at this
	}{
		"nothing learned":              {store.SourceSigns{LastLive: noon}, 2 * time.Hour, 121 * time.Minute},
		"learned":                      {store.SourceSigns{LastLive: noon, LongestSilence: 10 * time.Hour}, 15 * time.Hour, 901 * time.Minute},
		"learned, too short to trust":  {store.SourceSigns{LastLive: noon, LongestSilence: time.Second}, 30 * time.Minute, 31 * time.Minute},
		"learned, too long to wait":    {store.SourceSigns{LastLive: noon, LongestSilence: 160 * time.Hour}, 72 * time.Hour, 73 * time.Hour},
		"heartbeats without a promise": {store.SourceSigns{Heartbeat: noon, LongestSilence: 10 * time.Hour}, 15 * time.Minute, 16 * time.Minute},
		"heartbeats of an hour":        {store.SourceSigns{Heartbeat: noon, HeartbeatEvery: time.Hour}, 3 * time.Hour, 181 * time.Minute},
		"an event after the heartbeat": {store.SourceSigns{LastLive: noon, Heartbeat: noon.Add(-14 * time.Minute)}, 15 * time.Minute, 16 * time.Minute},
		"events long after heartbeats": {store.SourceSigns{LastLive: noon, Heartbeat: noon.Add(-24 * time.Hour), LongestSilence: time.Hour}, 90 * time.Minute, 91 * time.Minute},
	} {
		f := facts(heard(one.signs))
		require.True(t, at(f, one.alive).Sources[0].Alive, name)
		require.False(t, at(f, one.dead).Sources[0].Alive, name)
		f.Tenants[0].Thresholds = []store.TenantThresholds{{Thresholds: store.Thresholds{Late: 1, Warning: 2, Critical: 3, Silence: 200 * time.Hour}}}
		require.True(t, at(f, 199*time.Hour).Sources[0].Alive, "%s: an operator knows better", name)
	}
}

func TestLaneThatStandsStillIsIngestions(t *testing.T) {
	block := func(since time.Time) func(*store.TenantFacts) {
		return func(t *store.TenantFacts) { t.Block = &store.LaneBlock{Lane: "a", Since: since, Messages: 7} }
	}
	stopped := facts(heard(store.SourceSigns{LastLive: noon}), block(noon.Add(time.Minute)))
	f := at(stopped, 5*time.Hour)
	require.Equal(t, store.Warning, f.State)
	require.Equal(t, events.Ingestion, f.Stage)
	require.Equal(t, store.Warning, stageOf(t, f, events.Ingestion).State)
	require.Equal(t, "7 messages wait in lane a, and none has been accepted from it since 2026-01-02T12:01:00Z", f.Reason)
	require.Equal(t, store.Unknown, stageOf(t, f, events.Quality).State, "nobody knows of the others")
	require.Equal(t, store.Fresh, at(stopped, time.Hour).State)

	quiet := facts(heard(store.SourceSigns{LastLive: noon.Add(-24 * time.Hour)}), block(noon))
	require.Equal(t, store.Unknown, at(quiet, 9*time.Hour).State, "the messages are its neighbours': it was quiet before")

	paused := facts(heard(store.SourceSigns{LastLive: noon}), func(t *store.TenantFacts) {
		t.Pauses = []store.Pause{{Stage: events.Ingestion, At: noon, By: "ann", Why: "prices in cents"}}
	})
	f = at(paused, 9*time.Hour)
	require.Equal(t, store.Critical, f.State)
	require.Equal(t, "paused by ann: prices in cents", f.Reason)
}

func TestPausedStageSaysSo(t *testing.T) {
	f := at(facts(waits(events.Embedding, 3*time.Hour), func(t *store.TenantFacts) {
		t.Pauses = []store.Pause{{Stage: events.Embedding, At: noon, By: "ann", Why: "model moves"}, {Stage: events.Quality, At: noon, By: "ann", ResumedAt: noon}}
	}), 0)
	require.Equal(t, store.Late, f.State)
	require.Equal(t, "paused by ann: model moves", stageOf(t, f, events.Embedding).Paused)
	require.Contains(t, stageOf(t, f, events.Embedding).Reason, "paused by ann")
	require.Empty(t, stageOf(t, f, events.Quality).Paused)
}

func TestNothingIsExpectedOfASuspendedTenant(t *testing.T) {
	f := at(facts(waits(events.Indexing, 100*time.Hour), func(t *store.TenantFacts) {
		t.Tenant.State, t.Tenant.StateBy, t.Tenant.StateWhy = store.TenantSuspended, "ann", "unpaid"
	}), 0)
	require.Equal(t, store.Unknown, f.State)
	require.True(t, f.Suspended)
	require.Equal(t, "suspended by ann: unpaid", f.Reason)
	require.Equal(t, 1, stageOf(t, f, events.Indexing).Live.Events)
	require.Equal(t, store.Unknown, stageOf(t, f, events.Indexing).State)
	require.Zero(t, f.WorseAt())
}

func TestSuccessIsWhatEndedWithoutADeadLetter(t *testing.T) {
	f := facts(func(t *store.TenantFacts) {
		t.Tenant.CreatedAt = noon.Add(-2 * time.Hour)
		t.Ended = []store.StageCount{
			{Stage: events.Indexing, Outcome: events.Done, Count: 100},
			{Stage: events.Indexing, Outcome: events.Quarantine, Count: 50},
			{Stage: events.Ingestion, Outcome: events.Stale, Count: 30},
			{Stage: events.Quality, Outcome: events.Dead, Count: 20},
		}
		t.Before = []store.EndedBefore{{Window: "1h", Stage: events.Indexing, Ended: store.Endings{Done: 90}}}
	})
	success := at(f, 0).Success
	require.Equal(t, store.Success{Window: "24h", State: store.Late, Ended: 200, Dead: 20, Quarantined: 50, Rate: 0.9}, success[1])
	require.InDelta(t, 1-20.0/110, success[0].Rate, 1e-9)
	success[0].Rate = 0
	require.Equal(t, store.Success{Window: "1h", State: store.Warning, Ended: 110, Dead: 20, Quarantined: 50}, success[0])
	for rate, state := range map[float64]store.FreshnessState{1: store.Fresh, .95: store.Fresh, .949: store.Late, .9: store.Late, .899: store.Warning, .8: store.Warning, .799: store.Critical, 0: store.Critical} {
		require.Equal(t, state, store.SuccessState(rate, 20), rate)
		require.Equal(t, store.Unknown, store.SuccessState(rate, 19), "too few to say")
	}
	f.Tenants[0].Tenant.CreatedAt = noon.AddDate(-1, 0, 0)
	require.Equal(t, store.Success{Window: "24h", State: store.Unknown, Rate: 1}, at(f, 0).Success[1], "nobody knows what was before")
	require.Equal(t, []int{110, 80, 60, 60}, handled(at(f, 0)), "what ended further on has passed")
}

func handled(f store.Freshness) []int {
	var counts []int
	for _, stage := range f.Stages {
		counts = append(counts, stage.Handled)
	}
	return counts
}

func TestSearchableTimesAreSummedUp(t *testing.T) {
	buckets := make([]int64, len(store.TimeBuckets)+1)
	buckets[store.TimeBucket(15*time.Millisecond)] = 90
	buckets[store.TimeBucket(3*time.Second)] = 9
	buckets[store.TimeBucket(1000*time.Hour)] = 1
	f := at(facts(func(t *store.TenantFacts) {
		t.Searchable = []store.SearchableTimes{{Entry: store.LiveEntry, Buckets: buckets}, {Entry: store.LiveEntry, Buckets: buckets}}
	}), 0)
	require.Equal(t, []store.Searchable{{Entry: store.LiveEntry, Events: 200, P50: 0.02, P95: 5.12, P99: 2 * store.Seconds(store.TimeBuckets[24].Seconds())}}, f.Searchable)
}

func TestHistoryRowsHoldWhatCounts(t *testing.T) {
	f := at(facts(waits(events.Embedding, 3*time.Hour), func(t *store.TenantFacts) {
		t.Ended = []store.StageCount{{Stage: events.Ingestion, Outcome: events.Stale, Reason: events.VersionOlder, Count: 3}, {Stage: events.Ingestion, Outcome: events.Stale, Reason: events.VersionDuplicate, Count: 4}}
	}), 0)
	require.Equal(t, []store.SLI{
		{Tenant: f.Tenant, At: noon, Stage: events.Ingestion, State: store.Fresh, Endings: store.Endings{Stale: 7}},
		{
			Tenant: f.Tenant, At: noon, Stage: events.Embedding, State: store.Late, Waiting: 1,
			OldestOccurred: noon.Add(-3 * time.Hour), OldestAccepted: noon.Add(-3 * time.Hour),
		},
	}, f.Slis())
}

func TestThresholdsMustGrow(t *testing.T) {
	require.NoError(t, store.DefaultThresholds.Check())
	for want, bad := range map[string]store.Thresholds{
		"late must be more than 0s, got 0s":                       {},
		"warning must be more than late (2h0m0s), got 1h0m0s":     {Late: 2 * time.Hour, Warning: time.Hour},
		"critical must be more than warning (2h0m0s), got 2h0m0s": {Late: time.Hour, Warning: 2 * time.Hour, Critical: 2 * time.Hour},
		"silence must be 0s (as learned) or more, got -1s":        {Late: 1, Warning: 2, Critical: 3, Silence: -time.Second},
	} {
		require.EqualError(t, bad.Check(), want)
	}
}

func TestAgesReadLikeAges(t *testing.T) {
	for want, age := range map[string]time.Duration{
		"0s": -time.Hour, "45s": 45 * time.Second, "12m": 12*time.Minute + 59*time.Second, "3h00m": 3 * time.Hour,
		"23h59m": 24*time.Hour - 1, "2d4h": 52 * time.Hour,
	} {
		require.Equal(t, want, store.AgeWords(age))
	}
}
