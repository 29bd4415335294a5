// Package deadletters is the stage beside the pipeline: it keeps what no retry could save, and what the broker could
// not route, where an operator finds it.
package deadletters

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Records is a tenant's part of Postgres, as this stage needs it.
type Records interface {
	// SaveDeadLetters keeps letters, each once by its id, and ends their events' progress, in one transaction.
	SaveDeadLetters(ctx context.Context, letters []store.DeadLetter) error
}

// Stage is the dead-letter stage.
type Stage struct {
	records  func(tenant uuid.UUID) Records
	topology events.Topology
}

// New makes the stage; records hands out tenant-bound handles.
func New(records func(uuid.UUID) Records, topology events.Topology) *Stage {
	return &Stage{records: records, topology: topology}
}

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.DeadLetters }

// Accept implements workers.Stage. It takes everything: nothing is too broken to be kept.
func (s *Stage) Accept(d workers.Delivery) (workers.Message, error) {
	return workers.Message{Delivery: d, Tenant: workers.Letter(s.topology, d).Tenant}, nil
}

// Process implements workers.Stage.
func (s *Stage) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	letters := make([]store.DeadLetter, 0, len(batch))
	results := make([]workers.Result, len(batch))
	seen := make(map[uuid.UUID]bool, len(batch))
	for i, m := range batch {
		letter := workers.Letter(s.topology, m.Delivery)
		results[i] = kept(letter.Reason)
		if !seen[letter.ID] {
			seen[letter.ID] = true
			letters = append(letters, letter)
		}
	}
	if err := s.records(tenant).SaveDeadLetters(ctx, letters); err != nil {
		return nil, err
	}
	return results, nil
}

// kept is the result of a letter: done, and counted by why it is here. A foreign message may bring any word as its
// reason; it counts as one without.
func kept(reason events.Reason) workers.Result {
	result := workers.Done()
	if slices.Contains(events.Reasons, reason) {
		result.Reason = reason
	}
	return result
}
