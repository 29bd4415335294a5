package events

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"
)

// Doc is a record's document, taken apart for reading. It shares the memory that it was parsed from, which must not
// change. The zero Doc has no fields. Safe for concurrent reads.
//
// The accessors report false for a field that is absent, null or of another type: what cannot be read is not there.
type Doc struct{ members []member }

var errNotObject = errors.New("not one JSON object")

// ParseDoc takes a document apart: what Normalise wrote, or what Postgres made of it. Any other JSON object will do.
func ParseDoc(data []byte) (Doc, error) {
	if !json.Valid(data) {
		return Doc{}, errNotObject
	}
	data = trimJSONSpace(data)
	if data[0] != '{' {
		return Doc{}, errNotObject
	}
	return Doc{members: sortMembers(appendMembers(make([]member, 0, 64), data))}, nil
}

// Has says whether a field says anything: it is there, not null and not an empty text.
func (d Doc) Has(name string) bool {
	raw, ok := findMember(d.members, name)
	return ok && !isEmpty(raw)
}

// Raw gives a field's JSON text.
func (d Doc) Raw(name string) ([]byte, bool) { return findMember(d.members, name) }

// Text gives a text that is not empty, spaces around it trimmed.
func (d Doc) Text(name string) (string, bool) {
	raw, ok := findMember(d.members, name)
	if !ok {
		return "", false
	}
	text, ok := stringOf(raw)
	return text, ok && text != ""
}

// Decimal gives a number as it is written: exact.
func (d Doc) Decimal(name string) (json.Number, bool) {
	raw, ok := findMember(d.members, name)
	if !ok || !isNumber(raw) {
		return "", false
	}
	return json.Number(raw), true
}

// Number gives a number, finite and as near as a float64 comes. Use Decimal where cents must add up.
func (d Doc) Number(name string) (float64, bool) {
	decimal, ok := d.Decimal(name)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseFloat(string(decimal), 64)
	return number, err == nil
}

// Integer gives a whole number.
func (d Doc) Integer(name string) (int64, bool) {
	decimal, ok := d.Decimal(name)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseInt(string(decimal), 10, 64)
	return number, err == nil
}

// Bool gives a boolean.
func (d Doc) Bool(name string) (value, ok bool) {
	raw, ok := findMember(d.members, name)
	if !ok || raw[0] != 't' && raw[0] != 'f' {
		return false, false
	}
	return raw[0] == 't', true
}

// List gives a list's texts; other items are left out.
func (d Doc) List(name string) ([]string, bool) {
	raw, ok := findMember(d.members, name)
	if !ok || raw[0] != '[' {
		return nil, false
	}
	var texts []string
	for _, item := range items(raw) {
		if text, ok := stringOf(item); ok && text != "" {
			texts = append(texts, text)
		}
	}
	return texts, true
}

// Time gives a date, as its midnight in UTC, or a timestamp.
func (d Doc) Time(name string) (time.Time, bool) {
	raw, ok := findMember(d.members, name)
	if !ok {
		return time.Time{}, false
	}
	return timestampOf(raw)
}
