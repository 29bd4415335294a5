package freshness_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

// searchable notes events, each accepted 2 s and published 4 s ago.
func searchable(b *bench, lane string, n int) {
	for range n {
		b.times.Searchable(tenantA, lane, events.Step{OccurredAt: time.Now().Add(-4 * time.Second), AcceptedAt: time.Now().Add(-2 * time.Second)})
	}
}

func TestTimesAreMeasuredFromTheEventAndFromItsAcceptance(t *testing.T) {
	b := newBench(freshness.Config{})
	searchable(b, "a", 2)
	searchable(b, events.BulkLane, 1)
	b.times.Searchable(tenantA, "a", events.Step{OccurredAt: time.Now().Add(time.Hour), AcceptedAt: time.Now().Add(-2 * time.Second)})
	families, err := b.registry.Gather()
	require.NoError(t, err)
	counts, seconds := map[string]uint64{}, map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if histogram := metric.GetHistogram(); histogram != nil {
				name := fmt.Sprint(family.GetName(), " ", metric.GetLabel()[0].GetValue())
				counts[name] = histogram.GetSampleCount()
				seconds[name] = histogram.GetSampleSum()
			}
		}
	}
	require.Equal(t, map[string]uint64{
		"reos_event_to_searchable_seconds live": 3, "reos_event_to_searchable_seconds bulk": 1,
		"reos_acceptance_to_searchable_seconds live": 3, "reos_acceptance_to_searchable_seconds bulk": 1,
	}, counts)
	require.InDelta(t, 2*4+0, seconds["reos_event_to_searchable_seconds live"], 1, "an event from the future took no time")
	require.InDelta(t, 3*2, seconds["reos_acceptance_to_searchable_seconds live"], 1)
}

func sum(times []store.SearchableTimes, entry store.EntryLane) (n int64) {
	for _, one := range times {
		for _, count := range one.Buckets {
			if one.Entry == entry {
				n += count
			}
		}
	}
	return n
}

func TestTimesAreWrittenPerTenantAndHour(t *testing.T) {
	b := newBench(freshness.Config{})
	searchable(b, "a", 2)
	searchable(b, events.BulkLane, 1)
	b.times.Flush(t.Context())
	b.times.Flush(t.Context())
	require.EqualValues(t, 2, sum(b.records.times, store.LiveEntry), "each once")
	require.EqualValues(t, 1, sum(b.records.times, store.BulkEntry))
	for _, one := range b.records.times {
		require.Equal(t, tenantA, one.Tenant)
		require.WithinDuration(t, time.Now(), one.Hour, time.Hour)
		require.Zero(t, one.Hour.Minute())
	}
}

func TestTimesThatCannotBeWrittenAreKept(t *testing.T) {
	b := newBench(freshness.Config{})
	searchable(b, "a", 1)
	for _, err := range []error{errors.New("boom"), store.ErrUnavailable} {
		b.records.err = err
		b.times.Flush(t.Context())
	}
	searchable(b, "a", 1)
	b.records.err = nil
	b.times.Flush(t.Context())
	require.EqualValues(t, 2, sum(b.records.times, store.LiveEntry))
	searchable(b, "a", 1)
	b.records.err = store.ErrTenantDeleted
	b.times.Flush(t.Context())
	b.records.err = nil
	b.times.Flush(t.Context())
	require.EqualValues(t, 2, sum(b.records.times, store.LiveEntry), "nobody asks for those of a tenant that is gone")
}

func TestTimesAreWrittenAtTheEnd(t *testing.T) {
	b := newBench(freshness.Config{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { b.times.Run(ctx); close(done) }()
	searchable(b, "a", 1)
	stop()
	await(t, done, "it does not end")
	require.EqualValues(t, 1, sum(b.records.times, store.LiveEntry))
}
