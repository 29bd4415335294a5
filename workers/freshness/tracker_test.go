package freshness_test

import (
	"context"
	"encoding/json"
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

func TestInvariant4EveryTenantGetsItsOwnReport(t *testing.T) {
	busy := waiting(waiting(of(tenantA), events.Embedding, 3, noon), events.Quality, 2, noon.Add(-time.Hour))
	busy.Events, busy.Records = 9, 4
	b := newBench(time.Minute, busy, of(store.PlatformTenant), of(tenantB))
	before := time.Now()
	require.NoError(t, b.tracker.Evaluate(t.Context()))

	require.Len(t, b.transport.published, 2, "the platform's own tenant has no events to be fresh")
	reports := map[uuid.UUID]freshness.Report{}
	for _, out := range b.transport.published {
		event, err := events.Decode(out.Message)
		require.NoError(t, err)
		require.Equal(t, events.TypeSLI, event.Type)
		require.Equal(t, "reos/freshness", event.Source)
		require.Equal(t, event.TenantID.String(), event.Subject)
		require.Equal(t, b.topology.SLITopic(event.TenantID), out.Topic)
		require.WithinRange(t, event.Time, before.Truncate(time.Microsecond), time.Now())
		var report freshness.Report
		require.NoError(t, json.Unmarshal(event.Data, &report))
		require.Equal(t, event.TenantID, report.Tenant.ID)
		require.WithinDuration(t, event.Time, report.At, time.Microsecond)
		reports[event.TenantID] = report
	}
	require.Equal(t, busy, reports[tenantA].TenantStatus)
	require.Equal(t, noon.Add(-time.Hour), *reports[tenantA].OldestUnfinished, "the oldest of all stages")
	require.Nil(t, reports[tenantB].OldestUnfinished, "Invariant 7: a quiet tenant is not stale")
}

func TestReportsOfTwoLooksDiffer(t *testing.T) {
	b := newBench(time.Minute, of(tenantA), of(tenantB))
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	ids := map[string]bool{}
	for _, out := range b.transport.published {
		ids[out.Message.UUID] = true
	}
	require.Len(t, ids, 4)
}

func TestHistoryHasARowPerStage(t *testing.T) {
	status := waiting(waiting(of(tenantA), events.Indexing, 1, noon), events.Quality, 2, noon.Add(-time.Hour))
	status = ended(status, events.Ingestion, events.Stale, events.VersionOlder, 3)
	status = ended(status, events.Ingestion, events.Stale, events.VersionDuplicate, 4)
	status = ended(status, events.Ingestion, events.Done, "", 5)
	status = ended(status, events.Quality, events.Quarantine, events.ExpectationFailed, 6)
	status = ended(status, events.Quality, events.Dead, events.StageError, 7)
	b := newBench(time.Minute, status, of(store.PlatformTenant), of(tenantB))
	require.NoError(t, b.tracker.Evaluate(t.Context()))

	require.Len(t, b.platform.rows, 3)
	at := b.platform.rows[0].At
	require.WithinDuration(t, time.Now(), at, time.Minute)
	require.Equal(t, []store.SLI{
		{Tenant: tenantA, At: at, Stage: events.Ingestion, Done: 5, Stale: 7},
		{
			Tenant: tenantA, At: at, Stage: events.Quality, Waiting: 2, Quarantined: 6, Dead: 7,
			OldestOccurred: noon.Add(-time.Hour), OldestAccepted: noon.Add(-time.Hour + time.Minute),
		},
		{Tenant: tenantA, At: at, Stage: events.Indexing, Waiting: 1, OldestOccurred: noon, OldestAccepted: noon.Add(time.Minute)},
	}, b.platform.rows, "in a message's order; nothing where nothing ever was")
}

func TestFailedEvaluationSaysWhere(t *testing.T) {
	boom := errors.New("boom")
	for want, prepare := range map[string]func(*bench){
		"read progress: boom":    func(b *bench) { b.platform.status = func(int) error { return boom } },
		"save SLI history: boom": func(b *bench) { b.platform.save = func([]store.SLI) error { return boom } },
		"publish SLIs: boom":     func(b *bench) { b.transport.publish = func(context.Context) error { return boom } },
	} {
		t.Run(want, func(t *testing.T) {
			b := newBench(time.Minute, waiting(of(tenantA), events.Quality, 1, noon))
			prepare(b)
			require.EqualError(t, b.tracker.Evaluate(t.Context()), want)
		})
	}
}

func TestFailedEvaluationIsTriedAgainAtTheNextTick(t *testing.T) {
	boom := errors.New("boom")
	for name, prepare := range map[string]func(b *bench, fail func() error){
		"status":  func(b *bench, fail func() error) { b.platform.status = func(int) error { return fail() } },
		"history": func(b *bench, fail func() error) { b.platform.save = func([]store.SLI) error { return fail() } },
		"publish": func(b *bench, fail func() error) { b.transport.publish = func(context.Context) error { return fail() } },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(10*time.Millisecond, waiting(of(tenantA), events.Quality, 1, noon))
			var failures atomic.Int32
			prepare(b, func() error {
				if failures.Add(1) <= 2 {
					return boom
				}
				return nil
			})
			stop := b.run(t)
			await(t, b.transport.confirmed, "it never looked again")
			stop()
			require.GreaterOrEqual(t, b.platform.looks, 3)
			require.NotEmpty(t, b.platform.rows)
		})
	}
}

func TestFirstEvaluationDoesNotWaitForATick(t *testing.T) {
	b := newBench(time.Hour, of(tenantA))
	stop := b.run(t)
	await(t, b.transport.confirmed, "it waits for the first tick")
	stop()
	require.Equal(t, 1, b.platform.looks)
}

// Transports wait for a broker that is away, for as long as their context lasts.
func TestGaugesGoOnWhileTheBrokerIsAway(t *testing.T) {
	b := newBench(10*time.Millisecond, waiting(of(tenantA), events.Quality, 1, noon))
	b.transport.publish = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	stop := b.run(t)
	for range 3 {
		await(t, b.platform.looked, "it waits for the broker")
	}
	stop()
	require.NotEmpty(t, b.platform.rows)
	require.Empty(t, b.transport.published)
}
