package workers

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Advances collects how a batch moves in progress.
type Advances struct {
	stage events.Stage
	list  []store.Advance
}

// NewAdvances starts a collection for a stage.
func NewAdvances(stage events.Stage) *Advances { return &Advances{stage: stage} }

// List returns what was collected.
func (a *Advances) List() []store.Advance { return a.list }

// To sends a message's event on to the next stage.
func (a *Advances) To(m Message, next events.Stage) {
	a.list = append(a.list, store.Advance{
		Event: m.Step.Origin, Ref: store.Ref{Type: m.Step.RecordType, Key: m.Step.Key}, From: a.stage, Next: next,
	})
}

// End ends a message's event.
func (a *Advances) End(m Message, outcome events.Outcome, reason events.Reason) {
	a.list = append(a.list, store.Advance{Event: m.Step.Origin, From: a.stage, Outcome: outcome, Reason: reason})
}

// Supersede ends a message's event because the record has moved on; the newer version comes by its own event.
func (a *Advances) Supersede(m Message) Result {
	a.End(m, events.Stale, events.Superseded)
	return Stale(events.Superseded)
}

// Missing is the result of a message about a record, or a version, that the store does not hold.
func Missing(m Message) Result {
	return Result{
		Outcome: events.Dead, Reason: events.RecordMissing,
		Err: fmt.Errorf("%s %q is not stored at version %s/%d", m.Step.RecordType, m.Step.Key,
			m.Step.VersionAt.Format("2006-01-02T15:04:05.999999Z"), m.Step.VersionSeq),
	}
}

// Wanted lists the records of a batch, each once, in order of arrival.
func Wanted(batch []Message) []store.Wanted {
	place := make(map[string]int, len(batch))
	wanted := make([]store.Wanted, 0, len(batch))
	for _, m := range batch {
		at, seen := place[m.Step.Key]
		switch {
		case !seen:
			place[m.Step.Key] = len(wanted)
			wanted = append(wanted, store.Wanted{Key: m.Step.Key, Event: m.Step.Origin})
		case wanted[at].Event != m.Step.Origin:
			wanted[at].Event = uuid.Nil
		}
	}
	return wanted
}
