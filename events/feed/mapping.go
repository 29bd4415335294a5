package feed

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/codybias9/real-estate-os/events"
)

// Mapping says how the columns of a CSV file become the fields of a record. docs/feeds describes its language. It is
// never written to after LoadMapping: safe for concurrent use.
type Mapping struct {
	path      string
	record    events.RecordType // empty: as the options say
	delimiter byte
	empty     []string
	key       string
	version   versionSpec
	fields    map[string]fieldSpec
}

// mappingFile is the YAML of a mapping.
type mappingFile struct {
	Record    events.RecordType    `yaml:"record"`
	Format    Format               `yaml:"format"`
	Delimiter string               `yaml:"delimiter"`
	Empty     []string             `yaml:"empty"`
	Key       string               `yaml:"key"`
	Version   versionSpec          `yaml:"version"`
	Fields    map[string]fieldSpec `yaml:"fields"`
}

// versionSpec says where a row's version comes from.
type versionSpec struct {
	Column   string `yaml:"column"`
	Layout   string `yaml:"layout"`
	Timezone string `yaml:"timezone"`
	Sequence string `yaml:"sequence"`
}

// LoadMapping reads a mapping. It is strict: an unknown word, type or record type is an error that names it. That
// fields and columns exist is checked by Read, which knows the record type and the header.
func LoadMapping(path string) (*Mapping, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseMapping(path, text)
}

// ParseMapping is LoadMapping of a text; path names it in errors.
func ParseMapping(path string, text []byte) (*Mapping, error) {
	var file mappingFile
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	m := &Mapping{
		path: path, record: file.Record, empty: file.Empty, key: file.Key, version: file.Version, fields: file.Fields,
	}
	if err := m.settle(file); err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return m, nil
}

// settle checks what needs neither record type nor header.
func (m *Mapping) settle(file mappingFile) error {
	var wrong problems
	if file.Format != "" && file.Format != CSV {
		wrong.add("format must be csv, got %q", file.Format)
	}
	if m.record != "" && !slices.Contains(events.RecordTypes, m.record) {
		wrong.add("record must be one of %v, got %q", events.RecordTypes, m.record)
	}
	switch {
	case file.Delimiter == "":
		m.delimiter = ','
	case len(file.Delimiter) == 1 && file.Delimiter[0] < 0x80 && !strings.ContainsAny(file.Delimiter, "\"\r\n\x00"):
		m.delimiter = file.Delimiter[0]
	default:
		wrong.add("delimiter must be one ASCII character other than a quote or a line's end, got %q", file.Delimiter)
	}
	if m.version.Timezone != "" && m.version.Layout == "" {
		wrong.add("version.timezone needs a version.layout")
	}
	if err := checkLayout(m.version.Layout); err != nil {
		wrong.add("version.layout %v", err)
	}
	if _, err := location(m.version.Timezone); err != nil {
		wrong.add("version.timezone must be an IANA name such as America/Los_Angeles, got %q", m.version.Timezone)
	}
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		if err := m.fields[name].check(); err != nil {
			wrong.add("fields.%s: %v", name, err)
		}
	}
	return wrong.err()
}

// check says whether the mapping makes records of a type: it needs a key and a version, and a field that the
// contract does not know must say its type, so that a slip of the pen does not make a field of its own.
func (m *Mapping) check(record events.RecordType) error {
	var wrong problems
	m.demand(&wrong, "key", events.KeyField(record), m.key)
	m.demand(&wrong, "version.column", events.ModificationTimestamp, m.version.Column)
	known := typesOf(record)
	for _, name := range slices.Sorted(maps.Keys(m.fields)) {
		field := m.fields[name]
		if field.Type == "" {
			field.Type = known[name]
		}
		switch {
		case field.Type == "":
			wrong.add("fields.%s is no field of the record type %s; give it a type to keep it beside those", name, record)
		case field.Round != "" && field.Type != typeInteger && field.Type != typeDecimal:
			wrong.add("fields.%s: round needs a number, not the type %s", name, field.Type)
		case field.Layout != "" && field.Type != typeDate && field.Type != typeTimestamp:
			wrong.add("fields.%s: layout needs a date or timestamp, not the type %s", name, field.Type)
		}
	}
	if err := wrong.err(); err != nil {
		return fmt.Errorf("mapping %s: %w", m.path, err)
	}
	return nil
}

// demand wants a field said once: by a word of its own, or among the fields.
func (m *Mapping) demand(wrong *problems, word, field, column string) {
	_, mapped := m.fields[field]
	switch {
	case mapped && column != "":
		wrong.add("%s and fields.%s say the same: leave one out", word, field)
	case !mapped && column == "":
		wrong.add("%s is missing: the column of %s", word, field)
	}
}

// typesOf lists the fields that the contract knows, and how a column becomes each. Lists are split by the contract.
func typesOf(record events.RecordType) map[string]fieldType {
	byKind := map[events.Kind]fieldType{
		events.KindText: typeText, events.KindTextList: typeText, events.KindDecimal: typeDecimal,
		events.KindDegrees: typeDecimal, events.KindInteger: typeInteger, events.KindBoolean: typeBoolean,
		events.KindDate: typeDate, events.KindTimestamp: typeTimestamp,
	}
	types := map[string]fieldType{}
	for _, field := range events.Fields(record) {
		types[field.Name] = byKind[field.Kind]
	}
	return types
}

// problems collects what is wrong, so that all of it is told at once.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p, "; "))
}
