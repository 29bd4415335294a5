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
	// Ingest reads what is known of the events and records named, lets plan decide, and writes the plan in one
	// transaction. store.ErrConflict: another worker was faster, plan again.
	Ingest(ctx context.Context, events []uuid.UUID, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error)) error
	// Heartbeats notes that sources live; no source twice.
	Heartbeats(ctx context.Context, heartbeats []store.Heartbeat) error
}

// Archive is a tenant's part of the object store, as this stage needs it.
type Archive interface {
	// Pack makes of records what an archive object is a sequence of. It does no I/O.
	Pack(records [][]byte) ([]store.Frame, error)
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
	if err := s.heartbeats(ctx, tenant, batch, results); err != nil {
		return nil, err
	}
	for i, message := range batch {
		if message.Event.Type == events.TypeHeartbeat {
			continue
		}
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
		var err error
		if archive, raw := s.archive(tenant), payloads(decided.raw); size(raw) < stagedBelow {
			plan.Staged, err = archive.Pack(raw)
		} else {
			name := store.ArchiveName(decided.raw[0].accepted, plan.Archived)
			plan.Archive = func(ctx context.Context) ([]store.Span, error) { return archive.PutArchive(ctx, name, raw) }
		}
		return plan, err
	})
}

// stagedBelow is how many raw bytes are worth an object of their own. Fewer are staged in Postgres with the rest of the
// plan, and archived later together with those of other batches. From about here on that costs as much processor time
// as an object does: see decision 12.
const stagedBelow = 32 << 10

func size(records [][]byte) (bytes int) {
	for _, record := range records {
		bytes += len(record)
	}
	return bytes
}
