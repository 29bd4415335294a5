package store

import (
	"time"

	"github.com/google/uuid"
)

// RawPlace is where the raw bytes of an accepted event are.
type RawPlace struct {
	Staged *Frame // in Postgres: this is all of them; nil once they are part of an object
	Span   Span   // else in this object
}

// StagedRaw is an event's raw bytes that wait in Postgres to become part of an object.
type StagedRaw struct {
	Event    uuid.UUID
	StagedAt time.Time
	Frame    Frame
}

// Staging is what waits so of one tenant.
type Staging struct {
	Tenant uuid.UUID
	Events int
	Bytes  int64 // packed
	Oldest time.Time
}

// ArchiveName names an archive object by the events in it: whoever writes the same again replaces it.
func ArchiveName(day time.Time, events []uuid.UUID) string {
	ids := make([]byte, 0, len(events)*len(uuid.Nil))
	for _, id := range events {
		ids = append(ids, id[:]...)
	}
	return day.UTC().Format("2006/01/02/") + uuid.NewSHA1(uuid.NameSpaceOID, ids).String()
}
