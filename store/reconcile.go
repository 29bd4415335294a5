package store

import (
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// FindingKind is a way in which two stores disagree.
type FindingKind string

// The kinds.
const (
	PointMissing      FindingKind = "missing"        // a property that search should find has no point
	PointExtra        FindingKind = "extra"          // a point of a property that search should not find, or that there is not
	PointWrongVersion FindingKind = "wrong_version"  // a point of another version than the property's newest
	PointWrongTenant  FindingKind = "wrong_tenant"   // a point that says it is the tenant's under an id that is not
	IndexBehind       FindingKind = "index_behind"   // the index entry is not of the newest version, and nothing is on its way
	ObjectMissing     FindingKind = "object_missing" // raw bytes lie in an object that does not exist, or ends before them
	ObjectExtra       FindingKind = "object_extra"   // an archived object in which no event's raw bytes lie
)

// FindingKinds lists every kind.
var FindingKinds = []FindingKind{
	PointMissing, PointExtra, PointWrongVersion, PointWrongTenant, IndexBehind, ObjectMissing, ObjectExtra,
}

// Finding is one disagreement between two stores. It names what is concerned and holds nothing of its content.
type Finding struct {
	Kind   FindingKind `json:"kind"`
	Key    string      `json:"record_key,omitempty"`
	Point  string      `json:"point_id,omitempty"`   // where no key tells
	Object string      `json:"object_key,omitempty"` // `<tenant_id>/raw/…`
	Detail string      `json:"detail"`
}

// IndexStanding is what Postgres says of a property's place in the index.
type IndexStanding struct {
	Key        string
	Version    events.Version // the newest
	Deleted    bool
	Judged     bool // the newest version has a verdict
	Passed     bool // and passed
	Embedded   bool // the newest version has a vector
	Unfinished bool // the event that brought the newest version is on its way
	Event      uuid.UUID
	OccurredAt time.Time   // of that event
	Entry      *IndexEntry // nil = the index was never told
}

// Wanted says whether search should find the property. It reports false where that is not decided: the newest version
// is not judged, or passed and is not embedded.
func (s IndexStanding) Wanted() (present, decided bool) {
	switch {
	case s.Deleted, s.Judged && !s.Passed:
		return false, true
	case s.Judged && s.Embedded:
		return true, true
	}
	return false, false
}

// Same reports that nothing has happened between two looks at a property.
func (s IndexStanding) Same(other IndexStanding) bool {
	if (s.Entry == nil) != (other.Entry == nil) || s.Entry != nil &&
		(s.Entry.Version.Compare(other.Entry.Version) != 0 || s.Entry.Present != other.Entry.Present) {
		return false
	}
	return s.Key == other.Key && s.Event == other.Event && s.Version.Compare(other.Version) == 0 &&
		s.Judged == other.Judged && s.Passed == other.Passed && s.Embedded == other.Embedded && s.Unfinished == other.Unfinished
}

// PointRef is a point as a listing shows it.
type PointRef struct {
	ID      string // a UUID; a number where somebody else made the point
	Key     string
	Version events.Version // zero where the point does not say
}

// ArchiveObject is an object of the raw archive: as Postgres refers to it, or as the object store holds it.
type ArchiveObject struct {
	Key      string    // `<tenant_id>/raw/…`
	Bytes    int64     // its size, or what it must have at least
	Modified time.Time // zero as Postgres refers to it
}
