package quality_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/quality"
)

var tenant = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")

// load is one round trip for records.
type load struct {
	record events.RecordType
	wanted []store.Wanted
}

// fakeRecords is one tenant's Postgres.
type fakeRecords struct {
	stored   map[store.Ref]store.StoredRecord
	loads    []load
	saves    int
	verdicts map[store.Ref]store.Verdict
	advances map[uuid.UUID]store.Advance // by event

	failLoad, failSave error
}

func (f *fakeRecords) Records(_ context.Context, record events.RecordType, wanted []store.Wanted) ([]store.StoredRecord, error) {
	f.loads = append(f.loads, load{record, wanted})
	var found []store.StoredRecord
	for _, w := range wanted {
		if one, ok := f.stored[store.Ref{Type: record, Key: w.Key}]; ok {
			found = append(found, one)
		}
	}
	return found, f.failLoad
}

func (f *fakeRecords) SaveVerdicts(_ context.Context, verdicts []store.Verdict, advances []store.Advance) error {
	f.saves++
	f.verdicts, f.advances = map[store.Ref]store.Verdict{}, map[uuid.UUID]store.Advance{}
	for _, verdict := range verdicts {
		if _, twice := f.verdicts[verdict.Ref]; twice {
			return fmt.Errorf("%v is named twice", verdict.Ref)
		}
		f.verdicts[verdict.Ref] = verdict
	}
	for _, advance := range advances {
		f.advances[advance.Event] = advance
	}
	return f.failSave
}

func (f *fakeRecords) process(t *testing.T, batch ...workers.Message) []workers.Result {
	t.Helper()
	results, err := f.stage(t).Process(t.Context(), tenant, batch)
	require.NoError(t, err)
	require.Len(t, results, len(batch))
	return results
}

func (f *fakeRecords) stage(t *testing.T) *quality.Stage {
	return quality.New(func(id uuid.UUID) quality.Records { require.Equal(t, tenant, id); return f })
}

var versionAt = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)

// homeDoc passes its suite at any time; leaseDoc too.
const (
	homeDoc = `{"ListingKey":"K","StandardStatus":"Active","PropertyType":"Residential","ListPrice":450000,"BedroomsTotal":3,
		"BathroomsTotalInteger":2,"LivingArea":1180,"YearBuilt":1955,"UnparsedAddress":"9824 Rainier Ave S, Seattle, WA 98118",
		"City":"Seattle","StateOrProvince":"WA","PostalCode":"98118","Latitude":47.5112,"Longitude":-122.257,
		"PublicRemarks":"Charming","ModificationTimestamp":"2025-01-02T03:04:05Z"}`
	leaseDoc = `{"LeaseKey":"L","ListingKey":"K","LeaseAmount":2450,"LeaseStartDate":"2024-04-01","LeaseEndDate":"2025-03-31",
		"ModificationTimestamp":"2025-01-02T03:04:05Z"}`
)

func holding(records ...store.StoredRecord) *fakeRecords {
	f := &fakeRecords{stored: map[store.Ref]store.StoredRecord{}}
	for _, record := range records {
		f.stored[record.Ref] = record
	}
	return f
}

func held(record events.RecordType, key, doc string) store.StoredRecord {
	return store.StoredRecord{Ref: store.Ref{Type: record, Key: key}, Version: events.NewVersion(versionAt, 1), Doc: []byte(doc)}
}

// ingested is ingestion's word about a record at a sequence; each is another accepted event.
func ingested(t *testing.T, record events.RecordType, key string, sequence int64) workers.Message {
	t.Helper()
	step := events.Step{
		RecordType: record, Key: key, VersionAt: versionAt, VersionSeq: sequence, OccurredAt: versionAt, AcceptedAt: versionAt,
		Origin: uuid.NewSHA1(tenant, fmt.Appendf(nil, "%s %s %d", record, key, sequence)),
	}
	m, err := workers.Steps{}.Accept(workers.Delivery{
		Raw: step.Event(events.Ingestion, events.Ingested, events.Event{ID: "cause", TenantID: tenant, RunID: "run"}).Message(),
	})
	require.NoError(t, err)
	return m
}

func TestJudgedRecordsGoOnByTypeAndVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		record  events.RecordType
		doc     string
		verb    events.Verb
		outcome events.Outcome
		advance store.Advance
	}{
		"property that passed": {
			events.Property, homeDoc, events.Passed, events.Done,
			store.Advance{From: events.Quality, Next: events.Embedding},
		},
		"property that failed": { // indexing takes the version before out of the search
			events.Property, `{"ListingKey":"K","ListPrice":-5}`, events.Quarantined, events.Quarantine,
			store.Advance{From: events.Quality, Next: events.Indexing},
		},
		"lease that passed": {
			events.Lease, leaseDoc, events.Passed, events.Done,
			store.Advance{From: events.Quality, Outcome: events.Done},
		},
		"lease that failed": {
			events.Lease, `{"LeaseKey":"L","LeaseAmount":-5}`, events.Quarantined, events.Quarantine,
			store.Advance{From: events.Quality, Outcome: events.Quarantine, Reason: events.ExpectationFailed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := holding(held(c.record, "K", c.doc))
			m := ingested(t, c.record, "K", 1)
			result := f.process(t, m)[0]

			require.Equal(t, c.outcome, result.Outcome)
			require.NoError(t, result.Err)
			require.Len(t, result.Outputs, 1)
			output := result.Outputs[0]
			require.Equal(t, events.Type(c.record, c.verb), output.Type)
			require.Equal(t, m.Event.ID, output.CausationID)
			require.Equal(t, "run", output.RunID)
			require.Equal(t, tenant, output.TenantID)

			c.advance.Event = m.Step.Origin
			if c.advance.Next != "" {
				c.advance.Ref = store.Ref{Type: c.record, Key: "K"}
			}
			require.Equal(t, map[uuid.UUID]store.Advance{m.Step.Origin: c.advance}, f.advances)
			verdict := f.verdicts[store.Ref{Type: c.record, Key: "K"}]
			require.Equal(t, c.outcome == events.Done, verdict.Passed, "%v", verdict.Failures)
			require.Equal(t, m.Step.Version(), verdict.Version)
			if verdict.Passed {
				require.Empty(t, result.Reason)
			} else {
				require.Equal(t, events.ExpectationFailed, result.Reason)
				require.NotEmpty(t, verdict.Failures, "every failed expectation is kept")
			}
		})
	}
}

func TestInvariant3SupersededVersionEndsAsStale(t *testing.T) {
	f := holding(held(events.Property, "K", homeDoc))
	overtaken, current := ingested(t, events.Property, "K", 0), ingested(t, events.Property, "K", 1)
	results := f.process(t, overtaken, current)
	require.Equal(t, workers.Stale(events.Superseded), results[0])
	require.Equal(t, events.Done, results[1].Outcome, "the newer version goes its own way")
	require.Equal(t, store.Advance{Event: overtaken.Step.Origin, From: events.Quality, Outcome: events.Stale, Reason: events.Superseded},
		f.advances[overtaken.Step.Origin], "Invariant 6: the overtaken event ends")
}

func TestRecordThatIsNotStoredIsDead(t *testing.T) {
	f := holding(held(events.Property, "older", homeDoc), held(events.Property, "good", homeDoc), held(events.Lease, "unknown", leaseDoc))
	results := f.process(t, ingested(t, events.Property, "unknown", 1), ingested(t, events.Property, "older", 2), ingested(t, events.Property, "good", 1))
	for _, result := range results[:2] {
		require.Equal(t, events.Dead, result.Outcome)
		require.Equal(t, events.RecordMissing, result.Reason)
		require.Empty(t, result.Outputs)
	}
	require.ErrorContains(t, results[0].Err, `property "unknown" is not stored`)
	require.ErrorContains(t, results[1].Err, "/2")
	require.Equal(t, events.Done, results[2].Outcome)
	require.Len(t, f.verdicts, 1)
	require.Len(t, f.advances, 1, "the dead letter ends an event that died, nobody else")
}

func TestInvariant2RecordTwiceInABatchHasOneVerdict(t *testing.T) {
	f := holding(held(events.Property, "K", homeDoc))
	m := ingested(t, events.Property, "K", 1)
	results := f.process(t, m, m)
	require.Equal(t, results[0].Outputs[0].ID, results[1].Outputs[0].ID, "both say the same")
	require.Len(t, f.verdicts, 1)
	require.Equal(t, []load{{events.Property, workers.Wanted([]workers.Message{m})}}, f.loads)

	verdicts, advances := f.verdicts, f.advances
	again := f.process(t, m)
	require.Equal(t, results[0].Outputs[0].ID, again[0].Outputs[0].ID, "a redelivery says it again")
	require.Equal(t, verdicts, f.verdicts)
	require.Equal(t, advances, f.advances)
}

func TestBatchLoadsEachRecordTypeOnceAndSavesOnce(t *testing.T) {
	f := holding(
		held(events.Property, "K", homeDoc), held(events.Property, "K2", homeDoc),
		held(events.Lease, "K", leaseDoc), held(events.Lease, "L2", `{}`),
	)
	homes := []workers.Message{ingested(t, events.Property, "K", 1), ingested(t, events.Property, "K2", 1)}
	leases := []workers.Message{ingested(t, events.Lease, "L2", 1), ingested(t, events.Lease, "K", 1)}
	results := f.process(t, homes[0], leases[0], homes[1], leases[1])
	require.ElementsMatch(t, []load{{events.Property, workers.Wanted(homes)}, {events.Lease, workers.Wanted(leases)}}, f.loads)
	require.Equal(t, 1, f.saves)
	require.Len(t, f.verdicts, 4, "a key is a record's within its type")
	types := make([]string, len(results))
	for i, result := range results {
		types[i] = result.Outputs[0].Type
	}
	require.Equal(t, []string{
		events.Type(events.Property, events.Passed), events.Type(events.Lease, events.Quarantined),
		events.Type(events.Property, events.Passed), events.Type(events.Lease, events.Passed),
	}, types, "in the order of the batch")
}

func TestErrorsOfTheStorePassThrough(t *testing.T) {
	unavailable := fmt.Errorf("dial: %w", store.ErrUnavailable)
	for name, f := range map[string]*fakeRecords{"load": {failLoad: unavailable}, "save": {failSave: unavailable}} {
		t.Run(name, func(t *testing.T) {
			_, err := f.stage(t).Process(t.Context(), tenant, []workers.Message{ingested(t, events.Property, "K", 1)})
			require.ErrorIs(t, err, store.ErrUnavailable)
		})
	}
}
