package ingestion

import (
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

var (
	tenant = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	start  = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// at makes an arrival of a record's version; the id names the event.
func at(id, key string, minute int, price int) arrival {
	event := events.Event{ID: id, Source: "test", Type: events.Type(events.Property, events.Upserted), TenantID: tenant}
	record := events.Record{
		Type: events.Property, Key: key, Version: events.NewVersion(start.Add(time.Duration(minute)*time.Minute), 0),
		Doc: fmt.Appendf(nil, `{"ListPrice":%d,"City":"Kirkland"}`, price),
	}
	return newArrival(0, workers.Message{
		Delivery: workers.Delivery{Raw: message.NewMessage(id, nil), Lane: "a"}, Tenant: tenant, Event: event,
	}, record)
}

func deleted(id, key string, minute int) arrival {
	a := at(id, key, minute, 0)
	a.record.Deleted, a.record.Doc = true, nil
	a.message.Event.Type = events.Type(events.Property, events.Deleted)
	return a
}

func unknown() store.Known {
	return store.Known{Events: map[uuid.UUID]bool{}, Records: map[store.Ref]store.Held{}}
}

// apply is what Postgres would know after a plan.
func apply(known store.Known, plan store.IngestPlan) {
	for _, a := range plan.Accepted {
		known.Events[a.Event] = true
	}
	for _, w := range plan.Records {
		ref := store.Ref{Type: w.Record.Type, Key: w.Record.Key}
		known.Records[ref] = store.Held{Version: w.Record.Version, Event: w.Event, Deleted: w.Record.Deleted}
	}
}

func TestNewestOfABatchWinsAndTheOthersEnd(t *testing.T) {
	d := decide([]arrival{at("1", "A", 1, 100), at("2", "A", 2, 250), at("3", "B", 1, 7), at("4", "A", 0, 90)}, unknown())
	require.Equal(t, events.Superseded, d.results[0].Reason)
	require.Equal(t, events.Done, d.results[1].Outcome)
	require.Len(t, d.results[1].Outputs, 1)
	require.Equal(t, events.VersionOlder, d.results[3].Reason)
	require.Empty(t, d.results[3].Outputs)

	require.Len(t, d.plan.Accepted, 4, "every event is accounted for, whatever became of it")
	require.Len(t, d.plan.Archived, 4, "every event's bytes are kept")
	require.Equal(t, events.Superseded, d.plan.Accepted[0].Reason)
	require.Equal(t, events.Quality, d.plan.Accepted[1].Next)
	require.Len(t, d.plan.Records, 2)
	require.JSONEq(t, `{"ListPrice":100}`, string(d.plan.Records[0].Prior), "what quality compares with is the version before")
	require.Nil(t, d.plan.Records[1].Prior)
}

func TestInvariant2KnownEventChangesNothingAndIsForwardedAgain(t *testing.T) {
	known := unknown()
	batch := []arrival{at("1", "A", 1, 100), deleted("2", "B", 1)}
	first := decide(batch, known)
	apply(known, first.plan)
	again := decide(batch, known)
	require.Empty(t, again.plan.Accepted)
	require.Empty(t, again.plan.Records)
	require.Empty(t, again.plan.Archived)
	for i := range batch {
		require.Equal(t, first.results[i].Outputs[0].ID, again.results[i].Outputs[0].ID, "the same event is said again")
	}
}

func TestInvariant2AnEventThatIsForgottenButForItsBytesIsLateAndNotArchivedAgain(t *testing.T) {
	known := unknown()
	first, second := at("1", "A", 1, 100), at("2", "A", 2, 200)
	apply(known, decide([]arrival{first}, known).plan)
	apply(known, decide([]arrival{second}, known).plan)
	delete(known.Events, first.uid)
	known.Archived = map[uuid.UUID]bool{first.uid: true}
	d := decide([]arrival{first, at("3", "A", 0, 50)}, known)
	require.Equal(t, events.VersionOlder, d.results[0].Reason)
	require.Empty(t, d.results[0].Outputs)
	require.Empty(t, d.plan.Records)
	require.Len(t, d.plan.Accepted, 2)
	require.Len(t, d.plan.Archived, 1, "the other one's bytes")
	require.Len(t, d.raw, 1)
}

func TestSameEventTwiceInOneBatchIsSaidOnce(t *testing.T) {
	d := decide([]arrival{at("1", "A", 1, 100), at("1", "A", 1, 100)}, unknown())
	require.Len(t, d.plan.Accepted, 1)
	require.Len(t, d.results[0].Outputs, 1)
	require.Equal(t, events.Done, d.results[1].Outcome)
	require.Empty(t, d.results[1].Outputs)
}

func TestAnotherEventWithTheSameVersionIsStale(t *testing.T) {
	d := decide([]arrival{at("1", "A", 1, 100), at("2", "A", 1, 999)}, unknown())
	require.Equal(t, events.VersionDuplicate, d.results[1].Reason)
	require.Len(t, d.plan.Records, 1)
}

func TestRecordThatWasDeletedBeforeHasNothingToCompareWith(t *testing.T) {
	d := decide([]arrival{deleted("1", "A", 1), at("2", "A", 2, 100)}, unknown())
	require.Len(t, d.plan.Records, 1)
	require.JSONEq(t, `{}`, string(d.plan.Records[0].Prior))
}

func TestTombstoneGoesStraightToIndexing(t *testing.T) {
	d := decide([]arrival{deleted("1", "A", 1)}, unknown())
	require.Equal(t, events.Indexing, d.plan.Accepted[0].Next)
	require.Equal(t, events.Type(events.Property, events.Removed), d.results[0].Outputs[0].Type)
}

// However events fall into batches, and however often batches are delivered, the same version is held in the end,
// every event is accepted exactly once, and the same events are stale at the door.
func TestInvariant3RecordNeverGoesBackwards(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "events")
		all := make([]arrival, n)
		for i := range all {
			all[i] = at(fmt.Sprint("e", i), rapid.SampledFrom([]string{"A", "B", "C"}).Draw(t, "key"), rapid.IntRange(0, 6).Draw(t, "minute"), i)
		}
		one, many := unknown(), unknown()
		staleInOne := run(t, one, all, []int{n}, false)
		var cuts []int
		for at := 0; at < n; {
			at = min(n, at+rapid.IntRange(1, 8).Draw(t, "batch"))
			cuts = append(cuts, at)
		}
		staleInMany := run(t, many, all, cuts, true)
		require.Equal(t, one, many)
		require.Equal(t, staleInOne, staleInMany)
	})
}

// run ingests arrivals batch by batch, each batch twice where it is asked to, and lists what was stale at the door.
func run(t *rapid.T, known store.Known, all []arrival, cuts []int, twice bool) map[uuid.UUID]bool {
	stale := map[uuid.UUID]bool{}
	from := 0
	for _, to := range cuts {
		batch := all[from:to]
		d := decide(batch, known)
		for _, a := range d.plan.Accepted {
			require.False(t, known.Events[a.Event], "accepted twice")
			if a.Reason == events.VersionOlder || a.Reason == events.VersionDuplicate {
				stale[a.Event] = true
			}
		}
		for _, w := range d.plan.Records {
			held, ok := known.Records[store.Ref{Type: w.Record.Type, Key: w.Record.Key}]
			require.True(t, !ok || held.Version.Compare(w.Record.Version) < 0, "went backwards")
		}
		apply(known, d.plan)
		if twice {
			again := decide(batch, known)
			require.Empty(t, again.plan.Accepted)
			require.Empty(t, again.plan.Records)
		}
		from = to
	}
	return stale
}
