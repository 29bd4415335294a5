package store

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// FreshnessState says how late unfinished work is: of a stage, a source or a tenant.
type FreshnessState string

// The states, in the order of badness.
const (
	Fresh    FreshnessState = "fresh"    // nothing is late, and the source is known to live
	Unknown  FreshnessState = "unknown"  // nothing is late, and nobody knows whether anything should have come
	Late     FreshnessState = "late"     // the oldest unfinished work is older than it should be
	Warning  FreshnessState = "warning"  // somebody must look, today
	Critical FreshnessState = "critical" // somebody must look, now
)

// FreshnessStates lists every state, the worst last.
var FreshnessStates = []FreshnessState{Fresh, Unknown, Late, Warning, Critical}

// Worse says whether s is worse than other. A state that is none is better than all.
func (s FreshnessState) Worse(other FreshnessState) bool { return s.Badness() > other.Badness() }

// Badness is the state's place in FreshnessStates; -1 for what is none.
func (s FreshnessState) Badness() int {
	for i, state := range FreshnessStates {
		if s == state {
			return i
		}
	}
	return -1
}

// Thresholds say from which age on unfinished work is late.
type Thresholds struct {
	Late, Warning, Critical time.Duration
	// Silence is how long a source may give no sign of life before nobody knows whether it lives; 0 = as it promises
	// with its heartbeats, or as its events of late let one expect.
	Silence time.Duration
}

// DefaultThresholds hold where a tenant has none of its own.
var DefaultThresholds = Thresholds{Late: 2 * time.Hour, Warning: 4 * time.Hour, Critical: 8 * time.Hour}

// Check says what is wrong with thresholds; nil when nothing is.
func (t Thresholds) Check() error {
	switch {
	case t.Late <= 0:
		return fmt.Errorf("late must be more than 0s, got %s", t.Late)
	case t.Warning <= t.Late:
		return fmt.Errorf("warning must be more than late (%s), got %s", t.Late, t.Warning)
	case t.Critical <= t.Warning:
		return fmt.Errorf("critical must be more than warning (%s), got %s", t.Warning, t.Critical)
	case t.Silence < 0:
		return fmt.Errorf("silence must be 0s (as learned) or more, got %s", t.Silence)
	}
	return nil
}

// State is that of work of an age, and how long it has been in it; 0 for Fresh.
func (t Thresholds) State(age time.Duration) (state FreshnessState, lasted time.Duration) {
	switch {
	case age > t.Critical:
		return Critical, age - t.Critical
	case age > t.Warning:
		return Warning, age - t.Warning
	case age >= t.Late:
		return Late, age - t.Late
	}
	return Fresh, 0
}

// NextAfter is the age at which work of an age comes into a worse state; 0 where there is none.
func (t Thresholds) NextAfter(age time.Duration) time.Duration {
	for _, bound := range []time.Duration{t.Late, t.Warning, t.Critical} {
		if age <= bound {
			return bound
		}
	}
	return 0
}

// TenantThresholds are thresholds that somebody set.
type TenantThresholds struct {
	Tenant uuid.UUID
	Source string // empty: of all the tenant's sources that have none of their own
	Thresholds
	By string
	At time.Time
}

// SLIWindows are the windows that success is told over.
var SLIWindows = []SLIWindow{{"1h", time.Hour}, {"24h", 24 * time.Hour}}

// SLIWindow is a length of time before now.
type SLIWindow struct {
	Name string
	Back time.Duration
}

// Success rates of the runbook: at least SuccessTarget is well, below SuccessWarning and SuccessCritical it is not.
const (
	SuccessTarget   = 0.95
	SuccessWarning  = 0.90
	SuccessCritical = 0.80

	// SuccessLeast is how many events must have ended for a rate to mean something.
	SuccessLeast = 20
)

// SuccessState judges a success rate. Between warning and target it is Late: worth a look, and nobody's sleep.
func SuccessState(rate float64, ended int) FreshnessState {
	switch {
	case ended < SuccessLeast:
		return Unknown
	case rate < SuccessCritical:
		return Critical
	case rate < SuccessWarning:
		return Warning
	case rate < SuccessTarget:
		return Late
	}
	return Fresh
}

// CoverageFields are the fields whose presence is measured, by the name that people know them by.
var CoverageFields = []string{
	"price", "status", "address", "coordinates", "bedrooms", "bathrooms", "living_area", "year_built", "remarks",
}

// TimeBuckets are the upper bounds of the histogram of searchable times; one more bucket holds what took longer.
var TimeBuckets = func() []time.Duration {
	var bounds []time.Duration
	for bound := 10 * time.Millisecond; bound < 48*time.Hour; bound *= 2 {
		bounds = append(bounds, bound)
	}
	return bounds
}()

// SearchableTimes counts, per hour, how long a tenant's events took until search found them.
type SearchableTimes struct {
	Tenant  uuid.UUID
	Hour    time.Time
	Entry   EntryLane
	Buckets []int64 // one more than TimeBuckets
}

// TimeBucket is the bucket of a time.
func TimeBucket(took time.Duration) int {
	for i, bound := range TimeBuckets {
		if took <= bound {
			return i
		}
	}
	return len(TimeBuckets)
}

// Heartbeat is a source's word that it lives, though it may have nothing to send.
type Heartbeat struct {
	Source string
	At     time.Time     // when the source said so; what lies ahead of the clock counts as now
	Every  time.Duration // until the next one, at most; 0 = not promised
}
