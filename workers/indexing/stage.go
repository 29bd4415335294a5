// Package indexing is the last stage of a property's way: it makes the search index agree with what Postgres holds.
package indexing

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Records is a tenant's part of Postgres, as this stage needs it.
type Records interface {
	// IndexStates loads everything that decides whether search may find the properties that exist.
	IndexStates(ctx context.Context, model string, wanted []store.Wanted) ([]store.IndexState, error)
	// Index writes entries under their version guard, calls apply with the keys that changed while their rows are
	// locked, and commits with the advances when apply succeeded. apply is not called for no keys.
	Index(ctx context.Context, entries []store.IndexEntry, apply func(ctx context.Context, granted []string) error, advances []store.Advance) error
}

// Points is a tenant's part of the vector store, as this stage needs it.
type Points interface {
	Upsert(ctx context.Context, points []store.Point) error
	Delete(ctx context.Context, keys []string) error
}

// Times measures how long events take.
type Times interface {
	// Searchable notes that search finds now what an event brought, and has not found it before.
	Searchable(tenant uuid.UUID, lane string, step events.Step)
}

// Stage is the indexing stage.
type Stage struct {
	workers.Steps
	records func(tenant uuid.UUID) Records
	points  func(tenant uuid.UUID) Points
	model   string
	times   Times
}

// New makes the stage for the vectors of one model. Both functions hand out tenant-bound handles.
func New(records func(uuid.UUID) Records, points func(uuid.UUID) Points, model string, times Times) *Stage {
	return &Stage{records: records, points: points, model: model, times: times}
}

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Indexing }

// Process implements workers.Stage.
func (s *Stage) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	records := s.records(tenant)
	loaded, err := records.IndexStates(ctx, s.model, workers.Wanted(batch))
	if err != nil {
		return nil, err
	}
	states := make(map[string]store.IndexState, len(loaded))
	for _, state := range loaded {
		states[state.Record.Ref.Key] = state
	}
	results := make([]workers.Result, len(batch))
	advances := workers.NewAdvances(s.Name())
	entries := make(map[string]store.IndexEntry, len(batch))
	for i, m := range batch {
		state, ok := states[m.Step.Key]
		switch {
		case !ok || state.Record.Version.Compare(m.Step.Version()) < 0:
			results[i] = workers.Missing(m)
			continue
		case state.Record.Version.Compare(m.Step.Version()) > 0:
			results[i] = advances.Supersede(m)
			continue
		}
		entry, err := decide(state)
		if err != nil {
			return nil, err
		}
		entries[entry.Key] = entry
		results[i] = s.conclude(m, state, entry, advances)
	}
	list := make([]store.IndexEntry, 0, len(entries))
	for _, entry := range entries {
		list = append(list, entry)
	}
	apply, changed := s.apply(tenant, states, entries), map[string]bool{}
	err = records.Index(ctx, list, func(ctx context.Context, granted []string) error {
		clear(changed) // the transaction may be tried again
		for _, key := range granted {
			changed[key] = true
		}
		return apply(ctx, granted)
	}, advances.List())
	if err != nil {
		return results, err
	}
	for i, m := range batch { // what search had found before is not found only now: an event that comes again
		if results[i].Outcome == events.Done && changed[m.Step.Key] && entries[m.Step.Key].Present {
			s.times.Searchable(tenant, m.Lane, m.Step)
			delete(changed, m.Step.Key)
		}
	}
	return results, nil
}

// errUndecided says that a property is neither judged nor embedded at its newest version, though an event says so.
var errUndecided = errors.New("newest version is neither deleted, quarantined nor embedded")

// decide says what the index must hold of a property. It looks at the stores' state alone, so that whatever event
// asks, and however often, the answer is the same.
//
// A quarantined version takes the record out of the search: what users find has passed at its newest version.
func decide(state store.IndexState) (store.IndexEntry, error) {
	version := state.Record.Version
	entry := store.IndexEntry{Key: state.Record.Ref.Key, Version: version}
	judged := state.Verdict != nil && state.Verdict.Version.Compare(version) == 0
	switch {
	case state.Record.Deleted, judged && !state.Verdict.Passed:
		return entry, nil
	case judged && state.Vector != nil && state.Embedded.Compare(version) == 0:
		entry.Present = true
		return entry, nil
	}
	return entry, fmt.Errorf("index %q: %w", entry.Key, errUndecided)
}

// conclude ends a message's event and says what search finds now.
func (s *Stage) conclude(m workers.Message, state store.IndexState, entry store.IndexEntry, advances *workers.Advances) workers.Result {
	verb := events.Indexed
	if !entry.Present {
		verb = events.Unindexed
	}
	result := workers.Done(m.Step.Event(s.Name(), verb, m.Event))
	outcome, reason := events.Done, events.Reason("")
	if !entry.Present && !state.Record.Deleted {
		outcome, reason = events.Quarantine, events.ExpectationFailed
	}
	advances.End(m, outcome, reason)
	return result
}

// apply carries the granted entries into the vector store.
//
// Invariant 3: it runs while Postgres holds the rows that granted them, so the index cannot end on an older version.
func (s *Stage) apply(tenant uuid.UUID, states map[string]store.IndexState, entries map[string]store.IndexEntry) func(context.Context, []string) error {
	return func(ctx context.Context, granted []string) error {
		var upserts []store.Point
		var deletes []string
		for _, key := range granted {
			if !entries[key].Present {
				deletes = append(deletes, key)
				continue
			}
			point, err := point(states[key])
			if err != nil {
				return err
			}
			upserts = append(upserts, point)
		}
		points := s.points(tenant)
		group, ctx := errgroup.WithContext(ctx)
		if len(upserts) > 0 {
			group.Go(func() error { return points.Upsert(ctx, upserts) })
		}
		if len(deletes) > 0 {
			group.Go(func() error { return points.Delete(ctx, deletes) })
		}
		return group.Wait()
	}
}
