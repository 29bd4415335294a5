package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Place is a stage's queue in one lane.
type Place struct {
	Stage events.Stage
	Lane  string
}

// Overdue asks for unfinished events that do not move.
type Overdue struct {
	After  time.Duration // since the event moved last, and at least that long since it was driven again
	Places []Place       // where they wait
	Lanes  []string      // all that there are; events in any other one are taken for events in events.BulkLane
	Limit  int
}

// Unmoved is an unfinished event that does not move: all that it takes to say again what it waits for.
type Unmoved struct {
	Event      uuid.UUID // UID
	ID         string    // as the upstream gave it
	Ref        Ref
	Version    events.Version
	OccurredAt time.Time
	AcceptedAt time.Time
	RunID      string
	Trace      string // traceparent
	Place      Place  // where it waits
	Judged     bool   // quality has worked on it
	Embedded   bool   // embedding has worked on it
	Redrives   int    // how often it was driven again since it moved last, this time included
}
