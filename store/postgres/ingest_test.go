package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }

func load(t testing.TB, db *postgres.DB, tenant uuid.UUID, keys ...string) map[string]store.StoredRecord {
	t.Helper()
	wanted := make([]store.Wanted, len(keys))
	for i, key := range keys {
		wanted[i].Key = key
	}
	found, err := db.Tenant(tenant).Records(t.Context(), events.Property, wanted)
	require.NoError(t, err)
	byKey := map[string]store.StoredRecord{}
	for _, record := range found {
		byKey[record.Ref.Key] = record
	}
	return byKey
}

func TestIngestStoresRecordsProgressAndSpans(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := property("k1", 1)
	record.Faults = []events.Fault{{Field: "City", Must: "text", Observed: "7"}}
	lease := events.Record{Type: events.Lease, Key: "k1", Version: versionAt(0), Doc: []byte(`{"LeaseKey":"k1"}`)}
	mustIngest(t, f.db, f.a, record, lease)

	stored := load(t, f.db, f.a, "k1", "absent")
	require.Len(t, stored, 1)
	require.JSONEq(t, string(record.Doc), string(stored["k1"].Doc))
	require.Equal(t, record.Version, stored["k1"].Version)
	require.Equal(t, record.Faults, stored["k1"].Faults)
	require.Nil(t, stored["k1"].Prior)
	leases, err := f.db.Tenant(f.a).Records(t.Context(), events.Lease, []store.Wanted{{Key: "k1"}})
	require.NoError(t, err)
	require.Len(t, leases, 1)

	place, err := f.db.Tenant(f.a).RawPlace(t.Context(), eventOf(lease))
	require.NoError(t, err)
	require.Nil(t, place.Staged)
	require.Equal(t, int64(10), place.Span.Offset)
	require.NotZero(t, place.Span.SHA256)
	_, err = f.db.Tenant(f.b).RawPlace(t.Context(), eventOf(lease))
	require.ErrorIs(t, err, store.ErrNotFound)

	got := status(t, f.db, f.a)
	require.Equal(t, 2, got.Events)
	require.Equal(t, 1, got.Records)
	require.Equal(t, 2, got.Waiting[0].Count)
	require.Equal(t, lease.Version.At, got.Waiting[0].OldestOccurred)
}

func TestPropertiesHaveTypedColumns(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for doc, want := range map[string]string{
		`{"ListPrice":999999999999.99,"City":"Łódź","StandardStatus":"Active","BedroomsTotal":3}`: "999999999999.99|Active|Łódź|3",
		`{"ListPrice":-0.5}`:             "-0.50|||",
		`{"ListPrice":7}`:                "7.00|||",
		`{}`:                             "|||",
		`{"ListPrice":null,"City":null}`: "|||",
		`{"ListPrice":"many","BedroomsTotal":"two"}`:      "|||",
		`{"ListPrice":1.005,"BedroomsTotal":99999999999}`: "|||", // at fault, though no fault was kept
		`{"ListPrice":1000000000000.00}`:                  "|||",
		`{"ListPrice":1e3}`:                               "|||",
		`{"ListPrice":0.1,"City":"x","fault":1}`:          "|||",
	} {
		record := property(doc, 0)
		record.Key, record.Doc = uuid.NewString(), []byte(doc)
		if strings.Contains(doc, "fault") {
			record.Faults = []events.Fault{{Field: "ListPrice"}, {Field: "City"}}
		}
		mustIngest(t, f.db, f.a, record)
		got := rows[string](t, f.AdminURL,
			"SELECT concat_ws('|', coalesce(list_price::text, ''), coalesce(standard_status, ''), coalesce(city, ''), coalesce(bedrooms_total::text, '')) FROM properties WHERE record_key = $1", record.Key)
		require.Equal(t, []string{want}, got, doc)
	}
}

func TestPriorHoldsTheWatchedFieldsOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := property("k", 0)
	first.Doc = []byte(`{"ListPrice":5.10,"YearBuilt":null,"City":"x"}`)
	mustIngest(t, f.db, f.a, first)
	mustIngest(t, f.db, f.a, property("k", 1))
	require.JSONEq(t, `{"ListPrice":5.10,"YearBuilt":null}`, string(load(t, f.db, f.a, "k")["k"].Prior))

	given := property("k", 2)
	write := func(known store.Known) (store.IngestPlan, error) {
		return store.IngestPlan{Records: []store.RecordWrite{{Record: given, Event: eventOf(given), Prior: []byte(`{"ListPrice":7}`)}}}, nil
	}
	require.NoError(t, f.db.Tenant(f.a).Ingest(t.Context(), nil, []store.Ref{refOf(given)}, write))
	require.JSONEq(t, `{"ListPrice":7}`, string(load(t, f.db, f.a, "k")["k"].Prior))

	mustIngest(t, f.db, f.a, tombstone("k", 3))
	require.Nil(t, load(t, f.db, f.a, "k")["k"].Prior)
	mustIngest(t, f.db, f.a, property("k", 4))
	require.Nil(t, load(t, f.db, f.a, "k")["k"].Prior, "nothing to compare with")

	bare := property("k", 5)
	bare.Doc = []byte(`{"City":"x"}`)
	mustIngest(t, f.db, f.a, bare)
	mustIngest(t, f.db, f.a, property("k", 6))
	require.JSONEq(t, `{}`, string(load(t, f.db, f.a, "k")["k"].Prior), "it was there, without any of them")
}

func TestInvariant2RedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	kept, failed, deleted := property("kept", 2), property("failed", 2), tombstone("deleted", 2)
	work := func() {
		tenant := f.db.Tenant(f.a)
		mustIngest(t, f.db, f.a, kept, failed, deleted)
		mustIngest(t, f.db, f.a, property("kept", 0))
		require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(kept, true), verdict(failed, false)},
			append(advance(kept, events.Quality, events.Embedding), advance(failed, events.Quality, events.Indexing)...)))
		require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(kept, 1)},
			advance(kept, events.Embedding, events.Indexing)))
		require.NoError(t, tenant.Index(t.Context(), []store.IndexEntry{entry(kept, true), entry(failed, false)},
			func(context.Context, []string) error { return nil }, []store.Advance{
				{Event: eventOf(kept), From: events.Indexing, Outcome: events.Done},
				{Event: eventOf(failed), From: events.Indexing, Outcome: events.Quarantine, Reason: events.ExpectationFailed},
			}))
		require.NoError(t, tenant.SaveDeadLetters(t.Context(), []store.DeadLetter{letter("l", eventOf(deleted))}))
		require.NoError(t, f.db.Platform().CreateTenant(t.Context(), store.Tenant{ID: f.a, Name: "tenant " + f.a.String(), Lane: "a"}, store.Act{By: "test"}))
	}
	work()
	before := contents(t, f.AdminURL)
	for _, table := range []string{"progress", "properties", "raw_archive", "verdicts", "embeddings", "index_entries", "endings", "dead_letters"} {
		require.NotEmpty(t, before[table], table)
	}
	work()
	require.Equal(t, before, contents(t, f.AdminURL))
}

func TestInvariant3ARecordNeverGoesBackwards(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const versions, workers, keys = 24, 4, 5
	var wait sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wait.Go(func() { errs[w] = shuffledWork(t.Context(), f, rand.New(rand.NewPCG(7, uint64(w))), versions, keys) })
	}
	wait.Wait()
	require.NoError(t, errors.Join(errs...))

	for k := range keys {
		key, newest := fmt.Sprint("k", k), versionAt(versions-1)
		states, err := f.db.Tenant(f.a).IndexStates(t.Context(), "m", []store.Wanted{{Key: key}})
		require.NoError(t, err)
		require.Len(t, states, 1)
		state := states[0]
		require.Equal(t, newest, state.Record.Version)
		require.Contains(t, string(state.Record.Doc), fmt.Sprint(1000+versions-1))
		require.Equal(t, newest, state.Verdict.Version)
		require.Equal(t, newest, state.Embedded)
		require.Equal(t, float32(versions-1), state.Vector[0])
		require.Equal(t, newest, state.Entry.Version)
	}
	got := status(t, f.db, f.a)
	require.Equal(t, versions*keys, got.Events, "each event is counted once, whoever brought it")
}

// shuffledWork brings every version of every record through all writes, in an order of its own.
func shuffledWork(ctx context.Context, f fixture, random *rand.Rand, versions, keys int) error {
	tenant := f.db.Tenant(f.a)
	for _, n := range random.Perm(versions) {
		var records []events.Record
		var verdicts []store.Verdict
		var embeddings []store.EmbeddingWrite
		var entries []store.IndexEntry
		for _, k := range random.Perm(keys) {
			record := property(fmt.Sprint("k", k), n)
			records = append(records, record)
			verdicts = append(verdicts, verdict(record, n%3 > 0))
			embeddings = append(embeddings, embedding(record, byte(n)))
			entries = append(entries, entry(record, n%3 > 0))
		}
		err := errors.Join(
			ingest(ctx, f.db, f.a, records...),
			tenant.SaveVerdicts(ctx, verdicts, nil),
			tenant.SaveEmbeddings(ctx, "m", embeddings, nil),
			tenant.Index(ctx, entries, func(context.Context, []string) error { return nil }, nil))
		if err != nil {
			return err
		}
	}
	return nil
}

func TestInvariant3ATombstoneIsAVersion(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	mustIngest(t, f.db, f.a, property("k", 1))
	mustIngest(t, f.db, f.a, tombstone("k", 2))
	require.True(t, load(t, f.db, f.a, "k")["k"].Deleted)
	mustIngest(t, f.db, f.a, property("k", 0))
	require.True(t, load(t, f.db, f.a, "k")["k"].Deleted, "an older version does not bring it back")
	require.Nil(t, load(t, f.db, f.a, "k")["k"].Doc)
	mustIngest(t, f.db, f.a, property("k", 3))
	require.False(t, load(t, f.db, f.a, "k")["k"].Deleted, "a newer one does")
	got := status(t, f.db, f.a)
	require.Equal(t, []int{1, 0}, []int{got.Records, got.Deleted})
}

func TestIngestReportsConflict(t *testing.T) {
	t.Parallel()
	record := property("k", 1)
	for name, interfere := range map[string]events.Record{
		"the record": property("k", 2),
		"the event":  record,
	} {
		for kept, staged := range map[string][]store.Frame{"archived": nil, "staged": {frameOf(record)}} {
			t.Run(name+", raw bytes "+kept, func(t *testing.T) {
				f := newFixture(t)
				var before map[string][]string
				twice := []store.Ref{refOf(record), refOf(record)} // so that it asks what is known
				err := f.db.Tenant(f.a).Ingest(t.Context(), []uuid.UUID{eventOf(record)}, twice,
					func(known store.Known) (store.IngestPlan, error) {
						plan, err := planFor(f.a, []events.Record{record})(known)
						plan.Staged = staged
						mustIngest(t, f.db, f.a, interfere)
						before = contents(t, f.AdminURL)
						return plan, err
					})
				require.ErrorIs(t, err, store.ErrConflict)
				require.Equal(t, before, contents(t, f.AdminURL), "nothing of the plan is written")
				mustIngest(t, f.db, f.a, record)
			})
		}
	}
}

func TestIngestCommitsAllOrNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	before := contents(t, f.AdminURL)
	record := property("k", 1)
	broken := errors.New("no bucket")
	fail := func(change func(*store.IngestPlan)) error {
		return f.db.Tenant(f.a).Ingest(t.Context(), nil, nil, func(known store.Known) (store.IngestPlan, error) {
			plan, err := planFor(f.a, []events.Record{record})(known)
			change(&plan)
			return plan, err
		})
	}
	require.ErrorIs(t, fail(func(p *store.IngestPlan) {
		p.Archive = func(context.Context) ([]store.Span, error) { return nil, broken }
	}), broken)
	require.Error(t, fail(func(p *store.IngestPlan) {
		p.Archive = func(context.Context) ([]store.Span, error) { return nil, nil }
	}), "a span is missing")
	require.Error(t, fail(func(p *store.IngestPlan) { p.Staged = []store.Frame{} }), "a frame is missing")
	require.Error(t, fail(func(p *store.IngestPlan) {
		p.Archive = func(context.Context) ([]store.Span, error) {
			return []store.Span{{Key: f.b.String() + "/raw/x", Length: 1}}, nil
		}
	}), "another tenant's object")
	require.Error(t, fail(func(p *store.IngestPlan) { p.Records[0].Record.Doc = []byte(`[]`) }))
	require.Error(t, fail(func(p *store.IngestPlan) { p.Records[0].Record.Type = "castle" }))
	require.ErrorIs(t, f.db.Tenant(f.a).Ingest(t.Context(), nil, nil,
		func(store.Known) (store.IngestPlan, error) { return store.IngestPlan{}, broken }), broken)
	require.NoError(t, f.db.Tenant(f.a).Ingest(t.Context(), nil, nil,
		func(store.Known) (store.IngestPlan, error) { return store.IngestPlan{}, nil }), "nothing to do")
	require.Equal(t, before, contents(t, f.AdminURL))
	require.ErrorIs(t, ingest(t.Context(), f.db, uuid.New(), record), store.ErrNotFound, "no such tenant")
	require.NoError(t, fail(func(*store.IngestPlan) {}), "the connections are fit for use")
}

func TestOddStrings(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys := []string{strings.Repeat("k", 255), strings.Repeat("ż", 127), `'; DROP TABLE tenants; --`, `{"a",NULL}`, "NULL", "\\N", "🏠\u202e", " "}
	var records []events.Record
	for _, key := range keys {
		record := property("k", 1)
		record.Key = key
		record.Doc = []byte(`{"PublicRemarks":"\"\\ \t é 🏠 � ' $1 {}"}`)
		records = append(records, record)
	}
	mustIngest(t, f.db, f.a, records...)
	stored := load(t, f.db, f.a, keys...)
	require.Len(t, stored, len(keys))
	for _, record := range records {
		require.JSONEq(t, string(record.Doc), string(stored[record.Key].Doc))
	}
	for _, refused := range []string{"", strings.Repeat("k", 256), "a\x00b", "\xff"} {
		record := property("k", 1)
		record.Key = refused
		err := ingest(t.Context(), f.db, f.a, record)
		require.Error(t, err, "%q", refused)
		require.NotErrorIs(t, err, store.ErrUnavailable, "%q", refused)
	}
	nothing, err := f.db.Tenant(f.a).Records(t.Context(), events.Property, nil)
	require.NoError(t, err)
	require.Empty(t, nothing)
	_, err = f.db.Tenant(f.a).Records(t.Context(), "castle", []store.Wanted{{Key: "k"}})
	require.Error(t, err)
}

func TestFewEventsAreFirstTakenForNew(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plans := 0
	bring := func(tenant uuid.UUID, records ...events.Record) error {
		ids, refs := make([]uuid.UUID, len(records)), make([]store.Ref, len(records))
		for i, record := range records {
			ids[i], refs[i] = eventOf(record), refOf(record)
		}
		plans = 0
		return f.db.Tenant(tenant).Ingest(t.Context(), ids, refs, func(known store.Known) (store.IngestPlan, error) {
			plans++
			plan, err := planFor(tenant, records)(known)
			plan.Staged = []store.Frame{}
			for _, record := range records {
				if !known.Events[eventOf(record)] {
					plan.Staged = append(plan.Staged, frameOf(record))
				}
			}
			return plan, err
		})
	}
	require.NoError(t, bring(f.a, property("k", 2), property("l", 2)))
	require.Equal(t, 1, plans, "new events")
	require.NoError(t, bring(f.a, property("k", 4)))
	require.Equal(t, 1, plans, "a newer version of what is held")
	require.JSONEq(t, `{"BedroomsTotal":3,"ListPrice":1002.50,"StandardStatus":"Active"}`, string(load(t, f.db, f.a, "k")["k"].Prior))

	before := contents(t, f.AdminURL)
	require.NoError(t, bring(f.a, property("k", 4)))
	require.Equal(t, 2, plans, "a known event")
	require.Equal(t, before, contents(t, f.AdminURL), "Invariant 2")
	require.NoError(t, bring(f.a, property("k", 3)))
	require.Equal(t, 2, plans, "an older version")
	require.Equal(t, versionAt(4), load(t, f.db, f.a, "k")["k"].Version, "Invariant 3")
	require.NoError(t, bring(f.a, property("m", 1), property("k", 1)))
	require.Equal(t, 2, plans, "one new, one older")
	require.Equal(t, 6, status(t, f.db, f.a).Events)
	require.ErrorIs(t, bring(uuid.New(), property("k", 1)), store.ErrNotFound)
	require.Equal(t, 1, plans, "no such tenant")
}
