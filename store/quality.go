package store

import "github.com/codybias9/real-estate-os/events"

// Quarantine says what keeps a tenant's records from search.
type Quarantine struct {
	Records int  // in quarantine, that were looked at
	More    bool // there are others
	Top     []FailedExpectation
}

// FailedExpectation is an expectation of severity error that records of one type fail.
type FailedExpectation struct {
	Type        events.RecordType
	Expectation string
	Field       string
	Records     int // that fail it
	// Of one of them.
	Key, Observed, Limit string
}
