// Package deadletters is the stage beside the pipeline: it keeps what no retry could save, and what the broker could
// not route, where an operator finds it.
package deadletters

import (
	"context"

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
	seen := make(map[uuid.UUID]bool, len(batch))
	for _, m := range batch {
		if letter := workers.Letter(s.topology, m.Delivery); !seen[letter.ID] {
			seen[letter.ID] = true
			letters = append(letters, letter)
		}
	}
	if err := s.records(tenant).SaveDeadLetters(ctx, letters); err != nil {
		return nil, err
	}
	results := make([]workers.Result, len(batch))
	for i := range results {
		results[i] = workers.Done()
	}
	return results, nil
}
