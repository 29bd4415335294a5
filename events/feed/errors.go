package feed

import (
	"errors"
	"fmt"
	"strings"

	"github.com/codybias9/real-estate-os/events"
)

// LineError says that one line, row or record of a feed is no event. Reading goes on behind it.
type LineError struct {
	Line   int64  `json:"line"`             // where it begins, from 1
	Record int64  `json:"record,omitempty"` // its number, from 1, in formats that need not break lines
	Field  string `json:"field,omitempty"`  // empty where the whole record is meant
	Must   string `json:"must"`             // what it must be, as the end of a sentence
	Got    string `json:"got,omitempty"`    // what was found, shortened and quoted
}

func (e *LineError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "line %d", e.Line)
	if e.Record > 0 {
		fmt.Fprintf(&s, ", record %d", e.Record)
	}
	s.WriteString(": ")
	if e.Field != "" {
		s.WriteString(e.Field + " ")
	}
	s.WriteString("must be " + e.Must)
	if e.Got != "" {
		s.WriteString(", got " + e.Got)
	}
	return s.String()
}

// refuse makes a LineError without its place, which the reader knows; got is shortened.
func refuse(field, must, got string) *LineError {
	return &LineError{Field: field, Must: must, Got: events.Shorten(got, maxGot)}
}

const maxGot = 80

// refusal turns what the contract says of an event into a LineError.
func refusal(err error) error {
	if rejection, ok := errors.AsType[*events.Rejection](err); ok {
		return &LineError{Field: rejection.Field, Must: rejection.Must, Got: rejection.Got}
	}
	return err
}

// at gives a LineError its place and leaves any other error, and nil, as it is.
func at(err error, line, record int64) error {
	if refused, ok := errors.AsType[*LineError](err); ok {
		refused.Line, refused.Record = line, record
	}
	return err
}
