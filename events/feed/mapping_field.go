package feed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fieldSpec says where one field's value comes from: exactly one of Column, Const and Template.
type fieldSpec struct {
	Column   string            `yaml:"column"`
	Const    *string           `yaml:"const"`
	Template string            `yaml:"template"`
	Type     fieldType         `yaml:"type"` // empty: as the contract says
	Layout   string            `yaml:"layout"`
	Round    rounding          `yaml:"round"`
	Values   map[string]string `yaml:"values"` // the column's text → what it means
	Empty    []string          `yaml:"empty"`  // texts that mean no value, beside the mapping's own
}

// UnmarshalYAML takes a bare text as the column's name.
func (f *fieldSpec) UnmarshalYAML(unmarshal func(any) error) error {
	var column string
	if err := unmarshal(&column); err == nil {
		*f = fieldSpec{Column: column}
		return nil
	}
	type plain fieldSpec // without this method
	return unmarshal((*plain)(f))
}

// fieldType is how a column's text is written in JSON.
type fieldType string

const (
	typeText      fieldType = "text"
	typeInteger   fieldType = "integer" // 3, 3.0, 3e0
	typeDecimal   fieldType = "decimal" // any number, as it is written, exponent and all
	typeDate      fieldType = "date"
	typeTimestamp fieldType = "timestamp"
	typeBoolean   fieldType = "boolean" // true/false, yes/no, y/n, t/f, 1/0
)

var fieldTypes = []fieldType{typeText, typeInteger, typeDecimal, typeDate, typeTimestamp, typeBoolean}

// rounding makes a whole number of a fraction.
type rounding string

const (
	roundUp      rounding = "up"
	roundDown    rounding = "down"
	roundNearest rounding = "nearest" // half away from zero
)

func (f fieldSpec) check() error {
	var wrong problems
	sources := 0
	for _, given := range []bool{f.Column != "", f.Const != nil, f.Template != ""} {
		if given {
			sources++
		}
	}
	if sources != 1 {
		wrong.add("needs one of column, const and template, and only one")
	}
	if f.Type != "" && !slices.Contains(fieldTypes, f.Type) {
		wrong.add("type must be one of %v, got %q", fieldTypes, f.Type)
	}
	if f.Round != "" && !slices.Contains([]rounding{roundUp, roundDown, roundNearest}, f.Round) {
		wrong.add("round must be up, down or nearest, got %q", f.Round)
	}
	if f.Column == "" && (f.Layout != "" || f.Round != "" || f.Values != nil || f.Empty != nil) {
		wrong.add("layout, round, values and empty need a column")
	}
	if err := checkLayout(f.Layout); err != nil {
		wrong.add("layout %v", err)
	}
	if _, err := parseTemplate(f.Template); err != nil {
		wrong.add("%v", err)
	}
	return wrong.err()
}

// checkLayout refuses a layout that says nothing of a date: people write YYYY-MM-DD.
func checkLayout(layout string) error {
	probe := time.Date(2031, 11, 28, 0, 0, 0, 0, time.UTC)
	if layout == "" {
		return nil
	}
	if at, err := time.Parse(layout, probe.Format(layout)); err == nil && at.Equal(probe) {
		return nil
	}
	return fmt.Errorf("must write 2 January 2006, 15:04:05 as the file would, such as 20060102T150405, got %q", layout)
}

// location finds a time zone; the empty name is UTC.
func location(name string) (*time.Location, error) {
	if name == "Local" { // differs from machine to machine
		return nil, errors.New("unknown time zone Local")
	}
	return time.LoadLocation(name)
}

// templatePart is a text, or a column's value.
type templatePart struct {
	text   string
	column string // empty for a text
}

// parseTemplate takes "King County, WA {zipcode}" apart. Braces that are doubled are plain ones.
func parseTemplate(template string) ([]templatePart, error) {
	var parts []templatePart
	var text strings.Builder
	for i := 0; i < len(template); i++ {
		c := template[i]
		doubled := i+1 < len(template) && template[i+1] == c
		switch {
		case (c == '{' || c == '}') && doubled:
			text.WriteByte(c)
			i++
		case c == '{':
			name, _, closed := strings.Cut(template[i+1:], "}")
			if !closed || name == "" || strings.Contains(name, "{") {
				return nil, fmt.Errorf("template must name a column in each pair of braces, got %q", template)
			}
			parts = append(parts, templatePart{text: text.String()}, templatePart{column: name})
			text.Reset()
			i += len(name) + 1
		case c == '}':
			return nil, fmt.Errorf("template must open each brace that it closes, got %q", template)
		default:
			text.WriteByte(c)
		}
	}
	return append(parts, templatePart{text: text.String()}), nil
}
