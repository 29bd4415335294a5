package freshness_test

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

// world is a tracker on a real Postgres. Its clock is Postgres': tests move what happened into the past.
type world struct {
	*bench
	t     testing.TB
	db    *postgres.DB
	owner *pgx.Conn
}

func newWorld(t testing.TB) *world {
	database := postgrestest.NewDatabase(t)
	owner, err := pgx.Connect(t.Context(), database.AdminURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = owner.Close(context.Background()) })
	w := &world{t: t, db: postgrestest.Open(t, database), owner: owner}
	w.bench = w.tracking()
	return w
}

// tracking is a tracker of another process: it remembers nothing.
func (w *world) tracking() *bench {
	b := &bench{transport: &fakeTransport{}, registry: prometheus.NewRegistry()}
	b.metrics = freshness.NewMetrics(b.registry)
	b.tracker = freshness.NewTracker(freshness.Parts{
		Leadership: w.db, Platform: w.db.Platform(), Records: func(id uuid.UUID) freshness.Records { return w.db.Tenant(id) },
		Transport: b.transport, Topology: events.DefaultTopology(), Metrics: b.metrics, Log: zerolog.Nop(),
		Config: freshness.Config{Interval: 15 * time.Second, History: 5 * time.Minute, TenantLabels: 50},
	})
	return b
}

func (w *world) exec(statement string, arguments ...any) {
	w.t.Helper()
	_, err := w.owner.Exec(w.t.Context(), statement, arguments...)
	require.NoError(w.t, err)
}

// pass lets time go by: all that ever happened is so much longer ago.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.exec(`UPDATE progress SET accepted_at = accepted_at - $1::interval, occurred_at = occurred_at - $1::interval, finished_at = finished_at - $1::interval`, d)
	w.exec(`UPDATE sources SET heartbeat_at = heartbeat_at - $1::interval`, d)
	w.exec(`UPDATE lane_blocks SET since = since - $1::interval, seen_at = seen_at - $1::interval`, d)
	w.exec(`UPDATE sli_history SET at = at - $1::interval`, d)
	w.exec(`UPDATE freshness_tracker SET evaluated_at = evaluated_at - $1::interval`, d)
}

// accept brings in n live events, or a backfill of old records, that wait at a stage.
func (w *world) accept(tenant uuid.UUID, n int, stage events.Stage, entry store.EntryLane) {
	w.t.Helper()
	lane, age := "a", "0"
	if entry == store.BulkEntry {
		lane, age = events.BulkLane, "5 years"
	}
	w.exec(`INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
			occurred_at, run_id, traceparent, lane, stage)
		SELECT $1, gen_random_uuid(), 'e', 'mls', 'x', 'property', 'k' || i, now(), 0, now() - $2::interval, '', '', $3, $4
		FROM generate_series(1, $5) i`, tenant, age, lane, string(stage), n)
}

// finish ends what waits, but for so many.
func (w *world) finish(tenant uuid.UUID, lane string, but int) {
	w.t.Helper()
	w.exec(`WITH ended AS (
			UPDATE progress SET stage = NULL, finished_at = now(), ended_in = 'indexing', outcome = 'done'
			WHERE tenant_id = $1 AND event_uid IN (SELECT event_uid FROM progress WHERE tenant_id = $1 AND lane = $2 AND finished_at IS NULL ORDER BY accepted_at, event_uid OFFSET $3)
			RETURNING 1)
		INSERT INTO endings AS e SELECT $1, 0, 'indexing', 'done', '', count(*) FROM ended HAVING count(*) > 0
		ON CONFLICT (tenant_id, slot, stage, outcome, reason) DO UPDATE SET events = e.events + excluded.events`, tenant, lane, but)
}

// state is what a tracker says of a tenant. One that has just begun, and remembers nothing, must say the same.
func (w *world) state(watch *freshness.Watch, tenant uuid.UUID) store.Freshness {
	w.t.Helper()
	found := make([]store.Freshness, 2)
	for i, one := range []*freshness.Watch{watch, w.tracking().tracker.Watch()} {
		facts, _, err := one.Look(w.t.Context())
		require.NoError(w.t, err)
		report := facts.Judge()
		at := slices.IndexFunc(report.Tenants, func(f store.Freshness) bool { return f.Tenant == tenant })
		require.GreaterOrEqual(w.t, at, 0)
		found[i] = report.Tenants[at]
	}
	require.Equal(w.t, found[0].State, found[1].State, "restart and downtime of the tracker change no answer")
	require.Equal(w.t, found[0].Stage, found[1].Stage)
	require.WithinDuration(w.t, found[0].Since, found[1].Since, time.Second)
	return found[0]
}

func TestInvariant7QuietTenant(t *testing.T) {
	w := newWorld(t)
	tenant := postgrestest.NewTenant(t, w.db)
	watch := w.tracker.Watch()
	require.Equal(t, store.Unknown, w.state(watch, tenant).State)
	w.accept(tenant, 10, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 0)
	require.Equal(t, store.Fresh, w.state(watch, tenant).State)
	w.pass(24 * time.Hour)
	require.Equal(t, store.Unknown, w.state(watch, tenant).State, "it has sent nothing for a day")
	beat := func() {
		require.NoError(t, w.db.Tenant(tenant).Heartbeats(t.Context(), []store.Heartbeat{{Source: "mls", At: time.Now()}}))
	}
	beat()
	require.Equal(t, store.Fresh, w.state(watch, tenant).State, "but its source lives")
	w.pass(20 * time.Minute)
	require.Equal(t, store.Unknown, w.state(watch, tenant).State)
}

func TestInvariant7BackfillDuringAnOutage(t *testing.T) {
	w := newWorld(t)
	tenant := postgrestest.NewTenant(t, w.db)
	watch := w.tracker.Watch()
	w.accept(tenant, 3, events.Embedding, store.LiveEntry)
	w.accept(tenant, 500, events.Quality, store.BulkEntry)
	require.Equal(t, store.Fresh, w.state(watch, tenant).State, "old records alone make nothing late")
	for _, state := range []store.FreshnessState{store.Late, store.Warning, store.Critical} {
		w.pass(3 * time.Hour)
		w.accept(tenant, 100, events.Indexing, store.BulkEntry)
		w.finish(tenant, events.BulkLane, 50) // the backfill goes on, old records being written all the time
		got := w.state(watch, tenant)
		require.Equal(t, state, got.State)
		require.Equal(t, events.Embedding, got.Stage)
	}
	w.finish(tenant, "a", 0)
	w.accept(tenant, 1, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 0)
	require.Equal(t, store.Fresh, w.state(watch, tenant).State)
}

func TestInvariant7OneStuckEventAmongMany(t *testing.T) {
	w := newWorld(t)
	tenant := postgrestest.NewTenant(t, w.db)
	watch := w.tracker.Watch()
	w.accept(tenant, 20_000, events.Indexing, store.LiveEntry)
	w.finish(tenant, "a", 1)
	w.exec(`UPDATE endings SET events = 1000000`)
	for _, state := range []store.FreshnessState{store.Fresh, store.Late, store.Warning, store.Critical} {
		got := w.state(watch, tenant)
		require.Equal(t, state, got.State)
		if state != store.Fresh {
			require.Equal(t, events.Indexing, got.Stage)
			require.Contains(t, got.Reason, "1 event of mls waits at indexing")
		}
		w.pass(170 * time.Minute)
		w.accept(tenant, 10, events.Quality, store.LiveEntry)
		w.exec(`UPDATE progress SET stage = NULL, finished_at = now(), ended_in = 'indexing', outcome = 'done' WHERE stage = 'quality'`)
	}
}

func TestInvariant7PurgedBroker(t *testing.T) {
	w := newWorld(t)
	tenant := postgrestest.NewTenant(t, w.db)
	watch := w.tracker.Watch()
	w.accept(tenant, 5, events.Quality, store.LiveEntry)
	w.transport.depths = map[string]int{"reos.quality.a": 5}
	require.Equal(t, store.Fresh, w.state(watch, tenant).State)
	w.transport.depths = nil // somebody purged it: no message is left that would tell
	w.pass(5 * time.Hour)
	got := w.state(watch, tenant)
	require.Equal(t, store.Warning, got.State)
	require.Equal(t, 5, got.Stages[1].Live.Events)
}

func TestTrackerThatWasDownForHoursIsRightAtOnce(t *testing.T) {
	w := newWorld(t)
	tenant, quiet := postgrestest.NewTenant(t, w.db), postgrestest.NewTenant(t, w.db)
	w.exec(`UPDATE tenants SET created_at = now() - interval '30 days'`)
	w.accept(quiet, 1, events.Quality, store.LiveEntry)
	w.finish(quiet, "a", 0)
	w.accept(tenant, 100, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 2)
	watch := w.tracker.Watch()
	require.Equal(t, store.Fresh, w.state(watch, tenant).State)

	w.pass(6 * time.Hour) // the tracker is down; the pipeline is not
	w.accept(tenant, 200, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 2)
	next := w.tracking()
	got := w.state(next.tracker.Watch(), tenant)
	require.Equal(t, store.Warning, got.State)
	require.Equal(t, 200, got.Success[0].Ended, "since somebody looked: over the window, and what lies before it unseen")
	require.Equal(t, store.Unknown, w.state(next.tracker.Watch(), quiet).State)
	require.Equal(t, got.State, w.state(watch, tenant).State, "the one that was there before says the same")
}

func TestIngestionThatIsDown(t *testing.T) {
	w := newWorld(t)
	tenant, quiet := postgrestest.NewTenant(t, w.db), postgrestest.NewTenant(t, w.db)
	w.accept(quiet, 1, events.Quality, store.LiveEntry)
	w.finish(quiet, "a", 0)
	w.pass(24 * time.Hour)
	w.accept(tenant, 1, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 0)
	look := func() map[uuid.UUID]store.Freshness {
		t.Helper()
		facts, _, err := w.tracker.Watch().Look(t.Context())
		require.NoError(t, err)
		report := facts.Judge()
		byTenant := map[uuid.UUID]store.Freshness{}
		for _, one := range report.Tenants {
			byTenant[one.Tenant] = one
		}
		return byTenant
	}
	w.transport.depths = map[string]int{"reos.ingestion.a": 3}
	look()
	require.Equal(t, store.Fresh, look()[tenant].State)
	w.exec(`UPDATE lane_blocks SET since = since - interval '5 hours'`)
	w.exec(`UPDATE progress SET accepted_at = accepted_at - interval '5 hours', occurred_at = occurred_at - interval '5 hours'`)
	found := look()
	require.Equal(t, []any{store.Warning, events.Ingestion}, []any{found[tenant].State, found[tenant].Stage})
	require.Equal(t, store.Unknown, found[quiet].State, "and its neighbour, who was quiet, wakes nobody")
	own, err := w.db.Tenant(tenant).Freshness(t.Context())
	require.NoError(t, err)
	require.Equal(t, store.Warning, own.Judge().Tenants[0].State, "whoever asks gets the same answer")
	w.transport.depths = nil
	require.Equal(t, store.Unknown, look()[tenant].State, "the lane is empty, and it has been silent")
}

func TestWhatIsMeasuredOfATenant(t *testing.T) {
	w := newWorld(t)
	tenant := postgrestest.NewTenant(t, w.db)
	w.accept(tenant, 3, events.Quality, store.LiveEntry)
	w.finish(tenant, "a", 0)
	w.exec(`INSERT INTO properties (tenant_id, record_key, version_at, version_seq, event_uid, deleted, doc, faults, list_price)
		SELECT $1, 'k' || i, now(), 0, gen_random_uuid(), false, '{"Latitude": 1, "Longitude": 2}', '[]', CASE WHEN i <= 1500 THEN i END
		FROM generate_series(1, 2500) i`, tenant)
	watch := w.tracker.Watch()
	facts, _, err := watch.Look(t.Context())
	require.NoError(t, err)
	require.Nil(t, facts.Tenants[0].Coverage)
	require.NoError(t, watch.Tend(t.Context(), facts.Tenants[0]))
	facts, _, err = watch.Look(t.Context())
	require.NoError(t, err)
	coverage := facts.Judge().Tenants[0].Coverage
	require.Equal(t, 2500, coverage.Records)
	require.InDelta(t, 0.6, coverage.Share["price"], 1e-9)
	require.InDelta(t, 1, coverage.Share["coordinates"], 1e-9)
	require.InDelta(t, 0, coverage.Share["remarks"], 1e-9)
}

// fill makes tenants with some history and some unfinished work each.
func (w *world) fill(tenants int) {
	w.exec(`INSERT INTO tenants (id, name, lane, created_at) SELECT gen_random_uuid(), 't' || i, (ARRAY['a','b','c','d'])[1 + i % 4], now() - interval '30 days'
		FROM generate_series(1, $1) i`, tenants)
	w.exec(`INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key, version_at, version_seq,
			occurred_at, accepted_at, run_id, traceparent, lane, stage, finished_at, ended_in, outcome)
		SELECT t.id, gen_random_uuid(), 'e', 'mls/' || n % 2, 'x', 'property', 'k' || n, now(), 0, now(), now() - n * interval '1 minute', '', '', t.lane,
			CASE WHEN n > 6 THEN (ARRAY['quality', 'embedding', 'indexing'])[n - 6] END,
			CASE WHEN n <= 6 THEN now() END, CASE WHEN n <= 6 THEN 'indexing' END, CASE WHEN n <= 6 THEN 'done' END
		FROM tenants t, generate_series(1, 9) n WHERE t.lane <> ''`)
	w.exec(`INSERT INTO endings SELECT t.id, s, e.stage, e.outcome, e.reason, 1000 FROM tenants t, generate_series(0, 3) s, (VALUES
			('ingestion', 'stale', 'version_older'), ('quality', 'quarantined', 'expectation_failed'), ('indexing', 'done', ''),
			('indexing', 'stale', 'superseded'), ('quality', 'dead', 'stage_error')) AS e (stage, outcome, reason) WHERE t.lane <> ''`)
	w.exec(`INSERT INTO sli_history (tenant_id, at, stage, waiting, done, stale, quarantined, dead, state)
		SELECT t.id, now() - n * interval '40 minutes', s, 0, 1, 1, 1, 1, 'fresh'
		FROM tenants t, generate_series(1, 3) n, unnest(ARRAY['ingestion', 'quality', 'embedding', 'indexing']) s WHERE t.lane <> ''`)
	w.exec(`INSERT INTO searchable_times SELECT id, date_trunc('hour', now(), 'UTC'), 'live', array_fill(5, ARRAY[26]) FROM tenants WHERE lane <> ''`)
	w.exec(`INSERT INTO coverage SELECT id, now(), 1, 100, ARRAY['price', 'remarks'], ARRAY[1, 2] FROM tenants WHERE lane <> ''`)
	w.exec(`ANALYZE`)
}

// heap is how much memory work needs at most, above what there was before, and how much is left of it afterwards.
func heap(work func()) (peak, kept float64) {
	measure := func() uint64 {
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	runtime.GC()
	before := measure()
	var highest atomic.Uint64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				highest.Store(max(highest.Load(), measure()))
			case <-stop:
				return
			}
		}
	}()
	work()
	close(stop)
	<-done
	runtime.GC()
	const mebibyte = 1 << 20
	return float64(max(highest.Load(), before)-before) / mebibyte, float64(max(measure(), before)-before) / mebibyte
}

func TestTenThousandTenants(t *testing.T) {
	w := newWorld(t)
	w.fill(10_000)
	w.transport.forgets = true
	watch := w.tracker.Watch()
	look := func() time.Duration {
		began := time.Now()
		_, _, err := watch.Look(t.Context())
		require.NoError(t, err)
		return time.Since(began)
	}
	first := look()
	fastest := first
	peak, kept := heap(func() {
		for range 5 {
			fastest = min(fastest, look())
		}
	})
	t.Logf("the first look took %s, the fastest of five %s; %.0f MiB at most, %.0f MiB kept", first, fastest, peak, kept)
	require.Less(t, fastest, 2*time.Second, "1 s on a machine that has nothing else to do")
	require.Less(t, peak, 100.0)
}
