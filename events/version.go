package events

import (
	"cmp"
	"time"
)

// Version orders the states of one record: by the upstream's modification time, then by its sequence.
//
// Invariant 3: a record never goes backwards. Every write compares versions and nothing else.
type Version struct {
	At       time.Time // ModificationTimestamp, microsecond precision, UTC
	Sequence int64     // the event's sequence attribute, 0 where the upstream sends none
}

// Compare returns -1, 0 or +1 as v is older than, the same as or newer than other.
func (v Version) Compare(other Version) int {
	if c := v.At.Compare(other.At); c != 0 {
		return c
	}
	return cmp.Compare(v.Sequence, other.Sequence)
}

// NewVersion cuts the time to what every store can hold: microseconds, UTC.
func NewVersion(at time.Time, sequence int64) Version {
	return Version{At: at.UTC().Truncate(time.Microsecond), Sequence: sequence}
}
