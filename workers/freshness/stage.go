// Package freshness watches the pipeline: it folds what the last stages say and the work that is still unfinished into
// states and SLIs per tenant, stage and source.
//
// Reading order: store.FreshnessFacts.Judge (what a state is), look.go (what is read, and when), tracker.go (who looks, and
// what becomes of it), publish.go, history.go, gauges.go (where it goes), upkeep.go (what is learned slowly), stage.go and
// times.go (what is measured of each event).
package freshness

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Stage folds what the last stages say into histograms. States do not depend on it: what must not be forgotten is in
// progress, where the Tracker reads it.
type Stage struct {
	workers.Steps
	metrics *Metrics
	times   *Times
}

// New makes the stage.
func New(metrics *Metrics, times *Times) *Stage { return &Stage{metrics: metrics, times: times} }

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Freshness }

// Process implements workers.Stage.
func (s *Stage) Process(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	now := time.Now()
	results := make([]workers.Result, len(batch))
	for i, m := range batch {
		_, verb, _ := events.ParseType(m.Event.Type)
		s.metrics.ended(verb, now.Sub(m.Step.AcceptedAt))
		if verb == events.Indexed {
			entry := store.LiveEntry
			if m.Lane == events.BulkLane {
				entry = store.BulkEntry
			}
			took := max(0, now.Sub(m.Step.OccurredAt))
			s.metrics.searchable(entry, took)
			s.times.add(tenant, entry, now, took)
		}
		results[i] = workers.Done()
	}
	return results, nil
}
