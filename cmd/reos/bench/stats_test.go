package bench

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantileIsAMeasuredValue(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[99-i] = float64(i + 1) // 100 … 1: order does not matter
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.95: 95, 0.99: 99, 1: 100} {
		require.Equal(t, want, quantile(hundred, q), "q=%v", q)
	}
	require.Equal(t, 7.0, quantile([]float64{7}, 0.99))
	require.Equal(t, 9.0, quantile([]float64{9, 1, 5}, 0.95))
	require.True(t, math.IsNaN(quantile(nil, 0.5)))
	require.Equal(t, 100.0, hundred[0], "the values stay in their order")
}

func TestMedianAndSpread(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{3, 1, 2}))
	require.Equal(t, 2.5, median([]float64{4, 1, 2, 3}))
	require.InDelta(t, 0.2, spread([]float64{9, 10, 11}), 1e-12)
	require.True(t, math.IsNaN(median(nil)))
	require.True(t, math.IsNaN(spread(nil)))
}

func TestRatioSpansAllThatTheRunsAllow(t *testing.T) {
	got := ratio([]float64{30, 20, 40}, []float64{10, 5, 20})
	require.Equal(t, Ratio{Median: 3, Low: 1, High: 8}, got)
}

func TestLatencyOfSamples(t *testing.T) {
	require.Nil(t, latencyOf(nil))
	got := latencyOf([]time.Duration{4 * time.Millisecond, time.Millisecond, 2 * time.Millisecond, 1500 * time.Microsecond})
	require.Equal(t, &Latency{Samples: 4, P50: 1.5, P95: 4, P99: 4, Max: 4}, got)
}

func TestFindingsAreHeldAgainstTheirTargets(t *testing.T) {
	require.True(t, *Finding{Value: 5}.atLeast(5).Met)
	require.False(t, *Finding{Value: 4.9}.atLeast(5).Met)
	require.True(t, *Finding{Value: 12}.atMost(12).Met)
	require.False(t, *Finding{Value: 12.1}.atMost(12).Met)
	require.Equal(t, "≤ 12", Finding{}.atMost(12).Target)
}
