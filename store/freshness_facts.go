package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// FreshnessFacts are what the stores know at one moment, by one clock: all that Judge needs.
type FreshnessFacts struct {
	At          time.Time // by Postgres' clock
	EvaluatedAt time.Time // when a tracker last looked; zero where none ever did
	Blocks      []LaneBlock
	Tenants     []TenantFacts
}

// TenantFacts are those of one tenant that is active or suspended.
type TenantFacts struct {
	Tenant     Tenant
	Work       []Work
	Sources    []SourceSigns
	Thresholds []TenantThresholds
	Pauses     []Pause
	Block      *LaneBlock   // of its lane at ingestion; nil where the lane flows
	Ended      []StageCount // since the beginning
	Before     []EndedBefore
	Searchable []SearchableTimes // of this hour and the one before
	Coverage   *Coverage
	Runs       map[RunState]int // begun within a day, by what became of them
}

// Work is unfinished work of one source at one stage.
type Work struct {
	Stage          events.Stage
	Source         string
	Entry          EntryLane
	Events         int
	OldestOccurred time.Time // event time of the oldest by event time
	OldestAccepted time.Time // acceptance of the longest waiting
	// OldestDue is what the age counts from: the oldest event time among events that were accepted within the late
	// threshold, and the acceptance of all others.
	OldestDue time.Time
	Redriven  int // of the events: how many were driven again because they did not move
}

// SourceSigns are a source's signs of life.
type SourceSigns struct {
	Source         string
	LastLive       time.Time // acceptance of its newest live event; zero where there is none, as below
	LastBulk       time.Time
	Heartbeat      time.Time
	HeartbeatEvery time.Duration // as promised; 0 = not promised
	LongestSilence time.Duration // between two live events of late; 0 = not learned
}

// LaneBlock says that messages wait in a lane before ingestion and none is accepted from it. Whose they are nobody knows.
type LaneBlock struct {
	Lane     string
	Since    time.Time
	Messages int
}

// WaitingLane is a lane that messages wait in before ingestion.
type WaitingLane struct {
	Lane         string
	Messages     int
	LastAccepted time.Time // of an event of a tenant of this lane; zero where none ever was
}

// Stand puts what is newly known of lanes in the place of what was known.
func (f *FreshnessFacts) Stand(blocks []LaneBlock) {
	f.Blocks = blocks
	standing := make(map[string]*LaneBlock, len(blocks))
	for i := range blocks {
		standing[blocks[i].Lane] = &blocks[i]
	}
	for i := range f.Tenants {
		f.Tenants[i].Block = standing[f.Tenants[i].Tenant.Lane]
	}
}

// EndedBefore are the endings of a tenant at a stage up to an earlier moment.
type EndedBefore struct {
	Window string // of SLIWindows
	At     time.Time
	Stage  events.Stage
	Ended  Endings
}

// Endings count events by what became of them.
type Endings struct {
	Done        int `json:"done" doc:"Effects committed."`
	Stale       int `json:"stale" doc:"A newer version was there already."`
	Quarantined int `json:"quarantined" doc:"An expectation failed: the source's fault."`
	Dead        int `json:"dead" doc:"Became a dead letter."`
}

// Total counts all.
func (e Endings) Total() int { return e.Done + e.Stale + e.Quarantined + e.Dead }

// Add counts n more events of an outcome.
func (e *Endings) Add(outcome events.Outcome, n int) {
	switch outcome {
	case events.Done:
		e.Done += n
	case events.Stale:
		e.Stale += n
	case events.Quarantine:
		e.Quarantined += n
	case events.Dead:
		e.Dead += n
	}
}

// Plus adds up.
func (e Endings) Plus(other Endings) Endings {
	return Endings{
		Done: e.Done + other.Done, Stale: e.Stale + other.Stale,
		Quarantined: e.Quarantined + other.Quarantined, Dead: e.Dead + other.Dead,
	}
}

// Minus is what has come since other, which was earlier.
func (e Endings) Minus(other Endings) Endings {
	return Endings{
		Done: e.Done - other.Done, Stale: e.Stale - other.Stale,
		Quarantined: e.Quarantined - other.Quarantined, Dead: e.Dead - other.Dead,
	}
}

// Coverage says how many of a tenant's properties have a field.
type Coverage struct {
	MeasuredAt time.Time
	Ended      int // events of the tenant that had ended by then
	Records    int
	Present    map[string]int // by field, of CoverageFields
}

// SLI is one tenant's state at one stage at one time: a row of the SLI history.
type SLI struct {
	Tenant         uuid.UUID
	At             time.Time
	Stage          events.Stage
	State          FreshnessState // of older rows, which stand for an hour or a day: the worst
	Waiting        int            // unfinished events that wait at the stage
	OldestOccurred time.Time      // zero where nothing waits
	OldestAccepted time.Time      // zero where nothing waits
	Endings                       // at the stage, since the beginning
}

// FreshnessSample is the state that a tenant was in at a moment.
type FreshnessSample struct {
	At    time.Time
	State FreshnessState
}
