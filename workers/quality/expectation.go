package quality

import (
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Expectation is one thing that a record must be. It is a value: constructors make it, suites list it.
type Expectation struct {
	Name     string // unique within its suite, lower case; the word that verdicts, reports and operators use
	Severity store.Severity
	Fields   []string // what it looks at; a failure names the first
	Limit    string   // what must be so, for verdicts and documentation

	// met says whether the record meets the expectation. Where it does not, observed is what was found: empty for a
	// field that is absent. It must not keep or change the subject.
	met func(*subject) (observed string, ok bool)
}

// AsWarning is the same expectation with less weight: a record that fails it passes all the same.
func (e Expectation) AsWarning() Expectation {
	e.Severity = store.SeverityWarning
	return e
}

// maxObservedBytes bounds what a failure quotes.
const maxObservedBytes = 80

func (e Expectation) failure(observed string) store.Failure {
	return store.Failure{
		Expectation: e.Name, Severity: e.Severity, Field: e.Fields[0],
		Observed: events.Cut(observed, maxObservedBytes), Limit: e.Limit,
	}
}

// subject is the record before its judge.
//
// Its accessors do not see a field that has a fault: that it is not what the contract says is reported once, and
// nothing else is made of its value.
type subject struct {
	doc    events.Doc
	prior  *events.Doc // watched fields of the version before; nil where there was none
	faults []events.Fault
	now    time.Time
}

func (s *subject) faulty(field string) bool {
	for i := range s.faults {
		if s.faults[i].Field == field {
			return true
		}
	}
	return false
}

func (s *subject) text(field string) (string, bool) {
	value, ok := s.doc.Text(field)
	return value, ok && !s.faulty(field)
}

func (s *subject) number(field string) (float64, bool) {
	value, ok := s.doc.Number(field)
	return value, ok && !s.faulty(field)
}

func (s *subject) time(field string) (time.Time, bool) {
	value, ok := s.doc.Time(field)
	return value, ok && !s.faulty(field)
}

// observed is a field's value as text: a string without its quotes, anything else as JSON. Empty where it is absent.
func (s *subject) observed(field string) string { return observedIn(s.doc, field) }

func observedIn(doc events.Doc, field string) string {
	if text, ok := doc.Text(field); ok {
		return text
	}
	if raw, ok := doc.Raw(field); ok && doc.Has(field) {
		return string(raw)
	}
	return ""
}

// pair is what was observed of two fields.
func (s *subject) pair(first, second string) string {
	return s.observed(first) + ", " + second + " " + s.observed(second)
}
