package qdrant_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

func TestRequestsAreTimedByMethod(t *testing.T) {
	f := newFixture(t, startEmbedded(t))
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.client.Collector())
	before := requests(t, registry)
	vector := make([]float32, testSize)
	vector[0] = 1
	_, err := f.tenant.Search(t.Context(), store.Query{Vector: vector, Limit: 1})
	require.NoError(t, err)
	after := requests(t, registry)
	require.EqualValues(t, before["Query"]+1, after["Query"])
	require.Equal(t, before["Upsert"], after["Upsert"])
}

// requests counts what was observed, by method.
func requests(t *testing.T, registry *prometheus.Registry) map[string]uint64 {
	families, err := registry.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, family := range families {
		require.Equal(t, "reos_qdrant_request_seconds", family.GetName())
		for _, m := range family.GetMetric() {
			counts[m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
		}
	}
	return counts
}
