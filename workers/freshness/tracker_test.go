package freshness_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

func TestLookPublishesEveryTenantOncePerInterval(t *testing.T) {
	b := newBench(freshness.Config{}, waiting(of(tenantA), events.Quality, 2, noon.Add(-3*time.Hour)), of(tenantB))
	watch := b.tracker.Watch()
	_, _, err := watch.Look(t.Context())
	require.NoError(t, err)
	reports := b.transport.reports(t)
	require.Len(t, reports, 2)
	require.Equal(t, store.Late, reports[0].State)
	require.Equal(t, events.Quality, reports[0].Stage)
	require.Equal(t, 2, reports[0].Stages[1].Live.Events)
	require.Equal(t, store.Fresh, reports[1].State)
	require.Empty(t, reports[0].Was)

	b.platform.at = noon.Add(5 * time.Second)
	_, _, err = watch.Look(t.Context())
	require.NoError(t, err)
	require.Empty(t, b.transport.reports(t), "nothing is new, and it is not time")
	b.platform.at = noon.Add(15 * time.Second)
	_, _, err = watch.Look(t.Context())
	require.NoError(t, err)
	require.Len(t, b.transport.reports(t), 2)
}

func TestChangeOfStateIsPublishedAtOnce(t *testing.T) {
	b := newBench(freshness.Config{}, of(tenantA), waiting(of(tenantB), events.Quality, 1, noon.Add(-2*time.Hour+61*time.Second)))
	watch := b.tracker.Watch()
	_, next, err := watch.Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, next, "the tenant is late in 1 s: sooner than the interval, but not at any price")
	require.Len(t, b.transport.reports(t), 2)
	b.platform.at = noon.Add(next)
	_, next, err = watch.Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, 15*time.Second, next)
	reports := b.transport.reports(t)
	require.Len(t, reports, 1)
	require.Equal(t, tenantB, reports[0].Tenant)
	require.Equal(t, []store.FreshnessState{store.Late, store.Fresh}, []store.FreshnessState{reports[0].State, reports[0].Was})
}

func TestHistoryGrowsOnlyByWhatChanges(t *testing.T) {
	b := newBench(freshness.Config{}, ended(of(tenantA), events.Indexing, events.Done, "", 10), of(tenantB))
	watch := b.tracker.Watch()
	look := func(after time.Duration) []store.SLI {
		t.Helper()
		b.platform.at, b.platform.rows = noon.Add(after), nil
		b.platform.tenants[0].Sources[0].LastLive = b.platform.at
		_, _, err := watch.Look(t.Context())
		require.NoError(t, err)
		return b.platform.rows
	}
	require.Equal(t, []store.SLI{{Tenant: tenantA, At: noon, Stage: events.Indexing, State: store.Fresh, Endings: store.Endings{Done: 10}}}, look(0))
	require.Empty(t, look(10*time.Minute), "it is as it was")
	b.platform.tenants[0] = ended(of(tenantA), events.Indexing, events.Done, "", 11)
	require.Len(t, look(11*time.Minute), 1)
	b.platform.tenants[0] = ended(of(tenantA), events.Indexing, events.Done, "", 12)
	require.Empty(t, look(12*time.Minute), "it is not time")
	require.Equal(t, 12, look(16 * time.Minute)[0].Done)
	b.platform.tenants[0] = waiting(b.platform.tenants[0], events.Quality, 1, noon.Add(-5*time.Hour))
	rows := look(17 * time.Minute)
	require.Len(t, rows, 2, "a change of state is written at once, with all that there is")
	require.Equal(t, store.Warning, rows[0].State)

	b.platform.fail = func(what string) error {
		if what == "history" {
			return errors.New("boom")
		}
		return nil
	}
	b.platform.at = noon.Add(25 * time.Minute)
	b.platform.tenants[0] = ended(of(tenantA), events.Indexing, events.Done, "", 13)
	_, _, err := watch.Look(t.Context())
	require.EqualError(t, err, "save SLI history: boom")
	b.platform.fail = nil
	require.Equal(t, 13, look(25 * time.Minute)[0].Done, "what was not written is written the next time")
}

func TestLookSaysAllItCanWhateverFails(t *testing.T) {
	boom := errors.New("boom")
	for what, want := range map[string]string{
		"facts": "read freshness: boom", "signs": "read freshness: boom", "rates": "read freshness: boom",
		"lanes": "note waiting lanes: boom", "noted": "note the look: boom", "history": "save SLI history: boom",
	} {
		b := newBench(freshness.Config{}, waiting(of(tenantA), events.Quality, 1, noon))
		b.platform.fail = func(at string) error {
			if at == what {
				return boom
			}
			return nil
		}
		_, next, err := b.tracker.Watch().Look(t.Context())
		require.EqualError(t, err, want)
		require.Equal(t, 15*time.Second, next)
		if want == "read freshness: boom" {
			require.NotContains(t, b.samples(t), gaugeEvaluated+"{}")
			continue
		}
		require.Contains(t, b.samples(t), gaugeEvaluated+"{}")
		require.Len(t, b.transport.reports(t), 1)
	}
}

func TestBrokerThatIsAwayStopsNeitherGaugesNorHistory(t *testing.T) {
	b := newBench(freshness.Config{Interval: 30 * time.Millisecond}, waiting(of(tenantA), events.Quality, 1, noon))
	b.transport.lost = errors.New("no connection")
	b.platform.tenants[0].Block = &store.LaneBlock{Lane: "a", Since: noon}
	b.transport.publish = func(ctx context.Context) error { // transports wait for a broker, as long as their context lasts
		<-ctx.Done()
		return ctx.Err()
	}
	_, _, err := b.tracker.Watch().Look(t.Context())
	require.ErrorContains(t, err, "read queue depths: no connection")
	require.ErrorContains(t, err, "publish SLIs: context deadline exceeded")
	require.Contains(t, b.samples(t), gaugeEvaluated+"{}")
	require.NotEmpty(t, b.platform.rows)
	require.Nil(t, b.platform.waiting, "what was known of lanes stands")
	require.Equal(t, 1, b.platform.noted)
}

func TestLanesThatHoldMessagesAreHandedOver(t *testing.T) {
	bulk := of(tenantB)
	bulk.Tenant.Lane, bulk.Sources[0].LastBulk = "b", noon.Add(-time.Hour)
	b := newBench(freshness.Config{}, of(tenantA), bulk)
	b.transport.depths = map[string]int{
		"reos.ingestion.a": 7, "reos.ingestion.b": 0, "reos.ingestion.bulk": 5, "reos.ingestion.d": 2, "reos.quality.b": 9,
		"reos.unroutable": 3, "reos.retry.5s": 4, "reos.deadletters": 6,
	}
	b.platform.blocks = []store.LaneBlock{{Lane: "a", Since: noon.Add(-5 * time.Hour), Messages: 7}}
	b.platform.tenants[0].Sources[0].LastLive = noon.Add(-5 * time.Hour)
	_, _, err := b.tracker.Watch().Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, []store.WaitingLane{
		{Lane: "a", Messages: 7, LastAccepted: noon.Add(-5 * time.Hour)}, {Lane: "d", Messages: 2}, {Lane: "bulk", Messages: 5, LastAccepted: noon.Add(-time.Hour)},
	}, b.platform.waiting)
	reports := b.transport.reports(t)
	require.Equal(t, []any{store.Warning, events.Ingestion}, []any{reports[0].State, reports[0].Stage}, "it lived when its lane came to stand still")
	require.Equal(t, store.Fresh, reports[1].State, "another lane")
	samples := b.samples(t)
	for name, want := range map[string]float64{
		"stage=ingestion": 7, "stage=retry": 4, "stage=unroutable": 3, "stage=deadletters": 6,
	} {
		lane := map[string]string{"stage=ingestion": "a", "stage=retry": "5s"}[name]
		require.InDelta(t, want, samples["reos_queue_messages{lane="+lane+","+name+"}"], 0, name)
	}
	require.InDelta(t, float64(noon.Add(-5*time.Hour).Unix()), samples["reos_lane_blocked_timestamp_seconds{lane=a}"], 0)
}

func TestOfManyTenantsAPartIsReadAtEachLook(t *testing.T) {
	const many = 1600
	var tenants []store.TenantFacts
	for i := range many {
		tenants = append(tenants, of(numbered(i)))
	}
	b := newBench(freshness.Config{}, tenants...)
	watch := b.tracker.Watch()
	look := func() []uuid.UUID {
		t.Helper()
		b.platform.signs = nil
		_, _, err := watch.Look(t.Context())
		require.NoError(t, err)
		return b.platform.signs
	}
	require.Len(t, look(), many, "nothing is known at first")
	read := map[uuid.UUID]bool{}
	for range 8 {
		part := look()
		require.Len(t, part, many/8)
		for _, id := range part {
			read[id] = true
		}
	}
	require.Len(t, read, many)
	require.InDelta(t, many, b.samples(t)[gaugeTenants+"{state=fresh}"], 0, "the others are as they were")

	b.platform.tenants = append(b.platform.tenants, of(tenantA))
	require.Contains(t, look(), tenantA, "a new tenant is read at once")
}

func TestTenantsAreTendedOncePerHourAndOnlyWhereSomethingEnded(t *testing.T) {
	b := newBench(freshness.Config{Interval: 10 * time.Millisecond}, ended(of(tenantA), events.Indexing, events.Done, "", 3))
	stop := b.run(t)
	await(t, b.records.tended, "it is never tended")
	for range 5 {
		await(t, b.platform.looked, "it does not look")
	}
	stop()
	require.Equal(t, []int{3}, b.records.measured)
	require.Equal(t, [][]string{{"mls"}, {"a", "b", "c", "d"}}, b.records.learned)
	require.Equal(t, 1, b.records.thinned)

	for name, one := range map[string]struct {
		coverage store.Coverage
		tended   bool
	}{
		"an hour ago, and something ended": {store.Coverage{MeasuredAt: noon.Add(-time.Hour), Ended: 2}, true},
		"an hour ago, and nothing ended":   {store.Coverage{MeasuredAt: noon.Add(-time.Hour), Ended: 3}, false},
		"just now":                         {store.Coverage{MeasuredAt: noon, Ended: 2}, false},
		"yesterday":                        {store.Coverage{MeasuredAt: noon.Add(-24 * time.Hour), Ended: 3}, true},
	} {
		tenant := ended(of(tenantA), events.Indexing, events.Done, "", 3)
		tenant.Coverage = &one.coverage
		b := newBench(freshness.Config{Interval: 10 * time.Millisecond}, tenant)
		stop := b.run(t)
		for range 5 {
			await(t, b.platform.looked, "it does not look")
		}
		stop()
		require.Equal(t, one.tended, len(b.records.measured) > 0, name)
	}
}

func TestTrackerStandsByWhileAnotherLeads(t *testing.T) {
	b := newBench(freshness.Config{Interval: 10 * time.Millisecond}, of(tenantA))
	var turn atomic.Int32
	b.leader.leads = func() (bool, error) {
		switch turn.Add(1) {
		case 1:
			return false, nil
		case 2:
			return false, store.ErrUnavailable
		}
		return true, nil
	}
	require.InDelta(t, 0, b.samples(t)["reos_freshness_leader{}"], 0)
	stop := b.run(t)
	await(t, b.platform.looked, "it never leads")
	require.NoError(t, b.tracker.Ready(t.Context()))
	stop()
	samples := b.samples(t)
	require.InDelta(t, 0, samples["reos_freshness_leader{}"], 0)
	require.NotContains(t, samples, gaugeEvaluated+"{}", "what it saw is no longer so")
}

func TestTrackerThatDoesNotLookIsNotReady(t *testing.T) {
	b := newBench(freshness.Config{Interval: time.Nanosecond})
	require.ErrorContains(t, b.tracker.Ready(t.Context()), "freshness was last evaluated")
}

func TestFailedLookIsMadeAgain(t *testing.T) {
	b := newBench(freshness.Config{Interval: 10 * time.Millisecond}, of(tenantA))
	var failures atomic.Int32
	b.platform.fail = func(what string) error {
		if what == "facts" && failures.Add(1) <= 2 {
			return errors.New("boom")
		}
		return nil
	}
	stop := b.run(t)
	require.Eventually(t, func() bool { _, ok := b.samples(t)[gaugeEvaluated+"{}"]; return ok }, 10*time.Second, time.Millisecond)
	stop()
}
