package api

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// EventState says in a word where an event is.
type EventState string

// The states.
const (
	EventReceived    EventState = "received"    // in a queue; ingestion has not taken it
	EventWorking     EventState = "working"     // on its way through the stages
	EventDone        EventState = "done"        //
	EventStale       EventState = "stale"       // the record was at this version or a newer one
	EventQuarantined EventState = "quarantined" // an expectation failed
	EventDead        EventState = "dead"        // kept as a dead letter
)

// Timeline says where an event is, and how it came there.
type Timeline struct {
	ID           string           `json:"id" doc:"As the upstream gave it."`
	Source       string           `json:"source,omitempty"`
	EventUID     *uuid.UUID       `json:"event_uid,omitempty" doc:"Left out where the event could never be read."`
	Type         string           `json:"type,omitempty" example:"reos.property.upserted.v1"`
	State        EventState       `json:"state" enum:"received,working,done,stale,quarantined,dead"`
	Sentence     string           `json:"sentence" doc:"The same in words."`
	Record       *TimelineRecord  `json:"record,omitempty"`
	RunID        string           `json:"run_id,omitempty"`
	Lane         string           `json:"lane,omitempty"`
	Waiting      *TimelineWaiting `json:"waiting,omitempty" doc:"Where it waits; left out when it has come to its end."`
	Failures     []store.Failure  `json:"failed_expectations,omitempty" doc:"What the verdict on this event's version says; warnings quarantine nothing."`
	StaleAgainst *TimelineVersion `json:"stale_against,omitempty" doc:"What the record is at, where this event's version is older."`
	DeadLetters  []TimelineLetter `json:"dead_letters,omitempty"`
	Timeline     []TimelineEntry  `json:"timeline" doc:"What happened, in its order."`
}

// TimelineRecord is the record that an event is about, at the event's version.
type TimelineRecord struct {
	Type events.RecordType `json:"type" example:"property"`
	Key  string            `json:"key"`
	TimelineVersion
}

// TimelineVersion is a record's version.
type TimelineVersion struct {
	VersionAt       time.Time  `json:"version_at"`
	VersionSequence int64      `json:"version_sequence"`
	EventUID        *uuid.UUID `json:"event_uid,omitempty" doc:"The event that brought it, where that is another."`
}

// TimelineWaiting is where an event waits.
type TimelineWaiting struct {
	Stage events.Stage   `json:"stage"`
	Since time.Time      `json:"since"`
	Pause *TimelinePause `json:"pause,omitempty" doc:"What holds the tenant's messages at that stage."`
}

// TimelinePause holds a tenant's messages.
type TimelinePause struct {
	Since time.Time `json:"since"`
	By    string    `json:"by" doc:"Who paused: a person, or the breaker."`
	Why   string    `json:"why"`
}

// TimelineLetter is a dead letter of an event.
type TimelineLetter struct {
	ID            uuid.UUID     `json:"id"`
	Stage         events.Stage  `json:"stage,omitempty" doc:"Where it died; left out where the broker gave it up."`
	Reason        events.Reason `json:"reason"`
	Error         string        `json:"error"`
	Attempts      int           `json:"attempts"`
	FirstFailedAt time.Time     `json:"first_failed_at"`
	FailedAt      time.Time     `json:"failed_at"`
}

// TimelineEntry is one thing that happened.
type TimelineEntry struct {
	At     time.Time     `json:"at"`
	Stage  events.Stage  `json:"stage,omitempty" doc:"Left out for what happened outside of the stages."`
	What   string        `json:"what" example:"accepted"`
	Reason events.Reason `json:"reason,omitempty"`
	Detail string        `json:"detail,omitempty"`
}

// NewTimeline tells an event's story from what is known of it.
func NewTimeline(trail store.Trail) Timeline {
	t := Timeline{ID: trail.Ref.ID, Source: trail.Ref.Source, Timeline: []TimelineEntry{}}
	if trail.Ref.Event != uuid.Nil {
		t.EventUID = &trail.Ref.Event
	}
	t.State = stateOf(trail)
	if r := trail.Receipt; r != nil {
		t.Type, t.RunID, t.Lane = r.Type, r.RunID, string(r.Lane)
	}
	if p := trail.Progress; p != nil {
		t.Type, t.RunID, t.Lane = p.Type, p.RunID, p.Lane
		if p.Ref.Key != "" && !p.Version.At.IsZero() {
			t.Record = &TimelineRecord{Type: p.Ref.Type, Key: p.Ref.Key, TimelineVersion: versionOf(p.Version)}
		}
	}
	if trail.Verdict != nil && len(trail.Verdict.Failures) > 0 {
		t.Failures = trail.Verdict.Failures
	}
	if t.State == EventStale && trail.Newest != nil {
		newest := versionOf(trail.Newest.Version)
		if trail.Newest.Event != trail.Ref.Event {
			newest.EventUID = &trail.Newest.Event
		}
		t.StaleAgainst = &newest
	}
	for _, l := range trail.Letters {
		t.DeadLetters = append(t.DeadLetters, TimelineLetter(l))
	}
	t.Waiting = waitingOf(trail)
	t.Timeline = append(t.Timeline, entriesOf(trail, t.Waiting)...)
	t.Sentence = sentenceOf(t, trail)
	return t
}

func versionOf(v events.Version) TimelineVersion {
	return TimelineVersion{VersionAt: v.At, VersionSequence: v.Sequence}
}

func (v TimelineVersion) String() string {
	text := v.VersionAt.Format(time.RFC3339Nano)
	if v.VersionSequence != 0 {
		text += fmt.Sprintf(" (sequence %d)", v.VersionSequence)
	}
	return text
}

var statesByOutcome = map[events.Outcome]EventState{
	events.Done: EventDone, events.Stale: EventStale, events.Quarantine: EventQuarantined, events.Dead: EventDead,
}

func stateOf(trail store.Trail) EventState {
	switch {
	case trail.Progress != nil && trail.Progress.Outcome != "":
		return statesByOutcome[trail.Progress.Outcome]
	case trail.Progress != nil:
		return EventWorking
	case trail.Receipt != nil:
		return EventReceived
	}
	return EventDead // only a letter is left of it
}

// waitingOf says where an event waits; nil for one that does not.
func waitingOf(trail store.Trail) *TimelineWaiting {
	var w *TimelineWaiting
	switch p := trail.Progress; {
	case p != nil && p.Waiting != "":
		since := slices.MaxFunc([]time.Time{p.AcceptedAt, p.IngestedAt, p.JudgedAt, p.EmbeddedAt}, time.Time.Compare)
		w = &TimelineWaiting{Stage: p.Waiting, Since: since}
	case p == nil && trail.Receipt != nil:
		w = &TimelineWaiting{Stage: events.Ingestion, Since: trail.Receipt.ReceivedAt}
	default:
		return nil
	}
	for _, pause := range trail.Pauses {
		if pause.Stage == w.Stage {
			w.Pause = &TimelinePause{Since: pause.At, By: pause.By, Why: pause.Why}
		}
	}
	return w
}

// entriesOf lists what happened, in its order.
func entriesOf(trail store.Trail, waiting *TimelineWaiting) []TimelineEntry {
	var entries []TimelineEntry
	add := func(at time.Time, stage events.Stage, what string, reason events.Reason, detail string) {
		if !at.IsZero() {
			entries = append(entries, TimelineEntry{At: at, Stage: stage, What: what, Reason: reason, Detail: detail})
		}
	}
	if r := trail.Receipt; r != nil {
		add(r.ReceivedAt, "", "received", "", fmt.Sprintf("over HTTP from %s, %s", r.By, r.Lane))
	}
	if p := trail.Progress; p != nil {
		for _, passed := range []struct {
			stage events.Stage
			at    time.Time
			what  string
		}{
			{events.Ingestion, p.IngestedAt, "accepted"},
			{events.Quality, p.JudgedAt, judged(trail.Verdict)},
			{events.Embedding, p.EmbeddedAt, "embedded"},
			{events.Indexing, p.IndexedAt, "indexed"},
		} {
			if passed.stage != p.EndedIn {
				add(passed.at, passed.stage, passed.what, "", "")
			}
		}
		if p.Outcome != events.Dead || len(trail.Letters) == 0 { // its letter says more
			add(p.FinishedAt, p.EndedIn, ending(*p), p.Reason, "")
		}
		if p.RedrivenAt.After(p.FinishedAt) {
			add(p.RedrivenAt, p.Waiting, "driven again", "", fmt.Sprintf("%d times since it last moved", p.Redrives))
		}
	}
	for _, l := range trail.Letters {
		add(l.FailedAt, l.Stage, "dead letter", l.Reason, fmt.Sprintf("%s (attempts: %d)", l.Error, l.Attempts))
	}
	if waiting != nil && waiting.Pause != nil {
		held := slices.MaxFunc([]time.Time{waiting.Pause.Since, waiting.Since}, time.Time.Compare)
		add(held, waiting.Stage, "held", events.Paused, waiting.Pause.By+": "+waiting.Pause.Why)
	}
	slices.SortStableFunc(entries, func(a, b TimelineEntry) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(slices.Index(events.Stages, a.Stage), slices.Index(events.Stages, b.Stage)))
	})
	return entries
}

// judged says what quality said; a verdict that is not this version's any more does not tell.
func judged(verdict *store.Verdict) string {
	switch {
	case verdict == nil:
		return "judged"
	case verdict.Passed:
		return "passed"
	}
	return "quarantined"
}

// ending says in a few words how an event ended.
func ending(p store.Progress) string {
	_, verb, _ := events.ParseType(p.Type)
	switch {
	case p.Outcome != events.Done && p.EndedIn == events.Indexing && p.Outcome == events.Quarantine:
		return "kept out of the search"
	case p.Outcome != events.Done:
		return string(p.Outcome)
	case p.EndedIn == events.Indexing && verb == events.Deleted:
		return "taken out of the search"
	case p.EndedIn == events.Indexing:
		return "searchable"
	case verb == events.Deleted:
		return "deleted"
	}
	return "stored and judged"
}
