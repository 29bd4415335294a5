package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Ref names a record of a tenant.
type Ref struct {
	Type events.RecordType
	Key  string
}

// Wanted names a record as a stage's message does.
type Wanted struct {
	Key   string
	Event uuid.UUID // UID of the accepted event; uuid.Nil where several are about the record
}

// Held is what Postgres holds of a record: its newest version and the event that brought it.
type Held struct {
	Version events.Version
	Event   uuid.UUID // UID of that event
	Deleted bool
}

// Known is what Postgres knows of a batch before ingestion writes anything.
type Known struct {
	Events  map[uuid.UUID]bool // events accepted before, by UID
	Records map[Ref]Held       // records held, by reference; absent = new
	// Archived are those of the events not in Events whose raw bytes are kept all the same: they were accepted so long ago
	// that nothing else is known of them. It is looked up where a plan has them end as late.
	Archived map[uuid.UUID]bool
}

// Acceptance is an event that ingestion takes responsibility for: its row in progress.
type Acceptance struct {
	Event      uuid.UUID // UID, the row's key
	ID, Source string    // as the upstream gave them
	Type       string
	Ref        Ref
	Version    events.Version
	OccurredAt time.Time // event time: the envelope's time, else the version's
	RunID      string
	Trace      string // traceparent
	Lane       string
	Next       events.Stage   // where it waits now; empty when finished here
	Outcome    events.Outcome // set when finished here
	Reason     events.Reason
}

// RecordWrite is a record's new current version.
type RecordWrite struct {
	Record events.Record
	Event  uuid.UUID
	// Prior holds, as a JSON object, the watched fields of the version before, where that version came in the same
	// batch and so never reached Postgres; nil lets Postgres take them from the row it overwrites.
	Prior []byte
	// RemadeOf is the event from whose bytes this version was made anew: where that event brought the version that is held,
	// the same version replaces it. uuid.Nil of an upstream's.
	RemadeOf uuid.UUID
}

// IngestPlan is what ingestion wants written for a batch.
type IngestPlan struct {
	Accepted []Acceptance  // events not known before; no event twice
	Records  []RecordWrite // no record twice
	// Archived lists the events whose raw bytes are kept. Either Staged holds these, in the same order, and they are
	// written with the rest, or Archive stores them as an object before that and returns where each of them lies.
	Archived []uuid.UUID
	Staged   []Frame
	Archive  func(context.Context) ([]Span, error)
}

// WatchedFields are compared by quality with the version before: the fields that Prior holds.
var WatchedFields = []string{"ListPrice", "StandardStatus", "LivingArea", "BedroomsTotal", "YearBuilt"}

// StoredRecord is a record as the stages behind ingestion load it.
type StoredRecord struct {
	Ref     Ref
	Version events.Version
	Deleted bool
	Doc     []byte // JSON object
	Faults  []events.Fault
	Prior   []byte // JSON object of WatchedFields of the version before; nil where there was none
}

// Severity weighs a failed expectation.
type Severity string

// The severities. One failed expectation of SeverityError puts the record into quarantine.
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
)

// Failure is one failed expectation.
type Failure struct {
	Expectation string   `json:"expectation"`
	Severity    Severity `json:"severity"`
	Field       string   `json:"field"`
	Observed    string   `json:"observed"` // as text, shortened; empty where the field is absent
	Limit       string   `json:"limit"`    // what it must be
}

// Verdict is what a suite of expectations says of one version of a record.
type Verdict struct {
	Ref      Ref
	Version  events.Version
	Suite    string // name and version of the suite
	Passed   bool
	Failures []Failure // errors and warnings; empty, never nil
	JudgedAt time.Time // set by Postgres when read
}

// EmbeddingState is what embedding loads of a record: the record and whether a vector is there already.
type EmbeddingState struct {
	Record      StoredRecord
	ContentHash []byte // of the stored embedding; nil where there is none for this model
	Version     events.Version
}

// EmbeddingWrite is a record's vector for one version. Vector is nil where the content did not change: only the
// version moves.
type EmbeddingWrite struct {
	Key         string
	Version     events.Version
	ContentHash []byte // SHA-256 of the embedded text
	Vector      []float32
}

// IndexState is what indexing loads of a property: everything that decides whether search may find it.
type IndexState struct {
	Record   StoredRecord
	Verdict  *Verdict // nil = not judged; only Version and Passed are loaded
	Embedded events.Version
	Vector   []float32 // nil = not embedded
	Entry    *IndexEntry
}

// IndexEntry says what the index holds of a record.
type IndexEntry struct {
	Key     string
	Version events.Version // the version acted on
	Present bool           // search finds it; false = removed or quarantined
}

// Advance moves one event's row in progress: to the stage that comes next, or to its end.
//
// Invariant 6: the row stays unfinished until the last stage's effects are committed.
type Advance struct {
	Event   uuid.UUID // UID of the accepted event
	Ref     Ref       // what the event is about; only Next needs it
	From    events.Stage
	Next    events.Stage   // where it waits now; empty when finished
	Outcome events.Outcome // set when finished
	Reason  events.Reason
}

// PlatformTenant owns what belongs to no tenant: unroutable messages and messages whose routing key names none.
var PlatformTenant = uuid.Nil

// Tenant is a customer of the platform whose data nobody else may see.
type Tenant struct {
	ID        uuid.UUID `json:"id"`
	Name      string    `json:"name"`
	Lane      string    `json:"lane"`
	Draining  []string  `json:"draining,omitempty"` // lanes that it has left, which may still hold events of it
	CreatedAt time.Time `json:"created_at"`

	State      TenantState `json:"state"`
	StateSince time.Time   `json:"state_since"`
	StateBy    string      `json:"state_by,omitempty"` // who brought it into this state, and why
	StateWhy   string      `json:"state_why,omitempty"`
	BrokerUser bool        `json:"broker_user"` // it has a user of its own at the broker
}

// StageCount is how many events of a tenant ended a stage in an outcome.
type StageCount struct {
	Stage   events.Stage   `json:"stage"`
	Outcome events.Outcome `json:"outcome"`
	Reason  events.Reason  `json:"reason,omitempty"`
	Count   int            `json:"count"`
}

// Waiting is a tenant's unfinished work at one stage.
type Waiting struct {
	Stage          events.Stage `json:"stage"`
	Count          int          `json:"count"`
	OldestOccurred time.Time    `json:"oldest_occurred"` // event time of the oldest by event time
	OldestAccepted time.Time    `json:"oldest_accepted"` // acceptance of the longest waiting
}

// TenantStatus is where a tenant's events and records are.
type TenantStatus struct {
	Tenant      Tenant       `json:"tenant"`
	Events      int          `json:"events"` // accepted, each counted once
	Counts      []StageCount `json:"counts"`
	Waiting     []Waiting    `json:"waiting"`
	Records     int          `json:"records"`      // properties that are not deleted
	Deleted     int          `json:"deleted"`      // properties that a delete ended
	Indexed     int          `json:"indexed"`      // of the records: search finds them
	Quarantined int          `json:"quarantined"`  // records of any type whose newest version is quarantined
	DeadLetters int          `json:"dead_letters"` // open ones
}
