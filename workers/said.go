package workers

import (
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// WaitsFor is the event that an unfinished event of a tenant waits for: what the stage before it says, or said.
//
// Invariant 2: it has the id that it had the first time.
func WaitsFor(tenant uuid.UUID, u store.Unmoved) events.Event {
	step := events.Step{
		RecordType: u.Ref.Type, Key: u.Ref.Key, VersionAt: u.Version.At, VersionSeq: u.Version.Sequence,
		Origin: u.Event, OccurredAt: u.OccurredAt, AcceptedAt: u.AcceptedAt,
	}
	stage, verb, cause := saidBefore(u)
	by := events.Event{ID: u.ID, TenantID: tenant, RunID: u.RunID, TraceParent: u.Trace}
	if cause != "" {
		by.ID = step.Event(stage, cause, by).ID
	}
	return step.Event(stage, verb, by)
}

// saidBefore says which event a waiting event waits for, which stage says it, and what that stage was working on.
func saidBefore(u store.Unmoved) (stage events.Stage, verb, cause events.Verb) {
	switch {
	case u.Place.Stage == events.Quality:
		return events.Ingestion, events.Ingested, ""
	case u.Place.Stage == events.Embedding:
		return events.Quality, events.Passed, events.Ingested
	case u.Embedded:
		return events.Embedding, events.Embedded, events.Passed
	case u.Judged:
		return events.Quality, events.Quarantined, events.Ingested
	}
	return events.Ingestion, events.Removed, ""
}
