package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestFreshnessHistoryHoldsUntilTheNextEntry(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	noon := time.Now().UTC().Truncate(time.Hour)
	add := func(tenant uuid.UUID, ago time.Duration, states ...store.FreshnessState) {
		var entry []store.SLI
		for i, state := range states {
			entry = append(entry, store.SLI{Tenant: tenant, At: noon.Add(-ago), Stage: events.Pausable[i], State: state})
		}
		require.NoError(t, f.db.Platform().SaveSLIs(t.Context(), entry))
	}
	add(f.a, 150*time.Minute, store.Fresh, store.Fresh)
	add(f.a, 100*time.Minute, store.Unknown, store.Late, store.Fresh)
	add(f.a, 95*time.Minute, store.Fresh, store.Critical, store.Warning)
	add(f.b, 10*time.Minute, store.Unknown)
	samples, err := f.db.Tenant(f.a).FreshnessHistory(t.Context(), noon.Add(-3*time.Hour), noon, time.Hour)
	require.NoError(t, err)
	var told []string
	for _, s := range samples {
		told = append(told, fmt.Sprint(noon.Sub(s.At), " ", s.State))
	}
	require.Equal(t, []string{"2h0m0s fresh", "1h0m0s critical", "0s critical"}, told, "the worst of the stages; nothing from before the beginning")

	all, err := f.db.Platform().FreshnessHistory(t.Context(), []uuid.UUID{f.a, f.b, uuid.New()}, noon.Add(-3*time.Hour), noon, time.Hour)
	require.NoError(t, err)
	require.Equal(t, samples, all[f.a])
	require.Len(t, all[f.b], 1)
	require.Len(t, all, 2)
}

func TestQuarantineCountsWhatKeepsRecordsFromSearch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var records []events.Record
	var verdicts []store.Verdict
	fail := func(v *store.Verdict, expectation string, severity store.Severity) {
		v.Failures = append(v.Failures, store.Failure{Expectation: expectation, Severity: severity, Field: "City", Observed: v.Ref.Key, Limit: "known"})
	}
	for n := range 6 {
		record := property(fmt.Sprintf("K%d", n), 2)
		v := verdict(record, n == 5)
		if n < 2 {
			fail(&v, "city_known", store.SeverityError)
		}
		fail(&v, "city_likely", store.SeverityWarning)
		records, verdicts = append(records, record), append(verdicts, v)
	}
	mustIngest(t, f.db, f.a, records...)
	require.NoError(t, f.db.Tenant(f.a).SaveVerdicts(t.Context(), verdicts, nil))
	mustIngest(t, f.db, f.a, property("K3", 4), tombstone("K4", 4)) // these have moved on

	found, err := f.db.Tenant(f.a).Quarantine(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, store.Quarantine{Records: 3, Top: []store.FailedExpectation{
		{Type: events.Property, Expectation: "price_positive", Field: "ListPrice", Records: 3, Key: "K0"},
		{Type: events.Property, Expectation: "city_known", Field: "City", Records: 2, Key: "K0", Observed: "K0", Limit: "known"},
	}}, found)
	require.Equal(t, 3, status(t, f.db, f.a).Quarantined, "it is the same count")
	found, err = f.db.Tenant(f.a).Quarantine(t.Context(), 1)
	require.NoError(t, err)
	require.Len(t, found.Top, 1)
	found, err = f.db.Tenant(f.b).Quarantine(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, store.Quarantine{}, found)
}

func TestRecordTypesOfAKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	lease := property("K1", 0)
	lease.Type = events.Lease
	mustIngest(t, f.db, f.a, property("K1", 0), lease, property("K2", 0))
	types, err := f.db.Tenant(f.a).RecordTypesOf(t.Context(), "K1")
	require.NoError(t, err)
	require.Equal(t, []events.RecordType{events.Property, events.Lease}, types)
	for _, tenant := range []uuid.UUID{f.a, f.b} {
		types, err = f.db.Tenant(tenant).RecordTypesOf(t.Context(), "K3\x00")
		require.NoError(t, err)
		require.Empty(t, types)
	}
	types, err = f.db.Tenant(f.b).RecordTypesOf(t.Context(), "K1")
	require.NoError(t, err)
	require.Empty(t, types)
}
