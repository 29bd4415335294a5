package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// RecordFilter narrows a listing of records; the zero value of a field does not. Bounds are inclusive; what a record
// does not say matches none.
type RecordFilter struct {
	Deleted      *bool // only tombstones, or only what is none
	Quarantined  *bool // only what the verdict on the newest version keeps from search, or only the rest
	UpdatedSince time.Time

	// Of properties; no other record has these.
	City, Status             string // exact, case-sensitive
	MinPrice, MaxPrice       string // plain digits, two of them behind the point at most
	MinBedrooms, MaxBedrooms *int64

	After string // the last key of the page before
	Limit int
	// Docs asks for the documents too. A page ends early when they get large: RecordPage.More says so.
	Docs bool
}

// RecordPage is a part of a listing, in the order of the keys' bytes.
type RecordPage struct {
	Records []RecordSummary
	More    bool // there are more behind the last of these
}

// RecordSummary is a record as a listing shows it.
type RecordSummary struct {
	Key       string
	Version   events.Version
	Event     uuid.UUID // UID of the event that brought this version
	Deleted   bool
	UpdatedAt time.Time // when Postgres got it
	Passed    *bool     // the verdict on this version; nil while there is none

	// Of properties. Empty or nil where the record does not say, or not what the contract says.
	ListPrice    string // plain digits, two behind the point
	Status, City string
	Bedrooms     *int64

	Doc []byte // JSON object; nil unless asked for, and of tombstones
}

// RecordView is everything that is known of a record, at one moment.
type RecordView struct {
	Record    StoredRecord
	Event     uuid.UUID // UID of the event that brought this version
	UpdatedAt time.Time
	Verdict   *Verdict // of the newest version that was judged
	Indexed   *IndexView
	History   EventPage
}

// IndexView is what the index holds of a property, and since when.
type IndexView struct {
	IndexEntry
	IndexedAt time.Time
}

// EventPage is a part of a record's history, newest first by acceptance.
type EventPage struct {
	Events []RecordEvent
	More   bool
}

// RecordEvent is an event of a record: what became of it, or where it waits.
type RecordEvent struct {
	Event      uuid.UUID // UID
	ID, Source string    // as the upstream gave them
	Type       string
	Version    events.Version // zero where the event died unread
	OccurredAt time.Time
	AcceptedAt time.Time
	RunID      string
	Waiting    events.Stage // empty when finished
	FinishedAt time.Time
	EndedIn    events.Stage // the stage that finished it
	Outcome    events.Outcome
	Reason     events.Reason
}

// EventCursor is an event's place in a record's history.
type EventCursor struct {
	AcceptedAt time.Time // zero = the beginning
	Event      uuid.UUID
}
