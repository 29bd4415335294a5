package reconcile

import (
	"context"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// repair has the stages decide again about properties, from what Postgres holds. Where the index entry already says
// what it should, it is doubted first: indexing does nothing about an entry that is right.
//
// Steps take the bulk lane, behind live events. One that is lost leaves an entry in doubt, which the next comparison
// finds.
func (c *comparison) repair(ctx context.Context, suspects []suspect) error {
	if !c.options.Repair || len(suspects) == 0 {
		return nil
	}
	var doubts []store.IndexEntry
	steps := make([]events.Event, len(suspects))
	for i, s := range suspects {
		if doubtful(s.standing) {
			doubts = append(doubts, *s.standing.Entry)
		}
		steps[i] = c.step(s.standing)
	}
	if err := c.records.Doubt(ctx, doubts); err != nil {
		return err
	}
	if err := publish(ctx, c.transport, c.topology, events.BulkLane, steps); err != nil {
		return err
	}
	for _, s := range suspects {
		c.report.repaired(s.finding.Kind)
	}
	return nil
}

// doubtful says whether indexing would take an entry for right, though it is not.
func doubtful(s store.IndexStanding) bool {
	if s.Entry == nil || s.Entry.Version.Compare(s.Version) != 0 {
		return false
	}
	wanted, decided := s.Wanted()
	return !decided || s.Entry.Present == wanted
}

// step is what the last stage to have done its work says of a property's newest version. The event that brought it is
// finished: its progress stays as it is, and what is timed is the repair.
func (c *comparison) step(s store.IndexStanding) events.Event {
	step := events.Step{
		RecordType: events.Property, Key: s.Key, VersionAt: s.Version.At, VersionSeq: s.Version.Sequence,
		Origin: s.Event, OccurredAt: s.OccurredAt, AcceptedAt: time.Now().UTC(),
	}
	stage, verb := events.Embedding, events.Embedded
	switch {
	case s.Deleted:
		stage, verb = events.Ingestion, events.Removed
	case !s.Judged:
		stage, verb = events.Ingestion, events.Ingested
	case !s.Passed:
		stage, verb = events.Quality, events.Quarantined
	case !s.Embedded:
		stage, verb = events.Quality, events.Passed
	}
	return step.Event(stage, verb, events.Event{ID: c.run, TenantID: c.tenant, RunID: c.run})
}

// remove deletes points that no property can put right.
func (c *comparison) remove(ctx context.Context, points Points, findings []store.Finding) error {
	if !c.options.Repair || len(findings) == 0 {
		return nil
	}
	ids := make([]string, len(findings))
	for i, finding := range findings {
		ids[i] = finding.Point
	}
	if err := points.DeletePoints(ctx, ids); err != nil {
		return err
	}
	for _, finding := range findings {
		c.report.repaired(finding.Kind)
	}
	return nil
}
