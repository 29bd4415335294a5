package feed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

// binding is a mapping bound to a file's header.
type binding struct {
	fields         []boundField // sorted by name, so that a row always makes the same text
	sequenceColumn int          // -1 = none
}

// boundField writes one field of a record.
type boundField struct {
	name     []byte // as JSON, with its colon
	spec     fieldSpec
	column   int
	template []boundPart
	empty    map[string]bool
	zone     *time.Location
}

// boundPart is a text, or a column's value.
type boundPart struct {
	text   string
	column int // -1 for a text
}

// bind finds the mapping's columns in a header. The error names every column that is not there, and those that are.
func (m *Mapping) bind(header [][]byte, record events.RecordType) (*binding, error) {
	b := binder{types: typesOf(record), columns: map[string]int{}, empty: map[string]bool{"": true}}
	for i, name := range header {
		column := strings.TrimSpace(string(name))
		if _, twice := b.columns[column]; twice {
			b.twice = append(b.twice, column)
		}
		b.columns[column] = i
		b.header = append(b.header, column)
	}
	for _, text := range m.empty {
		b.empty[text] = true
	}
	bound := &binding{sequenceColumn: -1}
	if m.version.Sequence != "" {
		bound.sequenceColumn = b.column("version.sequence", m.version.Sequence)
	}
	b.zone, _ = location(m.version.Timezone) // settle has checked it
	fields := m.allFields(record)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		bound.fields = append(bound.fields, b.field(name, fields[name]))
	}
	if err := b.wrong.err(); err != nil {
		return nil, fmt.Errorf("mapping %s: %w; the file has %s", m.path, err, strings.Join(b.header, ", "))
	}
	return bound, nil
}

// allFields are the mapping's fields, with what key and version say.
func (m *Mapping) allFields(record events.RecordType) map[string]fieldSpec {
	fields := maps.Clone(m.fields)
	if fields == nil {
		fields = map[string]fieldSpec{}
	}
	if m.key != "" {
		fields[events.KeyField(record)] = fieldSpec{Column: m.key, Type: typeText}
	}
	if m.version.Column != "" {
		fields[events.ModificationTimestamp] = fieldSpec{
			Column: m.version.Column, Type: typeTimestamp, Layout: m.version.Layout,
		}
	}
	return fields
}

// binder collects what is wrong while a mapping is bound.
type binder struct {
	types   map[string]fieldType
	zone    *time.Location
	header  []string
	twice   []string
	columns map[string]int
	empty   map[string]bool
	wrong   problems
}

func (b *binder) column(user, name string) int {
	place, ok := b.columns[name]
	switch {
	case !ok:
		b.wrong.add("%s: column %q is not in the file's header", user, name)
	case slices.Contains(b.twice, name):
		b.wrong.add("%s: column %q is twice in the file's header", user, name)
	}
	return place
}

func (b *binder) field(name string, spec fieldSpec) boundField {
	field := boundField{name: append(appendString(nil, []byte(name)), ':'), spec: spec, column: -1, empty: b.empty, zone: time.UTC}
	if spec.Empty != nil {
		field.empty = maps.Clone(b.empty)
		for _, text := range spec.Empty {
			field.empty[text] = true
		}
	}
	if spec.Type == "" {
		field.spec.Type = b.types[name]
	}
	if name == events.ModificationTimestamp {
		field.zone = b.zone
	}
	user := "fields." + name
	if spec.Column != "" {
		field.column = b.column(user, spec.Column)
	}
	if spec.Template != "" {
		parts, _ := parseTemplate(spec.Template) // settle has checked it
		for _, part := range parts {
			bound := boundPart{text: part.text, column: -1}
			if part.column != "" {
				bound.column = b.column(user, part.column)
			}
			field.template = append(field.template, bound)
		}
	}
	return field
}
