package postgres_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const model = "m"

var operator = store.Act{By: "ann", Why: "suite 8"}

// applied is a side effect that nobody needs.
func applied(context.Context, []string) error { return nil }

// mustFinish brings properties to the end of the pipeline: judged, and where they passed, embedded and indexed.
func mustFinish(t testing.TB, f fixture, tenant uuid.UUID, passed bool, records ...events.Record) {
	t.Helper()
	handle := f.db.Tenant(tenant)
	mustIngest(t, f.db, tenant, records...)
	for _, record := range records {
		require.NoError(t, handle.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, passed)}, nil))
		if passed {
			require.NoError(t, handle.SaveEmbeddings(t.Context(), model, []store.EmbeddingWrite{embedding(record, 1)}, nil))
		}
		require.NoError(t, handle.Index(t.Context(), []store.IndexEntry{entry(record, passed)}, applied, []store.Advance{
			{Event: eventOf(record), From: events.Indexing, Outcome: events.Done},
		}))
	}
}

func selecting(stage events.Stage) store.RerunSelection {
	return store.RerunSelection{Stage: stage, Model: model}
}

func itemKeys(items []store.RunItem) (keys []string) {
	for _, item := range items {
		keys = append(keys, string(item.Ref.Type)+" "+item.Ref.Key)
	}
	return keys
}

// stored makes one record of each fate: passed, quarantined, deleted, passed and not embedded, not judged; and a lease.
func stored(t testing.TB, f fixture) {
	t.Helper()
	mustFinish(t, f, f.a, true, property("passed", 1))
	mustFinish(t, f, f.a, false, property("failed", 1))
	mustIngest(t, f.db, f.a, property("gone", 0))
	mustIngest(t, f.db, f.a, tombstone("gone", 1))
	mustIngest(t, f.db, f.a, property("judged", 1), property("new", 1))
	require.NoError(t, f.db.Tenant(f.a).SaveVerdicts(t.Context(), []store.Verdict{verdict(property("judged", 1), true), verdict(property("new", 0), false)}, nil))
	mustIngest(t, f.db, f.a, events.Record{Type: events.Lease, Key: "lease", Version: versionAt(1), Doc: []byte(`{"Rent":"12.50"}`)})
}

func TestASelectionIsWhatAStageCanWorkOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stored(t, f)
	all := []string{"property failed", "property gone", "property judged", "property new", "property passed", "lease lease"}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(names, name) })
	}
	for stage, want := range map[events.Stage]struct {
		keys    []string
		leftOut map[string]int64
	}{
		events.Ingestion: {all, map[string]int64{}},
		events.Quality:   {without("property gone"), map[string]int64{store.SkipDeleted: 1}},
		events.Embedding: {[]string{"property judged", "property passed"}, map[string]int64{store.SkipDeleted: 1, store.SkipNotPassed: 2}},
		events.Indexing:  {[]string{"property failed", "property gone", "property passed"}, map[string]int64{store.SkipNotEmbedded: 2}},
	} {
		preview, err := f.db.Tenant(f.a).PreviewRerun(t.Context(), selecting(stage))
		require.NoError(t, err, stage)
		require.Equal(t, want.keys, itemKeys(preview.Sample), stage)
		require.EqualValues(t, len(want.keys), preview.Selected, stage)
		require.Equal(t, want.leftOut, preview.LeftOut, stage)
	}
	preview, err := f.db.Tenant(f.b).PreviewRerun(t.Context(), selecting(events.Ingestion))
	require.NoError(t, err)
	require.Zero(t, preview.Selected, "another tenant's")
}

func TestASelectionIsNarrowed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	stored(t, f)
	yes, no := true, false
	long, soon := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	for name, test := range map[string]struct {
		narrow func(*store.RerunSelection)
		want   []string
	}{
		"type":  {func(s *store.RerunSelection) { s.Types = []events.RecordType{events.Lease} }, []string{"lease lease"}},
		"keys":  {func(s *store.RerunSelection) { s.Keys = []string{"passed", "absent", "lease", "passed"} }, []string{"property passed", "lease lease"}},
		"since": {func(s *store.RerunSelection) { s.Since = soon }, nil},
		"until": {func(s *store.RerunSelection) { s.Until = long }, nil},
		"field": {func(s *store.RerunSelection) {
			s.Fields = map[string]string{"ListPrice": "1001.50"}
			s.Keys = []string{"new"}
		}, []string{"property new"}},
		"fields":         {func(s *store.RerunSelection) { s.Fields = map[string]string{"City": "Łódź", "ListPrice": "7"} }, nil},
		"number as text": {func(s *store.RerunSelection) { s.Fields = map[string]string{"Rent": "12.50"} }, []string{"lease lease"}},
		"quarantined":    {func(s *store.RerunSelection) { s.Passed = &no }, []string{"property failed"}},
		"passed":         {func(s *store.RerunSelection) { s.Passed = &yes }, []string{"property judged", "property passed"}},
		"passed by key":  {func(s *store.RerunSelection) { s.Passed, s.Keys = &yes, []string{"failed", "judged"} }, []string{"property judged"}},
		"since and until": {func(s *store.RerunSelection) {
			s.Since, s.Until, s.Types = long, soon, []events.RecordType{events.Lease}
		}, []string{"lease lease"}},
	} {
		selection := selecting(events.Quality)
		test.narrow(&selection)
		preview, err := f.db.Tenant(f.a).PreviewRerun(t.Context(), selection)
		require.NoError(t, err, name)
		require.Equal(t, test.want, itemKeys(preview.Sample), name)
	}
}

func TestAPlanIsFrozenWithItsDigest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	var records []events.Record
	for i := range 2100 { // more than a page
		records = append(records, property(fmt.Sprintf("k%04d", i), 1))
	}
	mustIngest(t, f.db, f.a, records...)
	run := store.Run{ID: uuid.NewString(), Source: "test", RunWork: store.RunWork{Rate: 5, Canary: 10, StopAbove: 0.1, Ticket: "T-1"}}
	planned, err := tenant.PlanRerun(t.Context(), run, selecting(events.Quality), operator)
	require.NoError(t, err)
	require.Equal(t, store.RunPlanned, planned.State)
	require.EqualValues(t, 2100, planned.Selected)
	require.EqualValues(t, 2100, planned.Left())
	require.Equal(t, []any{store.RerunRun, "ann", "suite 8", "T-1", 5.0, int64(10), 0.1}, []any{
		planned.Kind, planned.By, planned.Why, planned.Ticket, planned.Rate, planned.Canary, planned.StopAbove,
	})
	require.JSONEq(t, `{"stage":"quality","model":"m"}`, string(planned.Selection))

	items, err := tenant.RunItems(t.Context(), run.ID, "", 0, 3000)
	require.NoError(t, err)
	require.Len(t, items, 2100)
	require.Equal(t, []any{int64(1), eventOf(records[0]), records[0].Version, store.ItemSelected, events.Quality}, []any{
		items[0].Ordinal, items[0].Cause, items[0].Version, items[0].State, items[0].Stage,
	})
	require.Equal(t, store.RunEvent(run.ID, f.a, items[7]), items[7].Event, "derived")
	ids := make([]string, len(items))
	for i, item := range items {
		ids[i] = string(item.Event[:])
	}
	slices.Sort(ids)
	require.Len(t, slices.Compact(slices.Clone(ids)), 2100)
	digest := sha256.New()
	for _, id := range ids {
		digest.Write([]byte(id))
	}
	require.Equal(t, digest.Sum(nil), planned.Digest)

	_, err = tenant.PlanRerun(t.Context(), run, selecting(events.Quality), operator)
	require.ErrorIs(t, err, store.ErrExists)
	run.ID = uuid.NewString()
	none := selecting(events.Quality)
	none.Keys = []string{"absent"}
	_, err = tenant.PlanRerun(t.Context(), run, none, operator)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = tenant.Run(t.Context(), run.ID)
	require.ErrorIs(t, err, store.ErrNotFound, "nothing is kept")

	entries, err := tenant.AuditLog(t.Context(), store.AuditFilter{Action: store.RunPlannedAct})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, []string{"ann", "suite 8", planned.ID}, []string{entries[0].Actor, entries[0].Why, entries[0].Subject})
	require.Contains(t, string(entries[0].Details), fmt.Sprintf("%x", planned.Digest))
}

// pagesOf is a plan's items as they come.
func pagesOf(pages ...[]store.RunItem) iter.Seq2[[]store.RunItem, error] {
	return func(yield func([]store.RunItem, error) bool) {
		for _, page := range pages {
			if !yield(page, nil) {
				return
			}
		}
	}
}

func TestAPlanOfLettersKeepsWhatIsNotEligible(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	unread := store.RunItem{Letter: uuid.New(), Stage: events.Ingestion}
	overtaken := store.RunItem{Letter: uuid.New(), Stage: events.Quality, State: store.ItemSkipped, Reason: "overtaken"}
	run := store.Run{ID: uuid.NewString(), Kind: store.ReplayRun, RunWork: store.RunWork{Selection: []byte(`{"model":"m"}`)}}
	planned, err := tenant.PlanRun(t.Context(), run, pagesOf([]store.RunItem{unread}, nil, []store.RunItem{overtaken}), operator)
	require.NoError(t, err)
	require.EqualValues(t, 2, planned.Selected)
	require.EqualValues(t, 1, planned.Skipped)
	require.EqualValues(t, 1, planned.Left())
	items, err := tenant.RunItems(t.Context(), run.ID, store.ItemSkipped, 0, 10)
	require.NoError(t, err)
	require.Len(t, items, 1)
	require.Equal(t, []any{overtaken.Letter, "overtaken", int64(2)}, []any{items[0].Letter, items[0].Reason, items[0].Ordinal})

	run.ID = uuid.NewString()
	_, err = tenant.PlanRun(t.Context(), run, pagesOf([]store.RunItem{overtaken}), operator)
	require.ErrorIs(t, err, store.ErrNotFound)
}
