package freshness_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

// process hands the stage an event per verb, each accepted 2 s and published 4 s ago.
func process(t *testing.T, b *bench, lane string, verbs ...events.Verb) {
	t.Helper()
	stage := freshness.New(b.metrics, b.times)
	var batch []workers.Message
	for _, verb := range verbs {
		step := events.Step{
			RecordType: events.Property, Key: "K", VersionAt: noon, Origin: uuid.New(),
			OccurredAt: time.Now().Add(-4 * time.Second), AcceptedAt: time.Now().Add(-2 * time.Second),
		}
		m, err := stage.Accept(workers.Delivery{
			Raw: step.Event(events.Indexing, verb, events.Event{ID: "cause", TenantID: tenantA}).Message(), Lane: lane,
		})
		require.NoError(t, err)
		batch = append(batch, m)
	}
	results, err := stage.Process(t.Context(), tenantA, batch)
	require.NoError(t, err)
	for _, result := range results {
		require.Equal(t, workers.Done(), result)
	}
}

func TestStageMeasuresFromAcceptanceToEndAndFromEventToSearchable(t *testing.T) {
	b := newBench(freshness.Config{})
	process(t, b, "a", events.Indexed, events.Indexed, events.Unindexed)
	process(t, b, events.BulkLane, events.Indexed)
	families, err := b.registry.Gather()
	require.NoError(t, err)
	counts, seconds := map[string]uint64{}, map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if histogram := metric.GetHistogram(); histogram != nil {
				name := fmt.Sprint(family.GetName(), " ", metric.GetLabel()[0].GetValue())
				counts[name] = histogram.GetSampleCount()
				seconds[name] = histogram.GetSampleSum() / float64(histogram.GetSampleCount())
			}
		}
	}
	require.Equal(t, map[string]uint64{
		"reos_acceptance_to_end_seconds indexed": 3, "reos_acceptance_to_end_seconds unindexed": 1,
		"reos_event_to_searchable_seconds live": 2, "reos_event_to_searchable_seconds bulk": 1,
	}, counts)
	require.InDelta(t, 2, seconds["reos_acceptance_to_end_seconds indexed"], 1)
	require.InDelta(t, 4, seconds["reos_event_to_searchable_seconds live"], 1)
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
	process(t, b, "a", events.Indexed, events.Indexed, events.Passed)
	process(t, b, events.BulkLane, events.Indexed)
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
	process(t, b, "a", events.Indexed)
	for _, err := range []error{errors.New("boom"), store.ErrUnavailable} {
		b.records.err = err
		b.times.Flush(t.Context())
	}
	process(t, b, "a", events.Indexed)
	b.records.err = nil
	b.times.Flush(t.Context())
	require.EqualValues(t, 2, sum(b.records.times, store.LiveEntry))
	process(t, b, "a", events.Indexed)
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
	process(t, b, "a", events.Indexed)
	stop()
	await(t, done, "it does not end")
	require.EqualValues(t, 1, sum(b.records.times, store.LiveEntry))
}
