package freshness_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

const (
	gaugeEvaluated = "reos_freshness_evaluated_timestamp_seconds"
	gaugeTenants   = "reos_freshness_tenants"
	gaugeState     = "reos_freshness_state"
	gaugeEnded     = "reos_ended_events_total"
)

func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("cccccccc-0000-4000-8000-%012d", n))
}

// named lists the samples of one metric.
func named(samples map[string]float64, name string) []string {
	var found []string
	for _, sample := range slices.Sorted(maps.Keys(samples)) {
		if strings.HasPrefix(sample, name+"{") {
			found = append(found, sample)
		}
	}
	return found
}

func look(t *testing.T, b *bench, watch *freshness.Watch) map[string]float64 {
	t.Helper()
	_, _, err := watch.Look(t.Context())
	require.NoError(t, err)
	return b.samples(t)
}

func TestGaugesShowTheLastLook(t *testing.T) {
	facts := waiting(of(tenantA), events.Quality, 2, noon.Add(-3*time.Hour))
	facts.Work = append(facts.Work, store.Work{
		Stage: events.Indexing, Source: "mls", Entry: store.BulkEntry, Events: 9, OldestOccurred: noon.AddDate(-1, 0, 0),
		OldestAccepted: noon.Add(-time.Minute), OldestDue: noon.Add(-time.Minute),
	})
	facts.Coverage = &store.Coverage{Records: 10, Present: map[string]int{"price": 9}}
	facts = ended(facts, events.Indexing, events.Done, "", 80)
	facts = ended(facts, events.Indexing, events.Quarantine, events.ExpectationFailed, 10)
	facts = ended(facts, events.Indexing, events.Dead, events.StageError, 10)
	facts.Before = []store.EndedBefore{{Window: "1h", Stage: events.Indexing}}
	b := newBench(freshness.Config{}, facts)
	samples := look(t, b, b.tracker.Watch())
	at, id := float64(noon.Unix()), tenantA.String()
	want := map[string]float64{
		gaugeEvaluated + "{}": at, "reos_freshness_leader{}": 0,
		"reos_sources{alive=true}": 1, "reos_sources{alive=false}": 0,
		"reos_freshness_tenant_state{state=late,tenant=" + id + "}":                             1,
		"reos_freshness_oldest_timestamp_seconds{stage=quality,tenant=" + id + "}":              at - 3*3600 - 60,
		"reos_tenant_info{name=name of " + id + ",tenant=" + id + "}":                           1,
		"reos_unfinished_events{entry=live,stage=quality,tenant=" + id + "}":                    2,
		"reos_unfinished_events{entry=bulk,stage=indexing,tenant=" + id + "}":                   9,
		"reos_oldest_unfinished_timestamp_seconds{entry=live,stage=quality,tenant=" + id + "}":  at - 3*3600 - 60,
		"reos_oldest_unfinished_timestamp_seconds{entry=bulk,stage=indexing,tenant=" + id + "}": at - 365*24*3600,
		"reos_oldest_accepted_timestamp_seconds{entry=live,stage=quality,tenant=" + id + "}":    at - 3*3600,
		"reos_oldest_accepted_timestamp_seconds{entry=bulk,stage=indexing,tenant=" + id + "}":   at - 60,
		"reos_success_ratio{tenant=" + id + ",window=1h}":                                       0.9,
		"reos_quarantined_ratio{tenant=" + id + ",window=1h}":                                   0.1,
		"reos_coverage_ratio{field=price,tenant=" + id + "}":                                    0.9,
	}
	for _, state := range store.FreshnessStates {
		want[gaugeTenants+"{state="+string(state)+"}"] = 0
	}
	want[gaugeTenants+"{state=late}"] = 1
	for stage, state := range map[events.Stage]string{events.Ingestion: "fresh", events.Quality: "late", events.Embedding: "fresh", events.Indexing: "fresh"} {
		want[gaugeState+"{stage="+string(stage)+",state="+state+",tenant="+id+"}"] = 1
	}
	delete(samples, "reos_freshness_evaluation_seconds{}")
	require.Equal(t, want, samples)
}

func TestFailedLookKeepsTheGaugesAndTheirTime(t *testing.T) {
	b := newBench(freshness.Config{}, waiting(of(tenantA), events.Quality, 1, noon))
	watch := b.tracker.Watch()
	before := look(t, b, watch)
	b.platform.fail = func(string) error { return fmt.Errorf("boom") }
	_, _, err := watch.Look(t.Context())
	require.Error(t, err)
	require.Equal(t, before, b.samples(t), "their age tells that nobody has looked since")
}

func TestTenantsThatAreWorstOffKeepTheirLabel(t *testing.T) {
	const tenants, own = 150, 50
	var all []store.TenantFacts
	for i := range tenants { // the last has the oldest work
		facts := waiting(of(numbered(i)), events.Quality, 2, noon.Add(-time.Duration(i)*4*time.Minute))
		all = append(all, ended(facts, events.Indexing, events.Done, "", 3))
	}
	b := newBench(freshness.Config{}, all...)
	samples := look(t, b, b.tracker.Watch())
	require.Len(t, named(samples, "reos_freshness_tenant_state"), own+1)
	require.Len(t, named(samples, "reos_tenant_info"), own)
	for i := tenants - own; i < tenants; i++ {
		require.Contains(t, samples, "reos_unfinished_events{entry=live,stage=quality,tenant="+numbered(i).String()+"}")
	}
	require.InDelta(t, 2*(tenants-own), samples["reos_unfinished_events{entry=live,stage=quality,tenant=other}"], 0)
	require.InDelta(t, float64(noon.Add(-99*4*time.Minute).Unix()), samples["reos_oldest_accepted_timestamp_seconds{entry=live,stage=quality,tenant=other}"], 0)
	require.Contains(t, samples, "reos_freshness_tenant_state{state=warning,tenant=other}", "the worst of them")
	require.InDelta(t, tenants, samples[gaugeTenants+"{state=fresh}"]+samples[gaugeTenants+"{state=late}"]+samples[gaugeTenants+"{state=warning}"]+samples[gaugeTenants+"{state=critical}"], 0)
}

func TestSuspendedTenantsAreInNoMetric(t *testing.T) {
	suspended := waiting(of(tenantA), events.Quality, 1, noon.Add(-100*time.Hour))
	suspended.Tenant.State = store.TenantSuspended
	b := newBench(freshness.Config{}, suspended, of(tenantB))
	samples := look(t, b, b.tracker.Watch())
	for name := range samples {
		require.NotContains(t, name, tenantA.String())
	}
	require.InDelta(t, 1, samples[gaugeTenants+"{state=fresh}"], 0)
	require.InDelta(t, 0, samples[gaugeTenants+"{state=unknown}"], 0)
	require.Len(t, b.transport.reports(t), 2, "but it may see its own")
}

func TestEndedEventsOnlyGoUp(t *testing.T) {
	b := newBench(freshness.Config{}, ended(of(tenantA), events.Indexing, events.Done, "", 1000))
	watch := b.tracker.Watch()
	done, dead := gaugeEnded+"{outcome=done,reason=,stage=indexing}", gaugeEnded+"{outcome=dead,reason=stage_error,stage=quality}"
	require.NotContains(t, look(t, b, watch), done, "before it led is not its business")
	b.platform.tenants[0] = ended(ended(of(tenantA), events.Indexing, events.Done, "", 1005), events.Quality, events.Dead, events.StageError, 2)
	young := ended(of(tenantB), events.Indexing, events.Done, "", 7)
	young.Tenant.CreatedAt = noon.Add(time.Minute)
	b.platform.tenants = append(b.platform.tenants, young, ended(of(numbered(1)), events.Indexing, events.Done, "", 9))
	samples := look(t, b, watch)
	require.InDelta(t, 12, samples[done], 0, "of a tenant that is new, all counts; one that has returned begins where it is")
	require.InDelta(t, 2, samples[dead], 0)
	b.platform.tenants = b.platform.tenants[:1]
	require.InDelta(t, 12, look(t, b, watch)[done], 0, "a tenant that is deleted takes nothing back")
}

func TestTenThousandTenantsGiveFewSeries(t *testing.T) {
	var all []store.TenantFacts
	for i := range 10_000 {
		facts := of(numbered(i))
		for _, stage := range []events.Stage{events.Quality, events.Embedding, events.Indexing} {
			facts = waiting(facts, stage, 1, noon.Add(-time.Duration(i)*time.Second))
			bulk := facts.Work[len(facts.Work)-1]
			bulk.Entry = store.BulkEntry
			facts.Work = append(facts.Work, bulk)
			facts = ended(facts, stage, events.Done, "", 100)
		}
		facts.Coverage = &store.Coverage{Records: 1, Present: map[string]int{}}
		for _, field := range store.CoverageFields {
			facts.Coverage.Present[field] = 1
		}
		facts.Tenant.CreatedAt = noon
		all = append(all, facts)
	}
	b := newBench(freshness.Config{TenantLabels: 80}, all...)
	watch := b.tracker.Watch()
	look(t, b, watch)
	series := len(look(t, b, watch))
	t.Logf("%d series with the highest number of tenants that have labels", series)
	require.Less(t, series, 4500, "and no more than 5,000 with all others of the process")
}
