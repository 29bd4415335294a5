package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// DeadLetter is a message that no retry could save.
type DeadLetter struct {
	ID            uuid.UUID // derived from the message, so that a redelivery is the same letter
	Tenant        uuid.UUID // PlatformTenant where the message belongs to no known tenant
	Event         uuid.UUID // UID where the envelope could be read; else uuid.Nil
	EventID       string    // as the upstream gave it; the message's id where the envelope could not be read
	EventType     string
	RecordType    events.RecordType
	Key           string
	Version       events.Version // of the record; zero where the message does not say it
	Stage         events.Stage   // where it died; empty = at the broker
	Lane          string
	Reason        events.Reason
	Error         string // the error chain; no payload
	Attempts      int
	Failures      []time.Time       // of its attempts, as far as known
	WorkerVersion string            // of the program that gave it up; empty where none did, or nobody knows
	RoutingKey    string            // as it was first published
	Headers       map[string]string // as received; nil where only a summary was asked for
	Payload       []byte            // as received; nil where only a summary was asked for
	PayloadBytes  int               // set by Postgres when read
	RunID         string
	TraceParent   string // W3C trace context
	FirstFailedAt time.Time
	FailedAt      time.Time

	// Set by Postgres when read.
	Kind        LetterKind
	Fingerprint string // of its group: see Fingerprint
	State       LetterState
	Overtaken   bool // a newer version of the record has come to its end: a replay would change nothing
	Discard     *LetterDiscard
	Replay      *LetterReplay
}

// LetterKind is what has to be done about a letter. It follows from the reason alone.
type LetterKind string

// The kinds.
const (
	BadData      LetterKind = "bad_data"     // the message is wrong: the sender mends it, or an operator edits it
	Transient    LetterKind = "transient"    // a fault that outlasted the retries: replay when it is over
	Permanent    LetterKind = "permanent"    // a bug of ours: replay when it is mended
	Unauthorised LetterKind = "unauthorised" // of an unknown tenant, or not its sender's to send
)

// LetterKinds lists every kind.
var LetterKinds = []LetterKind{BadData, Transient, Permanent, Unauthorised}

// KindOf is the kind of letters that died for a reason. What is none of ours counts as a bug.
func KindOf(reason events.Reason) LetterKind {
	switch reason {
	case events.EnvelopeInvalid, events.TypeUnknown, events.DataEmpty, events.DataTooLarge, events.DataNotUTF8, events.DataNotJSON,
		events.DataTooDeep, events.DataHasNUL, events.KeyInvalid, events.VersionInvalid, events.ExpectationFailed:
		return BadData
	case events.StageError, events.StageTimeout:
		return Transient
	case events.TenantMismatch, events.TenantUnknown:
		return Unauthorised
	}
	return Permanent
}

// LetterState is what became of a letter.
type LetterState string

// The states.
const (
	LetterOpen      LetterState = "open"
	LetterReplayed  LetterState = "replayed"  // a new attempt went out; what became of that, LetterReplay says
	LetterDiscarded LetterState = "discarded" // nobody wants it: it is removed when it was kept long enough
)

// LetterStates lists every state.
var LetterStates = []LetterState{LetterOpen, LetterReplayed, LetterDiscarded}

// LetterDiscard says who gave a letter up, when and why.
type LetterDiscard struct {
	At  time.Time `json:"at"`
	By  string    `json:"by"`
	Why string    `json:"why"`
}

// LetterReplay is the new attempt of a letter.
type LetterReplay struct {
	At      time.Time      `json:"at"`
	RunID   string         `json:"run_id"`
	Event   uuid.UUID      `json:"event_uid"`
	Waiting events.Stage   `json:"waiting,omitempty"` // where it waits; it may not have been accepted yet
	Outcome events.Outcome `json:"outcome,omitempty"`
	Reason  events.Reason  `json:"reason,omitempty"`
}

// DeadLetterFilter narrows a listing of dead letters; the zero value of a field does not.
type DeadLetterFilter struct {
	IDs           []uuid.UUID   `json:"ids,omitempty"` // where not nil: only these
	Stage         events.Stage  `json:"stage,omitempty"`
	Reason        events.Reason `json:"reason,omitempty"`
	Kind          LetterKind    `json:"kind,omitempty"`
	Fingerprint   string        `json:"fingerprint,omitempty"`
	Type          string        `json:"type,omitempty"` // of the event
	Key           string        `json:"record_key,omitempty"`
	WorkerVersion string        `json:"worker_version,omitempty"`
	State         LetterState   `json:"state,omitempty"`
	Since         time.Time     `json:"since,omitzero"` // by when it was given up
	Until         time.Time     `json:"until,omitzero"` // not included

	// Whole asks for headers and payloads. Such a page ends behind about PageBytes of payloads: there may be more behind it
	// unless it is empty.
	Whole bool             `json:"-"`
	Limit int              `json:"-"`
	After DeadLetterCursor `json:"-"` // the last letter of the page before
}

// LetterSelection says which letters an operator means.
type LetterSelection struct {
	Tenant *uuid.UUID `json:"tenant_id,omitempty"` // nil = everybody's, the platform's own among them
	DeadLetterFilter
	Payload   string `json:"payload,omitempty"`   // `path` or `path=value`: see ParsePayloadMatch
	Overtaken bool   `json:"overtaken,omitempty"` // only those that a newer version has overtaken
}

// DeadLetterCursor is a letter's place in a listing, newest first.
type DeadLetterCursor struct {
	FailedAt time.Time
	ID       uuid.UUID
}

// Cursor is the letter's place in a listing.
func (l DeadLetter) Cursor() DeadLetterCursor {
	return DeadLetterCursor{FailedAt: l.FailedAt, ID: l.ID}
}
