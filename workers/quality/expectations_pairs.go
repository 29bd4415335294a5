package quality

import (
	"fmt"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// The constructors of expectations on several fields, or on a field and the version before. They say nothing where
// one of the two is missing.

// AtMost wants one number not above another.
func AtMost(name, field, other string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field, other}, Limit: "at most " + other,
		met: func(s *subject) (string, bool) {
			a, ok := s.number(field)
			b, okB := s.number(other)
			if !ok || !okB || a <= b {
				return "", true
			}
			return s.pair(field, other), false
		},
	}
}

// NotBefore wants one date not before another.
func NotBefore(name, field, other string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field, other}, Limit: "not before " + other,
		met: func(s *subject) (string, bool) {
			a, ok := s.time(field)
			b, okB := s.time(other)
			if !ok || !okB || !a.Before(b) {
				return "", true
			}
			return s.pair(field, other), false
		},
	}
}

// RatioBetween wants one number divided by another within bounds, both included. Numbers of zero or less have no
// ratio: other expectations speak of them.
func RatioBetween(name, field, other string, low, high float64) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field, other},
		Limit: fmt.Sprintf("from %s to %s times %s", plain(low), plain(high), other),
		met: func(s *subject) (string, bool) {
			a, ok := s.number(field)
			b, okB := s.number(other)
			if !ok || !okB || ratioWithin(a, b, low, high) {
				return "", true
			}
			return s.pair(field, other), false
		},
	}
}

func ratioWithin(a, b, low, high float64) bool {
	return a <= 0 || b <= 0 || a >= low*b && a <= high*b
}

// ChangeBetween wants a number within bounds of what it was in the version before. field is one of
// store.WatchedFields.
func ChangeBetween(name, field string, low, high float64) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field},
		Limit: fmt.Sprintf("from %s to %s times what it was", plain(low), plain(high)),
		met: changed(field, func(s *subject, before events.Doc) bool {
			is, ok := s.number(field)
			was, okWas := before.Number(field)
			return !ok || !okWas || ratioWithin(is, was, low, high)
		}),
	}
}

// Unchanged wants a number to be what it was in the version before. field is one of store.WatchedFields.
func Unchanged(name, field string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: "what it was",
		met: changed(field, func(s *subject, before events.Doc) bool {
			is, ok := s.number(field)
			was, okWas := before.Number(field)
			return !ok || !okWas || is == was
		}),
	}
}

// NoTransition wants a text not to go from one value to another. field is one of store.WatchedFields.
func NoTransition(name, field, from, to string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: fmt.Sprintf("not %s after %s", to, from),
		met: changed(field, func(s *subject, before events.Doc) bool {
			is, _ := s.text(field)
			was, _ := before.Text(field)
			return is != to || was != from
		}),
	}
}

// changed checks a field against the version before, where there was one, and says what it was.
func changed(field string, fine func(*subject, events.Doc) bool) func(*subject) (string, bool) {
	return func(s *subject) (string, bool) {
		if s.prior == nil || fine(s, *s.prior) {
			return "", true
		}
		return s.observed(field) + ", was " + observedIn(*s.prior, field), false
	}
}
