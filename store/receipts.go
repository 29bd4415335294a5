package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Receipt says that the API accepted an event: the broker has confirmed it.
type Receipt struct {
	Event      uuid.UUID // UID
	ID, Source string    // as the upstream gave them
	Type       string
	ReceivedAt time.Time // the first time; set by Postgres
	By         string    // the token's subject
	RunID      string
	Lane       EntryLane
}

// EntryLane is how an event enters: live, or behind live events.
type EntryLane string

// The ways in.
const (
	LiveEntry EntryLane = "live"
	BulkEntry EntryLane = events.BulkLane
)

// KeyClaim asks for the right to work on a request that carries an idempotency key.
type KeyClaim struct {
	Key         string
	Fingerprint [32]byte  // of the request
	Claim       uuid.UUID // new for each attempt
	Keep        time.Duration
	Lease       time.Duration // how long another attempt that has not answered may live
}

// KeyState is what is known of an idempotency key after a claim.
type KeyState struct {
	Mine        bool // work on it, then answer or release it
	Fingerprint [32]byte
	Answer      *KeyAnswer // nil while another attempt works on it
}

// KeyAnswer is what was answered to a request.
type KeyAnswer struct {
	Status int
	Body   []byte
}

// EventRef names an event that something is known of.
type EventRef struct {
	Event      uuid.UUID // UID; uuid.Nil where only a dead letter whose envelope could not be read has the id
	ID, Source string    // Source is empty where only a dead letter is known
}

// Trail is everything that is known of one event.
type Trail struct {
	Ref      EventRef
	Receipt  *Receipt  // nil: not over HTTP, or long ago
	Progress *Progress // nil: not accepted by ingestion
	Verdict  *Verdict  // of the event's version; nil where it was not judged, or a newer one was since
	Newest   *Held     // what the event's record is at; nil where there is no such record
	Letters  []TrailLetter
	Pauses   []Pause // of the tenant, that last
}

// Progress is an accepted event's row: where it is, and since when. The zero value of a time: not there yet.
type Progress struct {
	Type       string
	Ref        Ref // zero where the event died before it could be read
	Version    events.Version
	OccurredAt time.Time
	AcceptedAt time.Time
	RunID      string
	Lane       string
	Waiting    events.Stage // empty when finished
	IngestedAt time.Time
	JudgedAt   time.Time
	EmbeddedAt time.Time
	IndexedAt  time.Time
	FinishedAt time.Time
	EndedIn    events.Stage
	Outcome    events.Outcome
	Reason     events.Reason
	RedrivenAt time.Time
	Redrives   int // since it last moved
}

// TrailLetter is a dead letter without what the message held.
type TrailLetter struct {
	ID            uuid.UUID
	Stage         events.Stage // empty = at the broker
	Reason        events.Reason
	Error         string
	Attempts      int
	FirstFailedAt time.Time
	FailedAt      time.Time
}
