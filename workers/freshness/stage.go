// Package freshness watches the pipeline: it folds the ends of events and the work that is still unfinished into
// SLIs per tenant and stage.
package freshness

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

// Stage folds what the last stages say. What it measures is gone with the process; what it must not forget is in
// progress, where the Tracker reads it.
type Stage struct {
	workers.Steps
	metrics *Metrics
}

// New makes the stage.
func New(metrics *Metrics) *Stage { return &Stage{metrics: metrics} }

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Freshness }

// Process implements workers.Stage.
func (s *Stage) Process(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	now := time.Now()
	results := make([]workers.Result, len(batch))
	for i, m := range batch {
		_, verb, _ := events.ParseType(m.Event.Type)
		s.metrics.took(verb, now.Sub(m.Step.AcceptedAt))
		results[i] = workers.Done()
	}
	return results, nil
}
