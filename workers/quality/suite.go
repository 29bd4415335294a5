package quality

import (
	"time"
	"unicode"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Suite is what records of one type are judged by. It is a value that nothing changes: safe for concurrent use.
type Suite struct {
	// Name says whose suite it is, and which edition: builtin-property@1. Verdicts keep it; a change of what is
	// expected is a new edition.
	Name         string
	Expectations []Expectation

	contract map[string]Expectation // by field: that it is of the contract's type
	now      func() time.Time
}

// NewSuite makes a suite for records of one type. That every field is of the contract's type is part of it.
func NewSuite(name string, record events.RecordType, expectations ...Expectation) Suite {
	contract := map[string]Expectation{}
	for _, e := range Contract(record) {
		contract[e.Fields[0]] = e
	}
	return Suite{Name: name, Expectations: expectations, contract: contract, now: time.Now}
}

// WithClock is the same suite by another clock.
func (s Suite) WithClock(now func() time.Time) Suite {
	s.now = now
	return s
}

// readable is what everything else needs. It stands for itself: no other expectation is judged where it fails.
var readable = Expectation{
	Name: "document_readable", Severity: store.SeverityError, Fields: []string{"document"}, Limit: "a JSON object",
}

// unknownNumber speaks of fields that the contract does not know: nothing reads them, so they cannot harm.
var unknownNumber = Expectation{
	Name: "unknown_field_number", Severity: store.SeverityWarning, Fields: []string{"unknown fields"}, Limit: events.NumberMust,
}

// Contract lists the expectations that events.Normalise checks: that known fields are of their type and precision.
func Contract(record events.RecordType) []Expectation {
	fields := events.Fields(record)
	all := make([]Expectation, 0, len(fields))
	for _, field := range fields {
		all = append(all, Expectation{
			Name: snakeCase(field.Name) + "_type", Severity: store.SeverityError,
			Fields: []string{field.Name}, Limit: field.Must(),
		})
	}
	return all
}

// Judge says which expectations a version of a record fails. A tombstone passes: there is nothing to expect of it.
// The verdict depends on record and clock alone.
func (s Suite) Judge(record store.StoredRecord) store.Verdict {
	verdict := store.Verdict{
		Ref: record.Ref, Version: record.Version, Suite: s.Name, Passed: true, Failures: []store.Failure{},
	}
	if record.Deleted {
		return verdict
	}
	verdict.Failures = s.failures(record)
	for _, failure := range verdict.Failures {
		if failure.Severity == store.SeverityError {
			verdict.Passed = false
		}
	}
	return verdict
}

func (s Suite) failures(record store.StoredRecord) []store.Failure {
	doc, err := events.ParseDoc(record.Doc)
	if err != nil {
		return []store.Failure{readable.failure("")}
	}
	subject := &subject{doc: doc, faults: record.Faults, now: s.now()}
	if prior, err := events.ParseDoc(record.Prior); err == nil { // no JSON object = no version before
		subject.prior = &prior
	}
	failures := []store.Failure{}
	for _, fault := range record.Faults {
		failures = append(failures, s.contractFailure(fault))
	}
	for _, expectation := range s.Expectations {
		if observed, ok := expectation.met(subject); !ok {
			failures = append(failures, expectation.failure(observed))
		}
	}
	return failures
}

// contractFailure is a fault as a failed expectation.
func (s Suite) contractFailure(fault events.Fault) store.Failure {
	expectation, known := s.contract[fault.Field]
	if !known {
		expectation = unknownNumber
	}
	failure := expectation.failure(fault.Observed)
	failure.Field, failure.Limit = fault.Field, fault.Must
	return failure
}

// snakeCase writes a field's name as expectations are named: WaterfrontYN → waterfront_yn, SHA256 → sha256.
func snakeCase(name string) string {
	var out []rune
	var before rune
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			out = append(out, '_')
		}
		out = append(out, unicode.ToLower(r))
		before = r
	}
	return string(out)
}
