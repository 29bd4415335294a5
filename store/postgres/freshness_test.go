package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// asOwner runs a statement as the owner: it is how tests move what happened into the past.
func asOwner(t testing.TB, f fixture, statement string, arguments ...any) {
	t.Helper()
	_, err := connect(t, f.AdminURL).Exec(t.Context(), statement, arguments...)
	require.NoError(t, err)
}

// acceptedAgo accepts an event of a source that now waits at quality.
func acceptedAgo(t testing.TB, f fixture, tenant uuid.UUID, source, lane, key string, accepted, occurred time.Duration) {
	t.Helper()
	record := property(key, 1)
	require.NoError(t, f.db.Tenant(tenant).Ingest(t.Context(), nil, nil, func(store.Known) (store.IngestPlan, error) {
		a := acceptance(record)
		a.Event = uuid.New()
		a.Source, a.Lane = source, lane
		return store.IngestPlan{Accepted: []store.Acceptance{a}}, nil
	}))
	asOwner(t, f, `UPDATE progress SET accepted_at = now() - $1::interval, occurred_at = now() - $2::interval WHERE tenant_id = $3 AND record_key = $4`,
		accepted, occurred, tenant, key)
}

// finish ends all that waits for a tenant.
func finish(t testing.TB, f fixture, tenant uuid.UUID, key string) {
	t.Helper()
	asOwner(t, f, `UPDATE progress SET stage = NULL, finished_at = now(), ended_in = 'indexing', outcome = 'done' WHERE tenant_id = $1 AND record_key = $2`, tenant, key)
}

// fresh reads and judges all tenants, and each by its own handle: both must say the same.
func fresh(t testing.TB, f fixture, tenant uuid.UUID) store.Freshness {
	t.Helper()
	all, err := f.db.Platform().Freshness(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.db.Platform().FreshnessSigns(t.Context(), all.Tenants))
	require.NoError(t, f.db.Platform().FreshnessRates(t.Context(), all.Tenants))
	own, err := f.db.Tenant(tenant).Freshness(t.Context())
	require.NoError(t, err)
	require.Len(t, own.Tenants, 1)
	for _, facts := range all.Tenants {
		if facts.Tenant.ID == tenant {
			for _, counts := range [][]store.StageCount{facts.Ended, own.Tenants[0].Ended} {
				slices.SortFunc(counts, func(a, b store.StageCount) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			}
			require.Equal(t, own.Tenants[0], facts, "the platform and the tenant know the same")
		}
	}
	return own.Judge().Tenants[0]
}

func TestFreshnessOfARealDatabase(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Equal(t, store.Unknown, fresh(t, f, f.a).State)

	acceptedAgo(t, f, f.a, "mls/a", "a", "done", time.Minute, time.Minute)
	finish(t, f, f.a, "done")
	require.Equal(t, store.Fresh, fresh(t, f, f.a).State)

	acceptedAgo(t, f, f.a, "mls/a", "a", "stuck", 3*time.Hour, 3*time.Hour+30*time.Minute)
	acceptedAgo(t, f, f.a, "mls/b", "a", "young", time.Second, 2*time.Second)
	acceptedAgo(t, f, f.a, "backfill", "bulk", "bulk", 10*time.Hour, 90000*time.Hour)
	got := fresh(t, f, f.a)
	require.Equal(t, store.Late, got.State)
	require.Equal(t, events.Quality, got.Stage)
	require.Equal(t, "mls/a", got.Source)
	require.Equal(t, 2, got.Stages[1].Live.Events)
	require.Equal(t, 1, got.Stages[1].Bulk.Events)
	require.WithinDuration(t, got.At.Add(-3*time.Hour-30*time.Minute), got.Stages[1].Due, time.Minute, "by event time, which is believable")
	require.Equal(t, store.Unknown, fresh(t, f, f.b).State, "the neighbour's work is not its own")

	finish(t, f, f.a, "stuck")
	require.Equal(t, store.Fresh, fresh(t, f, f.a).State)
}

func TestOldRecordsThatComeLiveCountFromTheirAcceptance(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	acceptedAgo(t, f, f.a, "mls", "a", "old", time.Minute, 87600*time.Hour)
	acceptedAgo(t, f, f.a, "mls", "a", "ahead", time.Minute, -time.Hour)
	require.Equal(t, store.Fresh, fresh(t, f, f.a).State, "ten years old, and accepted just now")
	acceptedAgo(t, f, f.a, "mls", "a", "stuck", 5*time.Hour, 87600*time.Hour)
	require.Equal(t, store.Warning, fresh(t, f, f.a).State, "and stuck, it is late")

	// With thresholds of its own, what is believable is another.
	require.NoError(t, f.db.Tenant(f.b).SetThresholds(t.Context(), "",
		store.Thresholds{Late: time.Minute, Warning: 2 * time.Hour, Critical: 3 * time.Hour}, store.Act{By: "ann"}))
	acceptedAgo(t, f, f.b, "mls", "a", "k", time.Second, 90*time.Second)
	require.Equal(t, store.Fresh, fresh(t, f, f.b).State)
	require.NoError(t, f.db.Tenant(f.b).SetThresholds(t.Context(), "mls",
		store.Thresholds{Late: 100 * time.Second, Warning: 2 * time.Hour, Critical: 3 * time.Hour}, store.Act{By: "ann"}))
	acceptedAgo(t, f, f.b, "mls", "a", "l", 20*time.Second, 110*time.Second)
	require.Equal(t, store.Late, fresh(t, f, f.b).State)
}

func TestHeartbeatsKeepTheNewest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	beat := func(source string, at time.Time, every time.Duration) {
		require.NoError(t, f.db.Tenant(f.a).Heartbeats(t.Context(), []store.Heartbeat{{Source: source, At: at, Every: every}}))
	}
	beat("mls/a", now.Add(-time.Minute), time.Hour)
	beat("mls/a", now.Add(-time.Hour), time.Second) // comes late, and changes nothing
	beat("mls/b", now.Add(100*time.Hour), 0)        // by a clock that is wrong
	got := fresh(t, f, f.a)
	require.Equal(t, store.Fresh, got.State)
	byName := map[string]store.SourceFreshness{}
	for _, source := range got.Sources {
		byName[source.Source] = source
	}
	require.True(t, now.Add(-time.Minute).Equal(byName["mls/a"].Heartbeat))
	require.Equal(t, store.Seconds(3*3600), byName["mls/a"].Silence)
	require.WithinDuration(t, now, byName["mls/b"].Heartbeat, time.Minute, "counts as now")
	require.NoError(t, f.db.Tenant(f.a).Heartbeats(t.Context(), nil))

	stranger := uuid.New()
	require.NoError(t, f.db.Tenant(stranger).Heartbeats(t.Context(), []store.Heartbeat{{Source: "x", At: now}}))
	require.Equal(t, []int64{0}, rows[int64](t, f.AdminURL, "SELECT count(*) FROM sources WHERE tenant_id = '"+stranger.String()+"'"))
}

func TestThresholdsAreSetListedAndUnset(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	act := store.Act{By: "ann", Why: "a nightly feed"}
	want := store.Thresholds{Late: 26 * time.Hour, Warning: 30 * time.Hour, Critical: 50 * time.Hour, Silence: 25 * time.Hour}
	require.NoError(t, f.db.Tenant(f.a).SetThresholds(t.Context(), "mls", store.DefaultThresholds, act))
	require.NoError(t, f.db.Tenant(f.a).SetThresholds(t.Context(), "mls", want, act))
	set, err := f.db.Platform().Thresholds(t.Context())
	require.NoError(t, err)
	require.Len(t, set, 1)
	require.Equal(t, want, set[0].Thresholds)
	require.Equal(t, []string{"mls", "ann"}, []string{set[0].Source, set[0].By})
	changed, err := f.db.Tenant(f.a).UnsetThresholds(t.Context(), "mls", act)
	require.NoError(t, err)
	require.True(t, changed)
	changed, err = f.db.Tenant(f.a).UnsetThresholds(t.Context(), "mls", act)
	require.NoError(t, err)
	require.False(t, changed)
	log, err := f.db.Tenant(f.a).AuditLog(t.Context(), store.AuditFilter{Action: store.ThresholdsSet})
	require.NoError(t, err)
	require.Len(t, log, 3)
	require.Equal(t, []string{"ann", "mls", "a nightly feed"}, []string{log[0].Actor, log[0].Subject, log[0].Why})
}

func TestLanesThatStandStill(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	now := time.Now().UTC()
	wait := func(lanes ...store.WaitingLane) []store.LaneBlock {
		blocks, err := f.db.Platform().LanesWaiting(t.Context(), lanes, time.Minute)
		require.NoError(t, err)
		return blocks
	}
	lane := func(accepted time.Time) store.WaitingLane {
		return store.WaitingLane{Lane: "a", Messages: 7, LastAccepted: accepted}
	}
	require.Empty(t, wait(lane(now.Add(-9*time.Hour))), "seen once: the message may just have come")
	blocks := wait(lane(now.Add(-9*time.Hour)), store.WaitingLane{Lane: "b", Messages: 1})
	require.Len(t, blocks, 1)
	require.WithinDuration(t, now, blocks[0].Since, time.Minute, "not since the last event: nothing waited all that time")

	asOwner(t, f, `UPDATE lane_blocks SET since = now() - interval '5 hours', seen_at = now() - interval '10 seconds'`)
	require.WithinDuration(t, now.Add(-5*time.Hour), wait(lane(now.Add(-9 * time.Hour)))[0].Since, time.Minute)
	require.WithinDuration(t, now.Add(-5*time.Hour), wait(lane(time.Time{}))[0].Since, time.Minute, "no event was ever accepted")
	require.WithinDuration(t, now.Add(-3*time.Hour), wait(lane(now.Add(-3 * time.Hour)))[0].Since, time.Minute, "the lane moved")

	asOwner(t, f, `UPDATE lane_blocks SET seen_at = now() - interval '5 hours'`) // nobody looked
	require.Empty(t, wait(lane(now.Add(-3*time.Hour))), "the lane may have been empty meanwhile")
	require.WithinDuration(t, now.Add(-3*time.Hour), wait(lane(now.Add(-3 * time.Hour)))[0].Since, time.Minute, "it was not")

	require.Empty(t, wait())
	require.Empty(t, wait(lane(time.Time{})), "it begins anew")
}

func TestSilenceIsLearnedFromEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hours := func(source string, lane string, ago ...float64) {
		asOwner(t, f, `INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at,
				version_seq, occurred_at, accepted_at, run_id, traceparent, lane, stage)
			SELECT $1, gen_random_uuid(), 'e', $2, 'x', 'property', 'k', now(), 0, now(), now() - interval '1 hour' * ago, '', '', $3, 'quality'
			FROM unnest($4::float8[]) AS ago`, f.a, source, lane, ago)
	}
	hours("busy", "a", 20, 19.9, 19.8, 18, 14, 13.4, 1)
	hours("busy", "bulk", 10, 9, 8, 7, 6, 5, 4, 3)
	hours("moved", "b", 30, 28)
	hours("moved", "a", 20, 12)
	hours("young", "a", 5, 1)
	hours("old", "a", 400, 300, 200)
	require.NoError(t, f.db.Tenant(f.a).LearnSilence(t.Context(), []string{"busy", "moved", "young", "old"}, []string{"a", "b"}))
	require.NoError(t, f.db.Tenant(f.a).LearnSilence(t.Context(), nil, nil))
	learned := rows[string](t, f.AdminURL, `SELECT source || ' ' || round(extract(epoch FROM longest_silence) / 360) / 10 FROM sources ORDER BY 1`)
	require.Equal(t, []string{"busy 12.4", "moved 8"}, trimZeros(learned), "a backfill is no sign; two silences at least; of the last week")
}

func trimZeros(values []string) []string {
	trimmed := make([]string, len(values))
	for i, value := range values {
		for value[len(value)-1] == '0' {
			value = value[:len(value)-1]
		}
		trimmed[i] = value
		if value[len(value)-1] == '.' {
			trimmed[i] = value[:len(value)-1]
		}
	}
	return trimmed
}

func TestCoverageCountsFieldsOfPropertiesThatAreNotDeleted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	full := property("full", 1)
	full.Doc = []byte(`{"ListPrice":1,"StandardStatus":"Active","UnparsedAddress":"x","Latitude":1,"Longitude":2,"BedroomsTotal":3,
		"BathroomsTotalInteger":1,"LivingArea":100,"YearBuilt":1900,"PublicRemarks":"nice"}`)
	poor := property("poor", 1)
	poor.Doc = []byte(`{"Latitude":1,"Longitude":null,"PublicRemarks":" ","UnparsedAddress":"x"}`)
	mustIngest(t, f.db, f.a, full, poor, tombstone("gone", 1))
	require.NoError(t, f.db.Tenant(f.a).MeasureCoverage(t.Context(), 42))
	facts, err := f.db.Tenant(f.a).Freshness(t.Context())
	require.NoError(t, err)
	coverage := facts.Tenants[0].Coverage
	require.Equal(t, []int{42, 2}, []int{coverage.Ended, coverage.Records})
	for _, field := range store.CoverageFields {
		want := 1
		if field == "address" {
			want = 2
		}
		require.Equal(t, want, coverage.Present[field], field)
	}
	require.InDelta(t, 0.5, facts.Judge().Tenants[0].Coverage.Share["price"], 1e-9)
}

func TestHistoryIsThinnedOutAndKeepsTheWorstState(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	day := 24 * time.Hour
	at := func(ago time.Duration) time.Time { return time.Now().UTC().Truncate(day).Add(-ago) }
	var history []store.SLI
	add := func(when time.Time, stage events.Stage, state store.FreshnessState, done int) {
		history = append(history, store.SLI{Tenant: f.a, At: when, Stage: stage, State: state, Endings: store.Endings{Done: done}})
	}
	for i := range 12 { // an hour, 4 days ago
		state := store.Fresh
		if i == 5 {
			state = store.Critical
		}
		add(at(4*day).Add(time.Duration(i)*5*time.Minute), events.Quality, state, i)
		add(at(4*day).Add(time.Duration(i)*5*time.Minute), events.Indexing, store.Fresh, i)
	}
	for i := range 24 { // a day, 90 days ago
		add(at(90*day).Add(time.Duration(i)*time.Hour), events.Quality, store.Late, i)
	}
	add(at(500*day), events.Quality, store.Late, 1)
	add(time.Now().Add(-time.Hour), events.Quality, store.Fresh, 100)
	add(time.Now().Add(-time.Minute), events.Quality, store.Fresh, 101)
	require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), history))
	for range 2 {
		require.NoError(t, f.db.Tenant(f.a).ThinHistory(t.Context()))
	}
	require.Equal(t, []string{"quality late 23", "indexing fresh 11", "quality critical 11", "quality fresh 100", "quality fresh 101"},
		rows[string](t, f.AdminURL, `SELECT stage || ' ' || state || ' ' || done FROM sli_history ORDER BY at, stage`))
}

func TestSuccessIsCountedFromTheHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	count := func(outcome string, n int) {
		asOwner(t, f, `INSERT INTO endings VALUES ($1, 0, 'indexing', $2, CASE $2 WHEN 'done' THEN '' ELSE 'x' END, $3)
			ON CONFLICT (tenant_id, slot, stage, outcome, reason) DO UPDATE SET events = excluded.events`, f.a, outcome, n)
	}
	count("done", 1000)
	count("dead", 500)
	require.Equal(t, 1500, fresh(t, f, f.a).Success[0].Ended, "the tenant is younger than the window")
	asOwner(t, f, `UPDATE tenants SET created_at = now() - interval '30 days' WHERE id = $1`, f.a)
	require.Equal(t, store.Unknown, fresh(t, f, f.a).Success[0].State, "nobody looked before")

	save := func(ago time.Duration, done, dead int) {
		require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), []store.SLI{{
			Tenant: f.a, At: time.Now().Add(-ago), Stage: events.Indexing, State: store.Fresh, Endings: store.Endings{Done: done, Dead: dead},
		}}))
	}
	save(2*time.Minute, 990, 490)
	success := fresh(t, f, f.a).Success
	require.Equal(t, []int{20, 10}, []int{success[0].Ended, success[0].Dead}, "since somebody looks")
	save(90*time.Minute, 600, 500)
	save(30*time.Hour, 100, 400)
	success = fresh(t, f, f.a).Success
	require.Equal(t, []int{400, 0}, []int{success[0].Ended, success[0].Dead})
	require.Equal(t, []int{1000, 100}, []int{success[1].Ended, success[1].Dead})
	require.Equal(t, store.Fresh, success[0].State)
	require.Equal(t, store.Late, success[1].State)
}

func TestSearchableTimesAddUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	hour := time.Now().UTC().Truncate(time.Hour)
	add := func(hour time.Time, buckets ...int64) {
		require.NoError(t, f.db.Tenant(f.a).AddSearchableTimes(t.Context(), []store.SearchableTimes{{Hour: hour, Entry: store.LiveEntry, Buckets: buckets}}))
	}
	add(hour, 1, 2)
	add(hour, 10, 20, 30) // another version of the program
	add(hour.Add(-3*time.Hour), 1000)
	require.NoError(t, f.db.Tenant(f.a).AddSearchableTimes(t.Context(), nil))
	facts, err := f.db.Tenant(f.a).Freshness(t.Context())
	require.NoError(t, err)
	require.Len(t, facts.Tenants[0].Searchable, 1)
	require.Equal(t, []int64{11, 22, 30}, facts.Tenants[0].Searchable[0].Buckets)
}

func TestOnlyTenantsThatAreServedAreJudged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	canary := store.NewCanary(store.CanaryProbe)
	canary.Lane = "a"
	require.NoError(t, f.db.Platform().CreateTenant(t.Context(), canary, store.Act{By: "test"}))
	acceptedAgo(t, f, canary.ID, "canary", "a", "k", 100*time.Hour, 100*time.Hour)
	acceptedAgo(t, f, f.b, "mls", "a", "k", 100*time.Hour, 100*time.Hour)
	asOwner(t, f, `UPDATE tenants SET state = 'deleting', state_by = 'ann' WHERE id = $1`, f.b)
	asOwner(t, f, `UPDATE tenants SET state = 'suspended', state_by = 'ann' WHERE id = $1`, f.a)
	facts, err := f.db.Platform().Freshness(t.Context())
	require.NoError(t, err)
	require.Len(t, facts.Tenants, 1)
	require.Equal(t, f.a, facts.Tenants[0].Tenant.ID)
	require.True(t, facts.Judge().Tenants[0].Suspended)
	_, err = f.db.Tenant(f.b).Freshness(t.Context())
	require.ErrorIs(t, err, store.ErrTenantDeleted)
	_, err = f.db.Tenant(uuid.New()).Freshness(t.Context())
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestOneTracksAndAnotherMayLead(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tracking := make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := f.db.LeadTracking(ctx, func(ctx context.Context) { close(tracking); <-ctx.Done() })
		done <- err
	}()
	<-tracking
	led, err := f.db.LeadTracking(t.Context(), func(context.Context) {})
	require.NoError(t, err)
	require.False(t, led)
	led, err = f.db.Lead(t.Context(), func(context.Context) {})
	require.NoError(t, err)
	require.True(t, led, "re-drive and reconcile are led by whoever comes first")
	stop()
	require.NoError(t, <-done)
}

// What a look reads grows with tenants and unfinished work, not with what has ever been.
func TestFreshnessReadsNoFinishedHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const finished = 20_000
	asOwner(t, f, `ALTER TABLE progress SET (autovacuum_enabled = off)`)
	asOwner(t, f, `INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
			occurred_at, run_id, traceparent, lane, finished_at, ended_in, outcome)
		SELECT $1, gen_random_uuid(), 'e', 'mls', 'x', 'property', 'k', now(), 0, now(), '', '', 'a', now(), 'indexing', 'done'
		FROM generate_series(1, $2)`, f.a, finished)
	read := func() (n int) {
		require.NoError(t, connect(t, f.AdminURL).QueryRow(t.Context(),
			"SELECT (coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_user_tables WHERE relname = 'progress'").Scan(&n))
		return n
	}
	for _, prepare := range []string{"SELECT 1", "ANALYZE"} {
		acceptedAgo(t, f, f.a, "mls", "a", "k "+prepare, time.Second, time.Second)
		asOwner(t, f, prepare)
		asOwner(t, f, `SELECT pg_stat_reset()`)
		db := postgrestest.Open(t, f.Database)
		g := fixture{Database: f.Database, db: db, a: f.a, b: f.b}
		for range 7 { // more often than plans are made for the parameters given
			require.Equal(t, store.Fresh, fresh(t, g, f.a).State)
		}
		db.Close() // a connection reports its statistics when it ends
		require.Eventually(t, func() bool { return read() > 0 }, timeout, tick)
		require.Less(t, read(), finished/10, prepare)
	}
}
