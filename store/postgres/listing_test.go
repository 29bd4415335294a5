package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// home is a property's first version with what listings narrow by.
func home(key, city, status, price string, bedrooms int) events.Record {
	return events.Record{
		Type: events.Property, Key: key, Version: versionAt(1),
		Doc: fmt.Appendf(nil, `{"BedroomsTotal":%d,"City":%q,"ListPrice":%s,"ListingKey":%q,"StandardStatus":%q}`, bedrooms, city, price, key, status),
	}
}

// listed is the keys of a whole listing, read in pages of a size.
func listed(t *testing.T, f fixture, tenant uuid.UUID, record events.RecordType, filter store.RecordFilter, pageSize int) string {
	t.Helper()
	var keys []string
	for {
		filter.Limit = pageSize
		page, err := f.db.Tenant(tenant).ListRecords(t.Context(), record, filter)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Records), pageSize)
		for _, r := range page.Records {
			keys = append(keys, r.Key)
		}
		if !page.More {
			return strings.Join(keys, " ")
		}
		filter.After = keys[len(keys)-1]
	}
}

func TestListRecordsNarrows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	handle := f.db.Tenant(f.a)
	records := []events.Record{
		home("a", "Kirkland", "Active", "450000", 3), home("b", "Kirkland", "Closed", "450000.01", 4),
		home("c", "Łódź", "Active", "99999999999.99", 0), home("d", "", "", "1", 2), home("Z", "Kirkland", "Active", "700000.5", 5),
		tombstone("gone", 1),
		{Type: events.Property, Key: "silent", Version: versionAt(1), Doc: []byte(`{"ListingKey":"silent"}`)},
	}
	mustIngest(t, f.db, f.a, records...)
	mustIngest(t, f.db, f.b, home("theirs", "Kirkland", "Active", "450000", 3))
	require.NoError(t, handle.SaveVerdicts(t.Context(), []store.Verdict{
		verdict(records[0], true), verdict(records[1], false), verdict(records[2], false),
	}, nil))
	mustIngest(t, f.db, f.a, events.Record{Type: events.Property, Key: "c", Version: versionAt(2), Doc: records[2].Doc})

	yes, no := true, false
	n := func(i int64) *int64 { return &i }
	for name, c := range map[string]struct {
		filter store.RecordFilter
		want   string
	}{
		"everything, in the order of bytes": {store.RecordFilter{}, "Z a b c d gone silent"},
		"no tombstones":                     {store.RecordFilter{Deleted: &no}, "Z a b c d silent"},
		"tombstones":                        {store.RecordFilter{Deleted: &yes}, "gone"},
		"city":                              {store.RecordFilter{City: "Kirkland"}, "Z a b"},
		"city, other script":                {store.RecordFilter{City: "Łódź"}, "c"},
		"city, exact":                       {store.RecordFilter{City: "kirkland"}, ""},
		"status":                            {store.RecordFilter{Status: "Active"}, "Z a c"},
		"a price, inclusive":                {store.RecordFilter{MinPrice: "450000", MaxPrice: "450000"}, "a"},
		"a cent more":                       {store.RecordFilter{MinPrice: "450000.01"}, "Z b c"},
		"the highest price there can be":    {store.RecordFilter{MinPrice: "99999999999.99", MaxPrice: "99999999999.99"}, "c"},
		"bedrooms":                          {store.RecordFilter{MinBedrooms: n(2), MaxBedrooms: n(3)}, "a d"},
		"no bedroom":                        {store.RecordFilter{MaxBedrooms: n(0)}, "c"},
		"in quarantine":                     {store.RecordFilter{Quarantined: &yes}, "b"},
		"not in quarantine":                 {store.RecordFilter{Quarantined: &no}, "Z a c d gone silent"},
		"in quarantine, elsewhere":          {store.RecordFilter{Quarantined: &yes, City: "Łódź"}, ""},
		"all at once": {store.RecordFilter{
			Quarantined: &no, Deleted: &no, City: "Kirkland", Status: "Active", MinPrice: "1", MaxPrice: "500000", MinBedrooms: n(1), MaxBedrooms: n(9),
		}, "a"},
		"of the future": {store.RecordFilter{UpdatedSince: time.Now().Add(time.Hour)}, ""},
		"of today":      {store.RecordFilter{UpdatedSince: time.Now().Add(-time.Hour), Deleted: &yes}, "gone"},
	} {
		for _, pageSize := range []int{1, 2, 100} {
			require.Equal(t, c.want, listed(t, f, f.a, events.Property, c.filter, pageSize), "%s, by %d", name, pageSize)
		}
	}
}

func TestListRecordsShows(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	handle := f.db.Tenant(f.a)
	record := home("a", "Kirkland", "Active", "450000.5", 3)
	mustIngest(t, f.db, f.a, record, tombstone("b", 1), home("c", "", "", "null", 1))
	require.NoError(t, handle.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, nil))

	page, err := handle.ListRecords(t.Context(), events.Property, store.RecordFilter{Limit: 3})
	require.NoError(t, err)
	require.False(t, page.More)
	full, gone, sparse := page.Records[0], page.Records[1], page.Records[2]
	require.WithinDuration(t, time.Now(), full.UpdatedAt, time.Minute)
	passed, three := true, int64(3)
	require.Equal(t, store.RecordSummary{
		Key: "a", Version: record.Version, Event: eventOf(record), UpdatedAt: full.UpdatedAt, Passed: &passed,
		ListPrice: "450000.50", Status: "Active", City: "Kirkland", Bedrooms: &three,
	}, full)
	require.True(t, gone.Deleted)
	require.Nil(t, gone.Passed)
	require.Empty(t, sparse.ListPrice)

	withDocs, err := handle.ListRecords(t.Context(), events.Property, store.RecordFilter{Limit: 2, Docs: true})
	require.NoError(t, err)
	require.True(t, withDocs.More)
	require.JSONEq(t, string(record.Doc), string(withDocs.Records[0].Doc))
	require.Nil(t, withDocs.Records[1].Doc, "a tombstone has none")

	for _, other := range events.RecordTypes[1:] {
		mustIngest(t, f.db, f.a, events.Record{Type: other, Key: "k", Version: versionAt(1), Doc: []byte(`{"ListPrice":1}`)})
		require.Equal(t, "k", listed(t, f, f.a, other, store.RecordFilter{}, 1), other)
		require.Empty(t, listed(t, f, f.b, other, store.RecordFilter{}, 1), other)
	}
	_, err = handle.ListRecords(t.Context(), "nonsense", store.RecordFilter{Limit: 1})
	require.ErrorContains(t, err, "nonsense")
}

func TestListRecordsBoundsTheDocumentsOfAPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const size = 900_000
	for i := range 20 {
		record := home(fmt.Sprintf("%02d", i), "Kirkland", "Active", "1", 1)
		record.Doc = fmt.Appendf(nil, `{"ListingKey":"%02d","PublicRemarks":"%s"}`, i, strings.Repeat("x", size))
		mustIngest(t, f.db, f.a, record)
	}
	page, err := f.db.Tenant(f.a).ListRecords(t.Context(), events.Property, store.RecordFilter{Limit: 500, Docs: true})
	require.NoError(t, err)
	require.True(t, page.More)
	require.InDelta(t, 16<<20, len(page.Records)*size, 2*size)
	require.Len(t, strings.Fields(listed(t, f, f.a, events.Property, store.RecordFilter{Docs: true}, 500)), 20, "none is left out")

	var small []events.Record
	for i := range 250 {
		small = append(small, property(fmt.Sprintf("small%03d", i), 1))
	}
	mustIngest(t, f.db, f.b, small...)
	page, err = f.db.Tenant(f.b).ListRecords(t.Context(), events.Property, store.RecordFilter{Limit: 240, Docs: true})
	require.NoError(t, err)
	require.Len(t, page.Records, 240, "however many statements that takes")
	require.True(t, page.More)
	page, err = f.db.Tenant(f.b).ListRecords(t.Context(), events.Property, store.RecordFilter{Limit: 240, Docs: true, After: "small239"})
	require.NoError(t, err)
	require.Len(t, page.Records, 10)
	require.False(t, page.More)
}

func TestRecordView(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	handle := f.db.Tenant(f.a)
	first, second := home("a/b ?%", "Kirkland", "Active", "450000.5", 3), home("a/b ?%", "Kirkland", "Active", "460000", 3)
	second.Version = versionAt(2)
	second.Faults = []events.Fault{{Field: "YearBuilt", Must: "a whole number", Observed: `"old"`}}
	mustIngest(t, f.db, f.a, first)
	require.NoError(t, handle.SaveVerdicts(t.Context(), []store.Verdict{verdict(first, true)}, nil))
	require.NoError(t, handle.Index(t.Context(), []store.IndexEntry{entry(first, true)}, func(context.Context, []string) error { return nil }, nil))
	mustIngest(t, f.db, f.a, second)
	ref := refOf(first)

	view, err := handle.RecordView(t.Context(), ref, 1)
	require.NoError(t, err)
	require.Equal(t, second.Version, view.Record.Version)
	require.JSONEq(t, string(second.Doc), string(view.Record.Doc))
	require.Equal(t, second.Faults, view.Record.Faults)
	require.Equal(t, eventOf(second), view.Event)
	require.Equal(t, first.Version, view.Verdict.Version, "the newest is not judged yet")
	require.Equal(t, entry(first, true), view.Indexed.IndexEntry)
	require.WithinDuration(t, time.Now(), view.Indexed.IndexedAt, time.Minute)
	require.True(t, view.History.More)
	require.Equal(t, eventOf(second), view.History.Events[0].Event)
	require.Equal(t, events.Quality, view.History.Events[0].Waiting)

	_, err = f.db.Tenant(f.b).RecordView(t.Context(), ref, 1)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = handle.RecordView(t.Context(), store.Ref{Type: events.Lease, Key: ref.Key}, 1)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = handle.RecordView(t.Context(), store.Ref{Type: "nonsense"}, 1)
	require.ErrorContains(t, err, "nonsense")
}

func TestRecordHistory(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	handle := f.db.Tenant(f.a)
	const versions = 7
	var want []uuid.UUID
	for i := range versions {
		record := property("k", i)
		mustIngest(t, f.db, f.a, record)
		want = append([]uuid.UUID{eventOf(record)}, want...)
	}
	stale := property("k", versions-2)
	stale.Version.Sequence += 100 // of a second that has passed
	stale.Version.At = epoch
	mustIngest(t, f.db, f.a, stale)
	want = append([]uuid.UUID{eventOf(stale)}, want...)
	lease := events.Record{Type: events.Lease, Key: "k", Version: versionAt(1), Doc: []byte(`{}`)}
	mustIngest(t, f.db, f.a, lease, property("other", 1))
	ref := refOf(stale)

	for _, pageSize := range []int{1, 3, versions + 1} {
		var got []store.RecordEvent
		for cursor := (store.EventCursor{}); ; {
			page, err := handle.RecordHistory(t.Context(), ref, cursor, pageSize)
			require.NoError(t, err)
			got = append(got, page.Events...)
			if !page.More {
				break
			}
			last := got[len(got)-1]
			cursor = store.EventCursor{AcceptedAt: last.AcceptedAt, Event: last.Event}
		}
		ids := make([]uuid.UUID, len(got))
		for i, event := range got {
			ids[i] = event.Event
		}
		require.Equal(t, want, ids)
		require.Equal(t, events.Stale, got[0].Outcome)
		require.Equal(t, events.Ingestion, got[0].EndedIn)
		require.False(t, got[0].FinishedAt.IsZero())
		require.Equal(t, versionAt(versions-1), got[1].Version)
	}
	_, err := f.db.Tenant(f.b).RecordHistory(t.Context(), ref, store.EventCursor{}, 1)
	require.ErrorIs(t, err, store.ErrNotFound)

	newest, err := handle.EventOfRecord(t.Context(), ref, uuid.Nil)
	require.NoError(t, err)
	require.Equal(t, want[1], newest)
	one, err := handle.EventOfRecord(t.Context(), ref, want[3])
	require.NoError(t, err)
	require.Equal(t, want[3], one)
	for name, id := range map[string]uuid.UUID{"another record's": eventOf(property("other", 1)), "another type's": eventOf(lease), "nobody's": uuid.New()} {
		_, err = handle.EventOfRecord(t.Context(), ref, id)
		require.ErrorIs(t, err, store.ErrNotFound, name)
	}
	_, err = f.db.Tenant(f.b).EventOfRecord(t.Context(), ref, want[3])
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = f.db.Tenant(f.b).EventOfRecord(t.Context(), ref, uuid.Nil)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A record with more faults than are kept may hold any text in any field. What a listing narrows by must not keep it
// from being stored.
func TestTextsThatNoIndexTakesAreNoObstacle(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	record := home("k", strings.Repeat("長い", 100_000), strings.Repeat("x", 100_000), "1", 1)
	mustIngest(t, f.db, f.a, record)
	require.Equal(t, "k", listed(t, f, f.a, events.Property, store.RecordFilter{}, 1))
}
