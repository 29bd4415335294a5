package bench

import (
	"math"
	"slices"
	"time"
)

// quantile is the smallest value that at least the share q of all values do not exceed (nearest rank): a value that
// was measured, never one between two. It is NaN where there is none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median is the middle value, or the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// spread is the distance from the smallest value to the largest, as a share of the median.
func spread(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return (slices.Max(values) - slices.Min(values)) / median(values)
}

// Ratio compares two sets of runs: the ratio of their medians, and the lowest and highest that the runs allow.
type Ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // slowest of the one by fastest of the other
	High   float64 `json:"high"` // the other way round
}

// ratio compares a with b; neither may be empty.
func ratio(a, b []float64) Ratio {
	return Ratio{
		Median: median(a) / median(b), Low: slices.Min(a) / slices.Max(b), High: slices.Max(a) / slices.Min(b),
	}
}

// Latency is how long events took, in milliseconds.
type Latency struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_ms"`
	P95     float64 `json:"p95_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// latencyOf sums up samples; nil where there are none.
func latencyOf(samples []time.Duration) *Latency {
	if len(samples) == 0 {
		return nil
	}
	ms := make([]float64, len(samples))
	for i, sample := range samples {
		ms[i] = float64(sample) / float64(time.Millisecond)
	}
	return &Latency{
		Samples: len(ms), P50: quantile(ms, 0.5), P95: quantile(ms, 0.95), P99: quantile(ms, 0.99), Max: slices.Max(ms),
	}
}
