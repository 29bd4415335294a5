package feed

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// sequence reads the row's sequence.
func (b *binding) sequence(row [][]byte) (int64, error) {
	if b.sequenceColumn < 0 {
		return 0, nil
	}
	text := string(bytes.TrimSpace(row[b.sequenceColumn]))
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, refuse("sequence", "a whole number from 0", text)
	}
	return n, nil
}

// appendRecord appends a row as a JSON object. A field whose value is empty is left out. A value that cannot be read
// as its type is written as the text that it is: the record enters, and quality says what is wrong with it.
func (b *binding) appendRecord(dst []byte, row [][]byte) []byte {
	dst = append(dst, '{')
	for _, field := range b.fields {
		before := len(dst)
		if before > 1 {
			dst = append(dst, ',')
		}
		dst = append(dst, field.name...)
		var there bool
		if dst, there = field.append(dst, row); !there {
			dst = dst[:before]
		}
	}
	return append(dst, '}')
}

// append appends the field's value; it reports false where there is none.
func (f *boundField) append(dst []byte, row [][]byte) ([]byte, bool) {
	switch {
	case f.spec.Const != nil:
		return f.value(dst, []byte(*f.spec.Const)), true
	case f.column < 0:
		return f.filled(dst, row)
	}
	text := bytes.TrimSpace(row[f.column])
	if f.empty[string(text)] {
		return dst, false
	}
	if meaning, ok := f.spec.Values[string(text)]; ok {
		text = []byte(meaning)
	}
	return f.value(dst, text), true
}

// filled appends the field's template, filled in. A template with an empty column says nothing.
func (f *boundField) filled(dst []byte, row [][]byte) ([]byte, bool) {
	var all []byte
	for _, part := range f.template {
		if part.column < 0 {
			all = append(all, part.text...)
			continue
		}
		text := bytes.TrimSpace(row[part.column])
		if f.empty[string(text)] {
			return dst, false
		}
		all = append(all, text...)
	}
	return f.value(dst, all), true
}

// value appends a text as the field's type.
func (f *boundField) value(dst, text []byte) []byte {
	switch f.spec.Type {
	case typeInteger, typeDecimal:
		if number, ok := f.number(text); ok {
			return append(dst, number...)
		}
	case typeBoolean:
		switch strings.ToLower(string(text)) {
		case "true", "t", "yes", "y", "1":
			return append(dst, "true"...)
		case "false", "f", "no", "n", "0":
			return append(dst, "false"...)
		}
	case typeDate, typeTimestamp:
		if at, ok := f.time(string(text)); ok {
			text = []byte(at)
		}
	}
	return appendString(dst, text)
}

// time gives a text as RFC 3339 writes dates and times. Without a layout the contract reads it.
func (f *boundField) time(text string) (string, bool) {
	if f.spec.Layout == "" {
		return "", false
	}
	at, err := time.ParseInLocation(f.spec.Layout, text, f.zone)
	if err != nil {
		return "", false
	}
	if f.spec.Type == typeDate {
		return at.Format(time.DateOnly), true
	}
	return at.UTC().Format(time.RFC3339Nano), true
}

// number gives a text as a JSON number: rounded where the mapping says so, and whole where it is an integer.
func (f *boundField) number(text []byte) ([]byte, bool) {
	if !json.Valid(text) || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return nil, false
	}
	if f.spec.Round == "" && (f.spec.Type == typeDecimal || !bytes.ContainsAny(text, ".eE")) {
		return text, true
	}
	const exact = 1 << 53 // float64 counts no further one by one
	x, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(x) > exact {
		return nil, false
	}
	switch f.spec.Round {
	case roundUp:
		x = math.Ceil(x)
	case roundDown:
		x = math.Floor(x)
	case roundNearest:
		x = math.Round(x)
	default:
		if x != math.Trunc(x) {
			return nil, false
		}
	}
	return strconv.AppendInt(nil, int64(x), 10), true
}

// appendString appends text as a JSON string. Bytes that are no UTF-8 stay: the contract refuses them.
func appendString(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
