package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Run is many events that are published together, under one runid.
type Run struct {
	ID         string
	Kind       RunKind
	State      RunState
	By         string // who started it
	Source     string // what is published
	Lane       EntryLane
	Published  int64 // confirmed by the broker
	Known      int64 // of them: accepted before, under another run
	Rejected   int64 // no events
	Problems   []RunProblem
	Error      string // why it ended early
	StartedAt  time.Time
	UpdatedAt  time.Time // a publisher that lives moves it
	FinishedAt time.Time // zero while it is published, or not yet at the end of its items
	RunWork
}

// RunKind is what a run publishes.
type RunKind string

// The kinds. The last two have items: see RunWork.
const (
	FeedRun   RunKind = "feed"   // the records of a feed
	RerunRun  RunKind = "rerun"  // stored records, once more
	ReplayRun RunKind = "replay" // dead letters, once more
)

// HasItems says whether a run of this kind is a frozen selection that the leading process works through.
func (k RunKind) HasItems() bool { return k == RerunRun || k == ReplayRun }

// RunState says how far publishing is. What becomes of the events is for progress to say.
type RunState string

// The states of a feed.
const (
	RunPublishing  RunState = "publishing"
	RunPublished   RunState = "published"
	RunInterrupted RunState = "interrupted" // the feed broke off; what came before stands
	RunFailed      RunState = "failed"      // the feed cannot be read on, or the broker took no more
)

// The states of a run with items. What is on its way when a run is paused, cancelled or stopped goes on to its end.
const (
	RunPlanned   RunState = "planned"   // frozen; nothing happens
	RunRunning   RunState = "running"   // items are released
	RunPaused    RunState = "paused"    // by an operator
	RunCancelled RunState = "cancelled" // by an operator; nothing more is released, ever
	RunStopped   RunState = "stopped"   // by itself: too many events died
	RunDone      RunState = "done"      // every item has come to its end
)

// RunSilence is how long a run's publisher may say nothing before it counts as gone.
const RunSilence = 2 * time.Minute

// Interrupted reports whether the run's publisher is gone without a word: its process was killed.
func (r Run) Interrupted(now time.Time) bool {
	return r.State == RunPublishing && now.Sub(r.UpdatedAt) > RunSilence
}

// RunProblem is one record of a run that is no event.
type RunProblem struct {
	Line   int64  `json:"line" doc:"Where it begins, from 1."`
	Record int64  `json:"record,omitempty" doc:"Its number, from 1, in formats that need not break lines."`
	Field  string `json:"field,omitempty" doc:"Left out where the whole record is meant."`
	Must   string `json:"must" doc:"What it must be, as the end of a sentence."`
	Got    string `json:"got,omitempty" doc:"What was found, shortened."`
}

// RunCount is how many events of a run wait at a stage, or ended there in an outcome.
type RunCount struct {
	Stage   events.Stage
	Outcome events.Outcome // empty: they wait
	Reason  events.Reason
	Events  int64
}

// RunFilter narrows a listing of runs. What is empty narrows nothing.
type RunFilter struct {
	Kind  RunKind
	State RunState // as it is shown: a feed whose publisher has gone silent is interrupted
}

// RunCursor is a run's place in a listing, newest first.
type RunCursor struct {
	StartedAt time.Time
	ID        string
}

// RunsBehind lists the states of runs with items. A run over several tenants is in the first of them in which any of its
// parts is.
var RunsBehind = []RunState{RunRunning, RunPaused, RunPlanned, RunStopped, RunCancelled, RunDone}

// WholeRun is a run over all its tenants: what they count is added up. Problems, Selection and Digest are left out.
type WholeRun struct {
	Run
	Tenant  uuid.UUID // whose it is, where Tenants is 1
	Tenants int64
}

// Cursor is the run's place in a listing.
func (r WholeRun) Cursor() WholeRunCursor {
	at := WholeRunCursor{RunCursor: RunCursor{StartedAt: r.StartedAt, ID: r.ID}}
	if !r.Kind.HasItems() {
		at.Tenant = r.Tenant
	}
	return at
}

// WholeRunCursor is the place of a run in a listing of all tenants' runs, newest first. Feeds of two tenants may have the
// same id.
type WholeRunCursor struct {
	RunCursor
	Tenant uuid.UUID // of a feed
}
