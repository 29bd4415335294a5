package runs

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

func TestARunGoesToItsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 5000)
	b.look()
	require.Equal(t, releaseItems, b.parts[0].count(store.ItemPublished))
	for range 10 {
		b.look()
	}
	published, again := b.total()
	require.Equal(t, window, published, "no more than the window is on its way")
	require.Zero(t, again)
	b.finish()
	published, again = b.total()
	require.Equal(t, []int{5000, 0}, []int{published, again})
	run := b.parts[0].run
	require.Equal(t, store.RunDone, run.State)
	require.EqualValues(t, 5000, run.Ended)
	require.EqualValues(t, 5000, testutil.ToFloat64(b.executor.metrics.endedEvents.WithLabelValues("rerun", "done")))
	require.EqualValues(t, 5000, testutil.ToFloat64(b.executor.metrics.releasedEvents.WithLabelValues("rerun")))

	first := b.messages[0]
	item := b.parts[0].items[0]
	require.Equal(t, events.Type(events.Property, events.Ingested), first.Type, "what quality waits for")
	require.Equal(t, run.ID, first.RunID)
	require.Equal(t, item.Cause.String(), first.CausationID)
	require.Equal(t, b.parts[0].tenant, first.TenantID)
}

func TestTheCanaryGoesFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{Canary: 10, StopAbove: 0.1}, 300, 300)
	for range 5 {
		b.look()
	}
	published, _ := b.total()
	require.Equal(t, 10, published, "over all tenants")
	require.Positive(t, b.parts[0].count(store.ItemPublished))
	require.Positive(t, b.parts[1].count(store.ItemPublished))
	died := 0
	b.work(func(int) events.Outcome {
		if died++; died == 1 {
			return events.Dead // one of ten is as many as may
		}
		return events.Done
	})
	b.look()
	published, _ = b.total()
	require.Greater(t, published, 10)
	b.finish()
	require.Equal(t, store.RunDone, b.parts[1].run.State)
}

func TestAFinishedTenantCountsInTheCanary(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{Canary: 10, StopAbove: 0.5}, 3, 300)
	for range 3 {
		b.look()
		b.work(well)
	}
	require.Equal(t, store.RunDone, b.parts[0].run.State)
	published, _ := b.total()
	require.Greater(t, published, 100, "the canary was ten, and it is over")
	b.restart()
	b.look()
	b.finish()
	require.Equal(t, store.RunDone, b.parts[1].run.State)
}

func TestACanaryThatDiesStopsTheRunAndTouchesNothingElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{Canary: 20, StopAbove: 0.1}, 1000)
	b.look()
	b.work(func(n int) events.Outcome {
		if n < 3 {
			return events.Dead
		}
		return events.Done
	})
	b.look()
	part := b.parts[0]
	require.Equal(t, store.RunStopped, part.run.State)
	require.Equal(t, "3 of the 20 events that went first died again: 15 %, more than the 10 % that it may be", part.run.Error)
	b.look()
	require.Equal(t, 980, part.count(store.ItemCancelled))
	require.NotZero(t, part.run.SettledAt)
	published, _ := b.total()
	require.Equal(t, 20, published)
	require.EqualValues(t, 1, testutil.ToFloat64(b.executor.metrics.stoppedRuns.WithLabelValues("rerun")))
}

func TestARunStopsWhenTooManyDie(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{StopAbove: 0.5}, 40, 5000)
	dying := func(int) events.Outcome { return events.Dead }
	b.parts[1].active = false
	b.look()
	b.work(dying)
	b.look()
	require.Equal(t, store.RunDone, b.parts[0].run.State, "too few have ended to judge")
	b.parts[1].active = true
	b.look()
	b.work(dying)
	b.look()
	require.Equal(t, store.RunStopped, b.parts[1].run.State)
	require.Contains(t, b.parts[1].run.Error, "100 %, more than the 50 %")
	require.EqualValues(t, releaseItems, b.parts[1].run.Released)
}

func TestACancelledRunFinishesWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 3000)
	b.look()
	b.parts[0].run.State = store.RunCancelled
	for range 3 {
		b.look()
	}
	require.Zero(t, b.parts[0].run.SettledAt, "events are on their way")
	b.work(well)
	b.look()
	part := b.parts[0]
	require.NotZero(t, part.run.SettledAt)
	require.Equal(t, releaseItems, part.count(store.ItemEnded))
	require.Equal(t, 3000-releaseItems, part.count(store.ItemCancelled))
	require.Equal(t, store.RunCancelled, part.run.State)
}

func TestAPausedRunReleasesNothingAndPublishesWhatIsReleased(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 1000)
	b.broker = errBroker
	b.look()
	require.Equal(t, releaseItems, b.parts[0].count(store.ItemReleased))
	b.parts[0].run.State, b.broker = store.RunPaused, nil
	b.look()
	b.work(well)
	b.look()
	require.Equal(t, releaseItems, b.parts[0].count(store.ItemEnded))
	require.Zero(t, b.parts[0].run.SettledAt)
	b.parts[0].run.State = store.RunRunning
	b.finish()
	require.Equal(t, 1000, b.parts[0].count(store.ItemEnded))
}

// Invariants 1 and 2: whatever dies between release, publish and mark, each item goes out, and is one event.
func TestInvariant2EachItemIsOneEventWhateverDies(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 1200)
	part := b.parts[0]
	b.broker = errBroker
	b.look()
	require.Equal(t, releaseItems, part.count(store.ItemReleased))
	published, _ := b.total()
	require.Zero(t, published, "died after the release")

	b.broker, part.fail["MarkPublished"] = nil, store.ErrUnavailable
	b.restart()
	b.look()
	require.Equal(t, releaseItems, part.count(store.ItemReleased))
	published, again := b.total()
	require.Equal(t, []int{publishItems, 0}, []int{published, again}, "died after the publish")

	delete(part.fail, "MarkPublished")
	b.restart()
	b.look()
	_, again = b.total()
	require.Equal(t, publishItems, again, "published again, under the same ids")
	b.finish()
	published, _ = b.total()
	require.Equal(t, 1200, published)
	require.EqualValues(t, 1200, part.run.Ended)
	require.Equal(t, 1200, part.count(store.ItemEnded))
}

func TestOneTenantsTroubleIsNotTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 4000, 2000, 2000, 100)
	stuck := b.parts[0]
	b.parts[3].deleted = true
	for range 3 {
		b.look()
		for _, origin := range b.waiting { // nothing of the first moves
			for _, p := range b.parts[1:3] {
				p.ends[origin] = events.Done
			}
		}
		b.waiting = nil
	}
	require.LessOrEqual(t, stuck.count(store.ItemPublished), window/3, "its part of the window")
	require.Positive(t, stuck.count(store.ItemPublished))
	require.Greater(t, b.parts[1].count(store.ItemEnded), window/3)
	require.Greater(t, b.parts[2].count(store.ItemEnded), window/3)

	stuck.fail["SettleRun"] = errors.New("boom")
	b.look()
	require.NotEmpty(t, b.executor.failing)
}

func TestRunEndsWhenNothingIsAtWork(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{}, 1)
	b.finish()
	require.NoError(t, b.executor.Run(t.Context()))
	b.executor.Retire()
	require.Zero(t, testutil.CollectAndCount(b.executor.metrics.atWork))
}

func TestItemsFromIngestionOnAreTheirRawBytes(t *testing.T) {
	t.Parallel()
	b := newBench(t, store.RunWork{Stage: events.Ingestion}, 3)
	part := b.parts[0]
	binary, structured := part.items[0], part.items[1]
	structured.Cause = events.Event{ID: "x-1", Source: "mls/structured"}.UID()
	part.items[1] = structured
	b.raw[binary.Cause] = []byte(`{"ListingKey":"k0"}`)
	b.raw[structured.Cause] = []byte(`{"specversion":"1.0","id":"x-1","source":"mls/structured","type":"reos.property.upserted.v1","subject":"k1",` +
		`"tenantid":"` + part.tenant.String() + `","sequence":"7","data":{"ListingKey":"k1"}}`)
	b.look()
	require.Len(t, b.messages, 2)
	byKey := map[string]events.Event{}
	for _, event := range b.messages {
		byKey[event.Subject] = event
		require.Equal(t, part.run.ID, event.RunID)
		require.Equal(t, part.tenant, event.TenantID)
	}
	one, two := byKey["k0"], byKey["k1"]
	require.Equal(t, binary.Event.String(), one.ID)
	require.Equal(t, binary.Cause.String(), one.CausationID)
	require.Equal(t, []any{"mls", epoch, `{"ListingKey":"k0"}`}, []any{one.Source, one.Time, string(one.Data)})
	require.Equal(t, structured.Event.String(), two.ID)
	require.Equal(t, []any{"mls/structured", int64(7), `{"ListingKey":"k1"}`}, []any{two.Source, two.Sequence, string(two.Data)})
	require.Equal(t, store.SkipRawMissing, part.items[2].Reason)
	require.EqualValues(t, 1, part.run.Skipped)
	b.finish()
	require.Equal(t, store.RunDone, part.run.State)
}

func TestARateIsKept(t *testing.T) {
	t.Parallel()
	at := epoch
	p := newPace(100, at)
	part := &member{RunAtWork: store.RunAtWork{Tenant: uuid.New(), Active: true}, run: store.Run{
		State: store.RunRunning, RunWork: store.RunWork{Selected: 1_000_000},
	}}
	sent := 0
	for range 50 { // ten seconds
		at = at.Add(200 * time.Millisecond)
		for _, s := range p.shares([]*member{part}, at) {
			p.spend(s.items, at)
			sent += s.items
		}
	}
	require.InDelta(t, 1000, sent, 10)
	require.Len(t, newPace(0, at).shares([]*member{part}, at), 1, "no limit")

	slow := newPace(0.5, epoch)
	require.Equal(t, 1, slow.shares([]*member{part}, epoch)[0].items, "it begins at once")
	slow.spend(1, epoch)
	require.Empty(t, slow.shares([]*member{part}, epoch.Add(time.Second)))
	require.Len(t, slow.shares([]*member{part}, epoch.Add(3*time.Second)), 1)
}

func TestARunTakesItsTurnWithHeavyParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, store.RunWork{}, 300)
		b.executor.courtesy = workers.NewCourtesy()
		b.executor.courtesy.Enter("a", 1) // a live event
		leave := b.executor.courtesy.Enter("b", 500)
		looked := false
		go func() { b.look(); looked = true }()
		synctest.Wait()
		require.False(t, looked)
		require.Zero(t, b.parts[0].count(store.ItemReleased)+b.parts[0].count(store.ItemPublished))
		leave()
		synctest.Wait()
		require.True(t, looked)
		require.Equal(t, 300, b.parts[0].count(store.ItemPublished))
	})
}
