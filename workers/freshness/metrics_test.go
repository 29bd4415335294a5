package freshness_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	gaugeOldest     = "reos_oldest_unfinished_timestamp_seconds"
	gaugeUnfinished = "reos_unfinished_events"
	gaugeEnded      = "reos_ended_events"
	gaugeEvaluated  = "reos_freshness_evaluated_timestamp_seconds"
)

func TestGaugesShowTheLastLook(t *testing.T) {
	status := waiting(waiting(of(tenantA), events.Quality, 2, noon.Add(-time.Hour)), events.Indexing, 1, noon.Add(1500*time.Millisecond))
	status = ended(status, events.Ingestion, events.Stale, events.VersionOlder, 3)
	status = ended(status, events.Ingestion, events.Stale, events.VersionDuplicate, 4)
	status = ended(status, events.Indexing, events.Done, "", 5)
	b := newBench(time.Minute, status)
	before := time.Now()
	require.NoError(t, b.tracker.Evaluate(t.Context()))

	samples := b.gauges(t)
	evaluated := samples[gaugeEvaluated+"{}"]
	require.InDelta(t, float64(before.Unix()), evaluated, 60)
	delete(samples, gaugeEvaluated+"{}")
	at := float64(noon.Unix())
	require.Equal(t, map[string]float64{
		gaugeUnfinished + "{stage=quality,tenant=" + tenantA.String() + "}":            2,
		gaugeUnfinished + "{stage=indexing,tenant=" + tenantA.String() + "}":           1,
		gaugeOldest + "{stage=quality,tenant=" + tenantA.String() + "}":                at - 3600,
		gaugeOldest + "{stage=indexing,tenant=" + tenantA.String() + "}":               at + 1.5,
		gaugeEnded + "{outcome=stale,stage=ingestion,tenant=" + tenantA.String() + "}": 7,
		gaugeEnded + "{outcome=done,stage=indexing,tenant=" + tenantA.String() + "}":   5,
	}, samples)

	b.platform.statuses = []store.TenantStatus{of(tenantA)}
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	require.Empty(t, named(b.gauges(t), gaugeUnfinished), "nothing is left of the look before")
}

func TestInvariant7QuietTenantHasNoOldestWork(t *testing.T) {
	quiet := ended(of(tenantA), events.Indexing, events.Done, "", 1000)
	b := newBench(time.Minute, quiet, waiting(of(tenantB), events.Embedding, 1, noon))
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	require.Equal(t, []string{gaugeOldest + "{stage=embedding,tenant=" + tenantB.String() + "}"}, named(b.gauges(t), gaugeOldest))
}

func TestInvariant7NoEvidenceIsNoGauge(t *testing.T) {
	b := newBench(time.Minute, waiting(of(tenantA), events.Quality, 1, noon))
	require.Empty(t, b.gauges(t), "nobody has looked yet")
	b.platform.status = func(look int) error {
		if look == 1 {
			return errors.New("boom")
		}
		return nil
	}
	require.Error(t, b.tracker.Evaluate(t.Context()))
	require.Empty(t, b.gauges(t))
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	require.Len(t, named(b.gauges(t), gaugeEvaluated), 1)
}

func TestFailedLookKeepsTheGaugesAndTheirTime(t *testing.T) {
	b := newBench(time.Minute, waiting(of(tenantA), events.Quality, 1, noon))
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	before := b.gauges(t)
	b.platform.status = func(int) error { return errors.New("boom") }
	require.Error(t, b.tracker.Evaluate(t.Context()))
	require.Equal(t, before, b.gauges(t), "their age tells that nobody has looked since")
}

func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("cccccccc-0000-4000-8000-%012d", n))
}

func TestTenantsWithTheOldestWorkKeepTheirLabel(t *testing.T) {
	const tenants, own = 150, 100
	var statuses []store.TenantStatus
	for i := range tenants { // the last has the oldest work
		status := waiting(of(numbered(i)), events.Quality, 2, noon.Add(-time.Duration(i)*time.Minute))
		status = waiting(status, events.Indexing, 1, noon.Add(time.Duration(i+1)*time.Minute))
		statuses = append(statuses, ended(status, events.Indexing, events.Done, "", 3))
	}
	b := newBench(time.Minute, statuses...)
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	samples := b.gauges(t)
	for gauge, stages := range map[string]int{gaugeUnfinished: 2, gaugeOldest: 2, gaugeEnded: 1} {
		require.Len(t, named(samples, gauge), stages*(own+1), gauge)
	}
	for i := tenants - own; i < tenants; i++ {
		require.Equal(t, float64(noon.Add(-time.Duration(i)*time.Minute).Unix()), samples[gaugeOldest+"{stage=quality,tenant="+numbered(i).String()+"}"])
	}
	const others = tenants - own
	require.EqualValues(t, 2*others, samples[gaugeUnfinished+"{stage=quality,tenant=other}"])
	require.EqualValues(t, 3*others, samples[gaugeEnded+"{outcome=done,stage=indexing,tenant=other}"])
	require.EqualValues(t, noon.Add(-(others-1)*time.Minute).Unix(), samples[gaugeOldest+"{stage=quality,tenant=other}"], "the oldest of them")
	require.EqualValues(t, noon.Add(time.Minute).Unix(), samples[gaugeOldest+"{stage=indexing,tenant=other}"], "at each stage")
	require.Len(t, b.transport.published, tenants, "reports are each tenant's own all the same")
}

func TestTenantsWithoutWorkKeepTheirLabel(t *testing.T) {
	var statuses []store.TenantStatus
	for i := range 150 {
		status := ended(of(numbered(i)), events.Indexing, events.Done, "", 3)
		if i%3 == 2 {
			status = waiting(status, events.Quality, 1, noon.Add(time.Duration(i*7919%150)*time.Minute))
		}
		statuses = append(statuses, status)
	}
	b := newBench(time.Minute, statuses...)
	require.NoError(t, b.tracker.Evaluate(t.Context()))
	var want []string
	quiet := 0
	for i := range 150 { // 50 have work; of those without, the first 50 have a label left
		if i%3 != 2 {
			quiet++
		}
		if i%3 == 2 || quiet <= 50 {
			want = append(want, gaugeEnded+"{outcome=done,stage=indexing,tenant="+numbered(i).String()+"}")
		}
	}
	want = append(want, gaugeEnded+"{outcome=done,stage=indexing,tenant=other}")
	slices.Sort(want)
	require.Equal(t, want, named(b.gauges(t), gaugeEnded))
}
