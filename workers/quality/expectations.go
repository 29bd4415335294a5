package quality

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/codybias9/real-estate-os/store"
)

// The constructors of expectations on one field. Unless it says otherwise, an expectation is an error, and says
// nothing of a field that is absent, null or not of the contract's type: that is for Required and the contract.

// Required wants a field to say something: not null, not an empty text.
func Required(name, field string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: "present",
		met: func(s *subject) (string, bool) { return "", s.doc.Has(field) },
	}
}

// RequiredOneOf wants at least one of several fields.
func RequiredOneOf(name string, fields ...string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: fields, Limit: "present, or else " + strings.Join(fields[1:], " or "),
		met: func(s *subject) (string, bool) { return "", slices.ContainsFunc(fields, s.doc.Has) },
	}
}

// RequiredWhen wants a field where another has a certain text.
func RequiredWhen(name, field, other, value string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field, other},
		Limit: fmt.Sprintf("present where %s is %s", other, value),
		met: func(s *subject) (string, bool) {
			text, _ := s.text(other)
			return "", text != value || s.doc.Has(field)
		},
	}
}

// OneOf wants a text to be one of a set, letter by letter.
func OneOf(name, field string, allowed ...string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: "one of " + strings.Join(allowed, ", "),
		met: func(s *subject) (string, bool) {
			text, ok := s.text(field)
			return text, !ok || slices.Contains(allowed, text)
		},
	}
}

// MaxLength bounds a text, in characters.
func MaxLength(name, field string, limit int) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: fmt.Sprintf("at most %d characters", limit),
		met: func(s *subject) (string, bool) {
			text, ok := s.text(field)
			if !ok || len(text) <= limit {
				return "", true
			}
			length := utf8.RuneCountInString(text)
			return strconv.Itoa(length) + " characters", length <= limit
		},
	}
}

// Matching wants a text of a form; limit describes the form.
func Matching(name, field, limit string, matches func(string) bool) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: limit,
		met: func(s *subject) (string, bool) {
			text, ok := s.text(field)
			return text, !ok || matches(text)
		},
	}
}

// Between wants a number within bounds, both included.
func Between(name, field string, low, high float64) Expectation {
	return numeric(name, field, fmt.Sprintf("from %s to %s", plain(low), plain(high)),
		func(n float64) bool { return n >= low && n <= high })
}

// Positive wants a number above zero and at most high.
func Positive(name, field string, high float64) Expectation {
	return numeric(name, field, fmt.Sprintf("above 0 and at most %s", plain(high)),
		func(n float64) bool { return n > 0 && n <= high })
}

// NotNegative wants a number of zero or more.
func NotNegative(name, field string) Expectation {
	return numeric(name, field, "0 or more", func(n float64) bool { return n >= 0 })
}

func numeric(name, field, limit string, within func(float64) bool) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: limit,
		met: func(s *subject) (string, bool) {
			number, ok := s.number(field)
			if !ok || within(number) {
				return "", true
			}
			return s.observed(field), false
		},
	}
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// YearBetween wants a year from first on that is at most the next one.
func YearBetween(name, field string, first int) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: fmt.Sprintf("a year from %d to the next one", first),
		met: func(s *subject) (string, bool) {
			year, ok := s.number(field)
			if !ok || year >= float64(first) && year <= float64(s.now.UTC().Year()+1) {
				return "", true
			}
			return s.observed(field), false
		},
	}
}

// zoneTolerance is how far a date may lie ahead of the clock: it may be tomorrow already where it was written.
const zoneTolerance = 24 * time.Hour

// NotFuture wants a date or time that is not ahead of the clock by more than a day.
func NotFuture(name, field string) Expectation {
	return Expectation{
		Name: name, Severity: store.SeverityError, Fields: []string{field}, Limit: "not in the future (a day ahead is let pass, for time zones)",
		met: func(s *subject) (string, bool) {
			at, ok := s.time(field)
			if !ok || !at.After(s.now.Add(zoneTolerance)) {
				return "", true
			}
			return s.observed(field), false
		},
	}
}
