package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// FreshnessReport is the freshness of tenants at one moment.
type FreshnessReport struct {
	At        time.Time   `json:"at"`
	TrackedAt time.Time   `json:"tracked_at,omitzero" doc:"When the tracker last looked. The states do not depend on it; lanes that stand still, rates and what is learned do."`
	Tenants   []Freshness `json:"tenants"`
}

// Freshness is how fresh one tenant's data is, and why.
type Freshness struct {
	At         time.Time         `json:"at"`
	Tenant     uuid.UUID         `json:"tenant"`
	Name       string            `json:"name"`
	State      FreshnessState    `json:"state" enum:"fresh,unknown,late,warning,critical" doc:"The worst of its sources and stages."`
	Since      time.Time         `json:"since,omitzero" doc:"Since when it is in this state; absent where that is not known."`
	Reason     string            `json:"reason" example:"12 events of mls/northwest wait at embedding, the oldest for 3h12m"`
	Suspended  bool              `json:"suspended,omitempty" doc:"Nothing is expected of it."`
	Stage      events.Stage      `json:"stage,omitempty" doc:"The stage that makes the state."`
	Source     string            `json:"source,omitempty" doc:"The source that makes the state."`
	Stages     []StageFreshness  `json:"stages"`
	Sources    []SourceFreshness `json:"sources"`
	Success    []Success         `json:"success"`
	Searchable []Searchable      `json:"searchable" doc:"How long events took until search found them, during this hour and the one before."`
	Coverage   *CoverageShare    `json:"coverage,omitempty"`
	Runs       map[RunState]int  `json:"runs,omitempty" doc:"Runs of the last 24 hours by state."`

	due time.Duration // until a state becomes worse by itself; 0 = it does not
}

// StageFreshness is one stage of a tenant's pipeline.
type StageFreshness struct {
	Stage   events.Stage   `json:"stage"`
	State   FreshnessState `json:"state" enum:"fresh,unknown,late,warning,critical"`
	Since   time.Time      `json:"since,omitzero"`
	Reason  string         `json:"reason"`
	Live    Backlog        `json:"live" doc:"Unfinished live events: the state is theirs."`
	Bulk    Backlog        `json:"bulk" doc:"Unfinished events of backfills: they never make a state."`
	Due     time.Time      `json:"due,omitzero" doc:"What the state is judged by: the oldest live work, by its event time where it was accepted in time, else by its acceptance."`
	Paused  string         `json:"paused,omitempty" doc:"Who paused the tenant here, and why."`
	Ended   Endings        `json:"ended" doc:"Events that ended at this stage, since the beginning."`
	Handled int            `json:"handled_1h" doc:"Events that passed the stage or ended at it, within an hour."`
}

// Backlog is unfinished work.
type Backlog struct {
	Events         int       `json:"events"`
	OldestOccurred time.Time `json:"oldest_occurred,omitzero" doc:"Event time of the oldest."`
	OldestAccepted time.Time `json:"oldest_accepted,omitzero" doc:"Acceptance of the longest waiting."`
	Redriven       int       `json:"redriven,omitempty" doc:"Of the events: driven again because they did not move."`
}

// SourceFreshness is one source of a tenant.
type SourceFreshness struct {
	Source    string         `json:"source" example:"mls/northwest"`
	State     FreshnessState `json:"state" enum:"fresh,unknown,late,warning,critical"`
	Since     time.Time      `json:"since,omitzero"`
	Reason    string         `json:"reason"`
	Stage     events.Stage   `json:"stage,omitempty" doc:"The stage that makes the state."`
	Alive     bool           `json:"alive" doc:"It gave a sign of life in time."`
	LastEvent time.Time      `json:"last_event,omitzero" doc:"Acceptance of its newest live event."`
	Heartbeat time.Time      `json:"heartbeat,omitzero"`
	Silence   Seconds        `json:"silence_seconds" doc:"How long it may be silent."`
	Work      []WorkAt       `json:"work" doc:"Its unfinished events by stage."`
}

// WorkAt is unfinished work of a source at a stage.
type WorkAt struct {
	Stage  events.Stage   `json:"stage"`
	Entry  EntryLane      `json:"entry" enum:"live,bulk"`
	State  FreshnessState `json:"state,omitempty" enum:"fresh,late,warning,critical" doc:"Of live work."`
	Events int            `json:"events"`
	// The same as in Backlog.
	OldestOccurred time.Time `json:"oldest_occurred"`
	OldestAccepted time.Time `json:"oldest_accepted"`
}

// Success is what share of events ended well within a window.
type Success struct {
	Window      string         `json:"window" enum:"1h,24h"`
	State       FreshnessState `json:"state" enum:"fresh,unknown,late,warning,critical" doc:"fresh: at least 95 %; late: less; warning: below 90 %; critical: below 80 %; unknown: fewer than 20 events ended."`
	Ended       int            `json:"ended" doc:"Events that ended."`
	Dead        int            `json:"dead" doc:"Of them: dead letters."`
	Quarantined int            `json:"quarantined" doc:"Of them: quarantined. The source's fault, and no failure of the pipeline."`
	Rate        float64        `json:"rate" doc:"Share that ended without a dead letter; 1 where none ended."`
}

// Searchable is a summary of how long events took until search found them.
type Searchable struct {
	Entry  EntryLane `json:"entry" enum:"live,bulk"`
	Events int64     `json:"events"`
	// Upper bounds of the buckets that the quantiles fall into.
	P50 Seconds `json:"p50_seconds"`
	P95 Seconds `json:"p95_seconds"`
	P99 Seconds `json:"p99_seconds"`
}

// CoverageShare says what share of a tenant's properties has a field.
type CoverageShare struct {
	MeasuredAt time.Time          `json:"measured_at"`
	Records    int                `json:"records" doc:"Properties that are not deleted."`
	Share      map[string]float64 `json:"share" doc:"By field: 0 to 1."`
}

// Seconds is a duration in JSON.
type Seconds float64
