package freshness_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

func TestStageMeasuresFromAcceptanceToEnd(t *testing.T) {
	b := newBench(time.Minute)
	stage := freshness.New(b.metrics)
	var batch []workers.Message
	for _, verb := range []events.Verb{events.Indexed, events.Indexed, events.Unindexed} {
		step := events.Step{
			RecordType: events.Property, Key: "K", VersionAt: noon, Origin: uuid.New(), AcceptedAt: time.Now().Add(-2 * time.Second),
		}
		m, err := stage.Accept(workers.Delivery{Raw: step.Event(events.Indexing, verb, events.Event{ID: "cause", TenantID: tenantA}).Message()})
		require.NoError(t, err)
		batch = append(batch, m)
	}
	results, err := stage.Process(t.Context(), tenantA, batch)
	require.NoError(t, err)
	require.Equal(t, []workers.Result{workers.Done(), workers.Done(), workers.Done()}, results)

	families, err := b.registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "reos_acceptance_to_end_seconds", families[0].GetName())
	counts := map[string]uint64{}
	for _, metric := range families[0].GetMetric() {
		histogram := metric.GetHistogram()
		counts[metric.GetLabel()[0].GetValue()] = histogram.GetSampleCount()
		require.InDelta(t, 2*float64(histogram.GetSampleCount()), histogram.GetSampleSum(), 60)
	}
	require.Equal(t, map[string]uint64{"indexed": 2, "unindexed": 1}, counts)
}
