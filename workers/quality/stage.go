// Package quality is the second stage: it judges each record by its tenant's suite of expectations. What passes goes
// on; what does not is quarantined, with every failed expectation.
package quality

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Records is a tenant's part of Postgres, as this stage needs it.
type Records interface {
	// Records loads the newest versions of the records that exist, tombstones among them.
	Records(ctx context.Context, record events.RecordType, wanted []store.Wanted) ([]store.StoredRecord, error)
	// SaveVerdicts stores verdicts, unless a newer version's is there, and advances, in one transaction.
	SaveVerdicts(ctx context.Context, verdicts []store.Verdict, advances []store.Advance) error
}

// Stage is the quality stage.
type Stage struct {
	workers.Steps
	records func(tenant uuid.UUID) Records
	suites  map[events.RecordType]Suite
}

// New makes the stage; records hands out tenant-bound handles.
func New(records func(uuid.UUID) Records) *Stage {
	suites := make(map[events.RecordType]Suite, len(events.RecordTypes))
	for _, record := range events.RecordTypes {
		suites[record] = Builtin(record)
	}
	return &Stage{records: records, suites: suites}
}

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Quality }

// Process implements workers.Stage.
func (s *Stage) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	records := s.records(tenant)
	stored, err := load(ctx, records, batch)
	if err != nil {
		return nil, err
	}
	results := make([]workers.Result, len(batch))
	advances := workers.NewAdvances(s.Name())
	verdicts := make(map[store.Ref]store.Verdict, len(batch))
	for i, m := range batch {
		ref := store.Ref{Type: m.Step.RecordType, Key: m.Step.Key}
		record, ok := stored[ref]
		switch {
		case !ok || record.Version.Compare(m.Step.Version()) < 0:
			results[i] = workers.Missing(m)
			continue
		case record.Version.Compare(m.Step.Version()) > 0:
			results[i] = advances.Supersede(m)
			continue
		}
		verdict, judged := verdicts[ref]
		if !judged {
			verdict = s.suites[ref.Type].Judge(record)
			verdicts[ref] = verdict
		}
		results[i] = s.conclude(m, verdict, advances)
	}
	list := make([]store.Verdict, 0, len(verdicts))
	for _, verdict := range verdicts {
		list = append(list, verdict)
	}
	return results, records.SaveVerdicts(ctx, list, advances.List())
}

// conclude turns a verdict into a result. A quarantined property still goes to indexing, which takes the version
// before it out of the search.
func (s *Stage) conclude(m workers.Message, verdict store.Verdict, advances *workers.Advances) workers.Result {
	searchable := m.Step.RecordType.Searchable()
	if verdict.Passed {
		if searchable {
			advances.To(m, events.Embedding)
		} else {
			advances.End(m, events.Done, "")
		}
		return workers.Done(m.Step.Event(s.Name(), events.Passed, m.Event))
	}
	if searchable {
		advances.To(m, events.Indexing)
	} else {
		advances.End(m, events.Quarantine, events.ExpectationFailed)
	}
	return workers.Result{
		Outcome: events.Quarantine, Reason: events.ExpectationFailed,
		Outputs: []events.Event{m.Step.Event(s.Name(), events.Quarantined, m.Event)},
	}
}

// load fetches what the batch is about, one query per record type in it.
func load(ctx context.Context, records Records, batch []workers.Message) (map[store.Ref]store.StoredRecord, error) {
	byType := map[events.RecordType][]workers.Message{}
	for _, m := range batch {
		byType[m.Step.RecordType] = append(byType[m.Step.RecordType], m)
	}
	stored := make(map[store.Ref]store.StoredRecord, len(batch))
	for record, messages := range byType {
		found, err := records.Records(ctx, record, workers.Wanted(messages))
		if err != nil {
			return nil, err
		}
		for _, one := range found {
			stored[one.Ref] = one
		}
	}
	return stored, nil
}
