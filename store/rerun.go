package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

// RerunSelection is which stored records a rerun works on again, and from where. Zero fields do not narrow.
type RerunSelection struct {
	Stage  events.Stage        `json:"stage"`            // of events.Pausable
	Types  []events.RecordType `json:"types,omitempty"`  // all that the stage works on where empty
	Since  time.Time           `json:"since,omitzero"`   // accepted last at or after it
	Until  time.Time           `json:"until,omitzero"`   // accepted last before it
	Keys   []string            `json:"keys,omitempty"`   // these records only
	Fields map[string]string   `json:"fields,omitempty"` // of the document, by name: its value as text
	Passed *bool               `json:"passed,omitempty"` // by the verdict on the newest version
	Model  string              `json:"model"`            // of the vectors that indexing takes
}

// RecordTypes lists the types that are selected: those asked for of the ones that the stage works on.
func (s RerunSelection) RecordTypes() []events.RecordType {
	asked := s.Types
	if len(asked) == 0 {
		asked = events.RecordTypes
	}
	var types []events.RecordType
	for _, record := range asked {
		if record.Searchable() || s.Stage == events.Ingestion || s.Stage == events.Quality {
			types = append(types, record)
		}
	}
	return types
}

// RerunPreview is what a rerun would work on.
type RerunPreview struct {
	Selected int64            // records
	LeftOut  map[string]int64 // records that match and are not eligible, by why: SkipDeleted and so on
	Sample   []RunItem        // the first of the selected
}

// SelectionError says what is wrong with what was asked for.
type SelectionError struct {
	Field string // stage, types, until or filter
	Must  string // what it must be, as the end of a sentence: "must be …"
}

func (e *SelectionError) Error() string { return e.Field + " must be " + e.Must }

// Check says whether a selection can be worked on. The error is a *SelectionError.
func (s RerunSelection) Check() error {
	switch {
	case !slices.Contains(events.Pausable, s.Stage):
		return &SelectionError{"stage", "ingestion, quality, embedding or indexing"}
	case slices.ContainsFunc(s.Types, func(t events.RecordType) bool { return !slices.Contains(events.RecordTypes, t) }):
		return &SelectionError{"types", fmt.Sprintf("of %v", events.RecordTypes)}
	case len(s.RecordTypes()) == 0:
		return &SelectionError{"types", fmt.Sprintf("property: that is all that %s works on", s.Stage)}
	case !s.Until.IsZero() && !s.Since.Before(s.Until):
		return &SelectionError{"until", "behind since"}
	}
	return nil
}

// verdictFilter is the one filter that is about a record's verdict, not about a field.
const verdictFilter = "verdict"

// Narrow adds a filter: a field of the document and its value as text, or verdict=passed, verdict=quarantined. The error is
// a *SelectionError.
func (s *RerunSelection) Narrow(field, value string) error {
	if field == "" {
		return &SelectionError{"filter", "a field and its value"}
	}
	if field != verdictFilter {
		if s.Fields == nil {
			s.Fields = map[string]string{}
		}
		s.Fields[field] = value
		return nil
	}
	passed := value == "passed"
	if !passed && value != string(events.Quarantine) {
		return &SelectionError{"filter", "verdict=passed or verdict=quarantined"}
	}
	s.Passed = &passed
	return nil
}
