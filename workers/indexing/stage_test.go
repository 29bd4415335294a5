package indexing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tenant      = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	otherTenant = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

const model = "fake@1"

// fakeRecords is one tenant's Postgres: it grants an entry that is newer than the one it holds, or says otherwise.
type fakeRecords struct {
	states   map[string]store.IndexState
	entries  map[string]store.IndexEntry
	asked    [][]store.Wanted
	granted  []string
	advances []store.Advance

	failLoad, failIndex error
}

func (f *fakeRecords) IndexStates(_ context.Context, of string, wanted []store.Wanted) ([]store.IndexState, error) {
	f.asked = append(f.asked, wanted)
	var found []store.IndexState
	for _, w := range wanted {
		if state, ok := f.states[w.Key]; ok && of == model {
			found = append(found, state)
		}
	}
	return found, f.failLoad
}

func (f *fakeRecords) Index(
	ctx context.Context, entries []store.IndexEntry, apply func(ctx context.Context, granted []string) error, advances []store.Advance,
) error {
	if f.failIndex != nil {
		return f.failIndex
	}
	after := maps.Clone(f.entries)
	f.granted = nil
	for _, entry := range entries {
		held, ok := f.entries[entry.Key]
		if ok && (held == entry || held.Version.Compare(entry.Version) > 0) {
			continue
		}
		after[entry.Key] = entry
		f.granted = append(f.granted, entry.Key)
	}
	if len(f.granted) > 0 {
		if err := apply(ctx, f.granted); err != nil {
			return fmt.Errorf("index: %w", err)
		}
	}
	f.entries, f.advances = after, advances
	return nil
}

// fakePoints is one tenant's vector store.
type fakePoints struct {
	mu      sync.Mutex
	points  map[string]store.Point
	upserts int
	deleted []string
	fail    error
}

func (f *fakePoints) Upsert(_ context.Context, points []store.Point) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.upserts++
	for _, point := range points {
		f.points[point.Key] = point
	}
	return f.fail
}

func (f *fakePoints) Delete(_ context.Context, keys []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deleted = append(f.deleted, keys...)
	for _, key := range keys {
		delete(f.points, key)
	}
	return f.fail
}

func (f *fakePoints) keys() []string { return slices.Sorted(maps.Keys(f.points)) }

// bench is the stage on fakes.
type bench struct {
	records *fakeRecords
	points  *fakePoints
	times   fakeTimes
	stage   *Stage
}

// fakeTimes keeps what was noted as searchable: tenant, lane and key.
type fakeTimes struct{ noted []string }

func (f *fakeTimes) Searchable(tenant uuid.UUID, lane string, step events.Step) {
	f.noted = append(f.noted, fmt.Sprintf("%s %s %s", tenant, lane, step.Key))
}

func newBench(t *testing.T, states ...store.IndexState) *bench {
	b := &bench{
		records: &fakeRecords{states: map[string]store.IndexState{}, entries: map[string]store.IndexEntry{}},
		points:  &fakePoints{points: map[string]store.Point{}},
	}
	for _, state := range states {
		b.records.states[state.Record.Ref.Key] = state
	}
	b.stage = New(
		func(id uuid.UUID) Records { require.Equal(t, tenant, id); return b.records },
		func(id uuid.UUID) Points { require.Equal(t, tenant, id); return b.points },
		model, &b.times,
	)
	return b
}

func (b *bench) process(t *testing.T, batch ...workers.Message) []workers.Result {
	t.Helper()
	results, err := b.stage.Process(t.Context(), tenant, batch)
	require.NoError(t, err)
	require.Len(t, results, len(batch))
	return results
}

func version(sequence int64) events.Version {
	return events.NewVersion(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), sequence)
}

// held is a record at a sequence, neither judged nor embedded.
func held(key string, sequence int64) store.IndexState {
	return store.IndexState{Record: store.StoredRecord{
		Ref: store.Ref{Type: events.Property, Key: key}, Version: version(sequence), Doc: []byte(`{"City":"Kirkland"}`),
	}}
}

func removed(key string, sequence int64) store.IndexState {
	state := held(key, sequence)
	state.Record.Deleted, state.Record.Doc = true, nil
	return state
}

func judged(state store.IndexState, sequence int64, passed bool) store.IndexState {
	state.Verdict = &store.Verdict{Ref: state.Record.Ref, Version: version(sequence), Passed: passed}
	return state
}

func embedded(state store.IndexState, sequence int64) store.IndexState {
	state.Embedded, state.Vector = version(sequence), []float32{1, 0}
	return state
}

// live is a record that search must find; quarantined is one that it must not.
func live(key string, sequence int64) store.IndexState {
	return embedded(judged(held(key, sequence), sequence, true), sequence)
}

func quarantined(key string, sequence int64) store.IndexState {
	return embedded(judged(held(key, sequence), sequence, false), sequence-1)
}

// said is another stage's word about a record at a sequence; each is another accepted event.
func said(t *testing.T, verb events.Verb, key string, sequence int64) workers.Message {
	t.Helper()
	v := version(sequence)
	step := events.Step{
		RecordType: events.Property, Key: key, VersionAt: v.At, VersionSeq: v.Sequence,
		Origin: uuid.NewSHA1(tenant, fmt.Appendf(nil, "%s %d", key, sequence)),
	}
	m, err := workers.Steps{}.Accept(workers.Delivery{
		Lane: "a",
		Raw:  step.Event(events.Embedding, verb, events.Event{ID: "cause", TenantID: tenant}).Message(),
	})
	require.NoError(t, err)
	return m
}

func TestIndexHoldsWhatPassedAtItsNewestVersion(t *testing.T) {
	for name, c := range map[string]struct {
		state   store.IndexState
		present bool
		err     error
	}{
		"passed and embedded":             {state: live("K", 2), present: true},
		"deleted":                         {state: removed("K", 2)},
		"deleted after it passed":         {state: embedded(judged(removed("K", 2), 1, true), 1)},
		"quarantined, never embedded":     {state: judged(held("K", 2), 2, false)},
		"quarantined, embedded before":    {state: quarantined("K", 2)},
		"quarantined after it passed":     {state: embedded(judged(held("K", 2), 2, false), 2)},
		"neither judged nor embedded":     {state: held("K", 2), err: errUndecided},
		"judged older":                    {state: embedded(judged(held("K", 2), 1, true), 2), err: errUndecided},
		"quarantined at an older version": {state: judged(held("K", 2), 1, false), err: errUndecided},
		"passed, not embedded":            {state: judged(held("K", 2), 2, true), err: errUndecided},
		"passed, embedded older":          {state: embedded(judged(held("K", 2), 2, true), 1), err: errUndecided},
		"embedded, not judged":            {state: embedded(held("K", 2), 2), err: errUndecided},
		"passed, embedded by another model": {state: func() store.IndexState {
			state := live("K", 2)
			state.Vector = nil
			return state
		}(), err: errUndecided},
	} {
		t.Run(name, func(t *testing.T) {
			entry, err := decide(c.state)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, store.IndexEntry{Key: "K", Version: version(2), Present: c.present}, entry)
		})
	}
}

func TestBatchSplitsIntoUpsertsAndDeletes(t *testing.T) {
	b := newBench(t, live("A", 1), removed("B", 1), quarantined("C", 1), live("D", 1))
	batch := []workers.Message{
		said(t, events.Embedded, "A", 1), said(t, events.Removed, "B", 1), said(t, events.Quarantined, "C", 1), said(t, events.Embedded, "D", 1),
	}
	results := b.process(t, batch...)
	require.Equal(t, []string{"A", "D"}, b.points.keys())
	require.Equal(t, 1, b.points.upserts)
	require.ElementsMatch(t, []string{"B", "C"}, b.points.deleted)
	require.Equal(t, version(1), b.points.points["A"].Version)
	require.Equal(t, []float32{1, 0}, b.points.points["A"].Vector)
	require.Equal(t, "Kirkland", b.points.points["A"].Payload.City)

	for i, verb := range []events.Verb{events.Indexed, events.Unindexed, events.Unindexed, events.Indexed} {
		require.Equal(t, events.Done, results[i].Outcome)
		require.Len(t, results[i].Outputs, 1)
		require.Equal(t, events.Type(events.Property, verb), results[i].Outputs[0].Type)
		require.Equal(t, tenant, results[i].Outputs[0].TenantID)
	}
	ended := func(i int, outcome events.Outcome, reason events.Reason) store.Advance {
		return store.Advance{Event: batch[i].Step.Origin, From: events.Indexing, Outcome: outcome, Reason: reason}
	}
	require.Equal(t, []store.Advance{
		ended(0, events.Done, ""), ended(1, events.Done, ""), ended(2, events.Quarantine, events.ExpectationFailed), ended(3, events.Done, ""),
	}, b.records.advances)
	require.Equal(t, []string{tenant.String() + " a A", tenant.String() + " a D"}, b.times.noted, "what search has lost is not searchable")
}

func TestInvariant3WhatIsNotGrantedIsNotApplied(t *testing.T) {
	b := newBench(t, live("A", 1), live("B", 1), removed("C", 1))
	b.records.entries["B"] = store.IndexEntry{Key: "B", Version: version(2)} // another worker has removed it since
	b.records.entries["C"] = store.IndexEntry{Key: "C", Version: version(2), Present: true}
	results := b.process(t, said(t, events.Embedded, "A", 1), said(t, events.Embedded, "B", 1), said(t, events.Removed, "C", 1))
	require.Equal(t, []string{"A"}, b.points.keys())
	require.Empty(t, b.points.deleted)
	require.Len(t, results, 3)
	require.Len(t, b.records.advances, 3, "Invariant 6: every event ends")
}

func TestInvariant2RedeliveryChangesNothingAndIsForwardedAgain(t *testing.T) {
	b := newBench(t, live("A", 1))
	m := said(t, events.Embedded, "A", 1)
	first := b.process(t, m, m)
	require.Equal(t, [][]store.Wanted{{{Key: "A", Event: m.Step.Origin}}}, b.records.asked)
	require.Equal(t, []string{"A"}, b.records.granted)
	again := b.process(t, m)
	require.Empty(t, b.records.granted)
	require.Equal(t, 1, b.points.upserts)
	for _, result := range append(first, again...) {
		require.Equal(t, first[0].Outputs[0].ID, result.Outputs[0].ID)
	}
	require.Equal(t, []string{tenant.String() + " a A"}, b.times.noted, "it has become searchable once")
}

func TestInvariant3QuarantineTakesTheVersionBeforeOutOfTheSearch(t *testing.T) {
	b := newBench(t, live("A", 1))
	b.process(t, said(t, events.Embedded, "A", 1))
	require.Equal(t, []string{"A"}, b.points.keys())
	b.records.states["A"] = quarantined("A", 2)
	overtaken, now := said(t, events.Embedded, "A", 1), said(t, events.Quarantined, "A", 2)
	results := b.process(t, overtaken, now)
	require.Equal(t, workers.Stale(events.Superseded), results[0])
	require.Empty(t, b.points.keys())
	require.Equal(t, []store.Advance{
		{Event: overtaken.Step.Origin, From: events.Indexing, Outcome: events.Stale, Reason: events.Superseded},
		{Event: now.Step.Origin, From: events.Indexing, Outcome: events.Quarantine, Reason: events.ExpectationFailed},
	}, b.records.advances)
}

func TestRecordThatIsNotStoredIsDead(t *testing.T) {
	b := newBench(t, live("older", 1), live("good", 1))
	results := b.process(t, said(t, events.Embedded, "unknown", 1), said(t, events.Embedded, "older", 2), said(t, events.Embedded, "good", 1))
	for _, result := range results[:2] {
		require.Equal(t, events.Dead, result.Outcome)
		require.Equal(t, events.RecordMissing, result.Reason)
		require.Empty(t, result.Outputs)
	}
	require.Equal(t, events.Done, results[2].Outcome)
	require.Equal(t, []string{"good"}, b.points.keys())
	require.Len(t, b.records.advances, 1, "the dead letter ends an event that died, nobody else")
}

func TestErrorsPassThroughAndNothingAdvances(t *testing.T) {
	unavailable := fmt.Errorf("dial: %w", store.ErrUnavailable)
	for name, c := range map[string]struct {
		prepare func(*bench)
		err     error
	}{
		"load":       {func(b *bench) { b.records.failLoad = unavailable }, store.ErrUnavailable},
		"index":      {func(b *bench) { b.records.failIndex = unavailable }, store.ErrUnavailable},
		"points":     {func(b *bench) { b.points.fail = unavailable }, store.ErrUnavailable},
		"undecided":  {func(b *bench) { b.records.states["B"] = held("B", 1) }, errUndecided},
		"unreadable": {func(b *bench) { b.records.states["A"] = unreadable("A") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, live("A", 1), removed("B", 1))
			c.prepare(b)
			_, err := b.stage.Process(t.Context(), tenant, []workers.Message{said(t, events.Embedded, "A", 1), said(t, events.Removed, "B", 1)})
			require.Error(t, err)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			}
			require.Empty(t, b.records.entries)
			require.Empty(t, b.records.advances)
			require.Empty(t, b.times.noted)
		})
	}
}

func unreadable(key string) store.IndexState {
	state := live(key, 1)
	state.Record.Doc = []byte(`[]`)
	return state
}

func TestPayloadOfARichRecord(t *testing.T) {
	state := live("K", 3)
	state.Record.Doc = []byte(`{"StandardStatus":"Active","ListPrice":450000.50,"BedroomsTotal":3,"BathroomsTotalInteger":2,
		"LivingArea":100,"LivingAreaUnits":"Square Meters","YearBuilt":1955,"StreetNumber":"9824","StreetName":"Rainier",
		"StreetSuffix":"Ave","UnitNumber":"4","City":"Seattle","StateOrProvince":"WA","PostalCode":"98118","Latitude":47.5112,
		"Longitude":-122.257}`)
	got, err := point(state)
	require.NoError(t, err)
	require.InDelta(t, 1076.39, *got.Payload.LivingArea, 0.01, "square feet, whatever units it came in")
	got.Payload.LivingArea = nil
	require.Equal(t, store.Point{
		Key: "K", Version: version(3), Vector: []float32{1, 0},
		Payload: store.Payload{
			Address: "9824 Rainier Ave #4, Seattle, WA 98118", City: "Seattle", PostalCode: "98118", Status: "Active",
			ListPrice: new(450000.50), Bedrooms: new(int64(3)), Bathrooms: new(int64(2)), YearBuilt: new(int64(1955)),
			Latitude: new(47.5112), Longitude: new(-122.257),
		},
	}, got)
}

func TestPayloadSaysNothingThatTheRecordDoesNot(t *testing.T) {
	for name, doc := range map[string]string{
		"empty":          `{}`,
		"null":           `{"ListPrice":null,"City":null,"BedroomsTotal":null}`,
		"of other types": `{"ListPrice":"much","BedroomsTotal":2.5,"City":7,"Latitude":{},"StandardStatus":""}`,
	} {
		t.Run(name, func(t *testing.T) {
			state := live("K", 1)
			state.Record.Doc = []byte(doc)
			got, err := point(state)
			require.NoError(t, err)
			require.Equal(t, store.Payload{}, got.Payload)
		})
	}
	state := live("K", 1)
	state.Record.Doc = []byte(`{"BedroomsTotal":0,"ListPrice":0}`)
	got, err := point(state)
	require.NoError(t, err)
	require.Equal(t, store.Payload{Bedrooms: new(int64(0)), ListPrice: new(0.0)}, got.Payload, "nought is something to say")
}

// pages is the platform's live index.
type pages []struct {
	tenant uuid.UUID
	states []store.IndexState
}

func (p pages) LiveIndex(_ context.Context, of string, page func(uuid.UUID, []store.IndexState) error) error {
	if of != model {
		return errors.New("a foreign model")
	}
	for _, one := range p {
		if err := page(one.tenant, one.states); err != nil {
			return err
		}
	}
	return nil
}

func TestInvariant4RebuildFillsEachTenantsPoints(t *testing.T) {
	all := pages{
		{tenant, []store.IndexState{live("A", 1), live("B", 2)}},
		{tenant, []store.IndexState{live("C", 1)}},
		{otherTenant, []store.IndexState{live("A", 7)}},
	}
	held := map[uuid.UUID]*fakePoints{
		tenant: {points: map[string]store.Point{}}, otherTenant: {points: map[string]store.Point{}},
	}
	points := func(id uuid.UUID) Points { return held[id] }
	require.NoError(t, Rebuild(t.Context(), all, points, model))
	require.Equal(t, []string{"A", "B", "C"}, held[tenant].keys())
	require.Equal(t, version(1), held[tenant].points["A"].Version)
	require.Equal(t, []string{"A"}, held[otherTenant].keys())
	require.Equal(t, version(7), held[otherTenant].points["A"].Version)
	require.Equal(t, "Kirkland", held[otherTenant].points["A"].Payload.City)
}

func TestRebuildStopsAtAnError(t *testing.T) {
	points := &fakePoints{points: map[string]store.Point{}, fail: store.ErrUnavailable}
	handle := func(uuid.UUID) Points { return points }
	require.ErrorIs(t, Rebuild(t.Context(), pages{{tenant, []store.IndexState{live("A", 1)}}, {tenant, []store.IndexState{live("B", 1)}}}, handle, model),
		store.ErrUnavailable)
	require.Equal(t, 1, points.upserts)
	require.ErrorContains(t, Rebuild(t.Context(), pages{{tenant, []store.IndexState{unreadable("A")}}}, handle, model), `read record "A"`)
}
