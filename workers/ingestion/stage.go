// Package ingestion is the first stage: it checks and normalises what upstreams publish, archives the raw bytes and
// makes each record's newest version the current one.
package ingestion

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Records is a tenant's part of Postgres, as this stage needs it.
type Records interface {
	// Ingest reads what is known of the events and records named, lets plan decide, and writes the plan in the same
	// transaction. store.ErrConflict: another worker was faster, plan again.
	Ingest(ctx context.Context, events []uuid.UUID, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error)) error
}

// Archive is a tenant's part of the object store, as this stage needs it.
type Archive interface {
	// PutArchive stores records as one object and says where each lies. The same name replaces the object.
	PutArchive(ctx context.Context, name string, records [][]byte) ([]store.Span, error)
}

// Stage is the ingestion stage.
type Stage struct {
	workers.Intake
	records func(tenant uuid.UUID) Records
	archive func(tenant uuid.UUID) Archive
}

// New makes the stage. Both functions hand out tenant-bound handles.
func New(records func(uuid.UUID) Records, archive func(uuid.UUID) Archive) *Stage {
	return &Stage{records: records, archive: archive}
}

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Ingestion }

// plansAtMost bounds how often a batch is planned again because another worker wrote the same records.
const plansAtMost = 5

// Process implements workers.Stage.
func (s *Stage) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	results := make([]workers.Result, len(batch))
	arrivals := make([]arrival, 0, len(batch))
	for i, message := range batch {
		record, err := events.Normalise(message.Event)
		var rejection *events.Rejection
		switch {
		case errors.As(err, &rejection):
			results[i] = workers.Rejected(rejection)
		case err != nil:
			return nil, err
		default:
			arrivals = append(arrivals, newArrival(i, message, record))
		}
	}
	if len(arrivals) == 0 {
		return results, nil
	}
	var err error
	for range plansAtMost {
		if err = s.ingest(ctx, tenant, arrivals, results); !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	return results, err
}

// ingest plans and writes one batch, and fills in its results.
func (s *Stage) ingest(ctx context.Context, tenant uuid.UUID, arrivals []arrival, results []workers.Result) error {
	return s.records(tenant).Ingest(ctx, uids(arrivals), refs(arrivals), func(known store.Known) (store.IngestPlan, error) {
		decided := decide(arrivals, known)
		for i, arrival := range arrivals {
			results[arrival.index] = decided.results[i]
		}
		plan := decided.plan
		plan.Archive = func(ctx context.Context) ([]store.Span, error) {
			return s.archive(tenant).PutArchive(ctx, archiveName(decided.raw), payloads(decided.raw))
		}
		return plan, nil
	})
}
