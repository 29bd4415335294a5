package events

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// field writes a known field's value in its contract's type. It reports false, and may have written a part, when the
// value cannot be read as that type.
func (n *normaliser) field(f Field, raw []byte) bool {
	if isNull(raw) || f.Kind != KindText && isEmpty(raw) {
		n.out = append(n.out, "null"...)
		return true
	}
	switch f.Kind {
	case KindText:
		return n.textField(f, raw)
	case KindTextList:
		return n.listField(f, raw)
	case KindDecimal, KindDegrees, KindInteger:
		return n.numberField(f, raw)
	case KindBoolean:
		value, ok := booleanOf(raw)
		n.out = append(n.out, value...)
		return ok
	case KindDate:
		day, ok := dateOf(raw)
		n.out = append(n.out, '"')
		n.out = append(day.AppendFormat(n.out, time.DateOnly), '"')
		return ok
	case KindTimestamp:
		at, ok := timestampOf(raw)
		n.out = appendTimestamp(n.out, at)
		return ok
	}
	return false
}

func (n *normaliser) textField(f Field, raw []byte) bool {
	if raw[0] == '"' && isTidy(raw) && withinLength(raw[1:len(raw)-1], f.MaxLength) {
		n.out = append(n.out, raw...)
		return true
	}
	value, ok := textOf(raw)
	if !ok || !withinLength([]byte(value), f.MaxLength) {
		return false
	}
	n.out = appendString(n.out, value)
	return true
}

// isTidy says whether a JSON string is written as we would write it: no escapes, no space around its text.
func isTidy(raw []byte) bool {
	if len(raw) == 2 {
		return true
	}
	first, last := raw[1], raw[len(raw)-2]
	return bytes.IndexByte(raw, '\\') < 0 && first > ' ' && last > ' ' && first < 0x80 && last < 0x80
}

func withinLength(text []byte, limit int) bool {
	return limit == 0 || len(text) <= limit || utf8.RuneCount(text) <= limit
}

// listField writes a list of texts. Empty items say nothing and are left out.
func (n *normaliser) listField(f Field, raw []byte) bool {
	var texts []string
	switch raw[0] {
	case '"':
		all, _ := stringOf(raw)
		texts = strings.Split(all, ",")
	case '[':
		for _, item := range items(raw) {
			if isNull(item) {
				continue
			}
			one, ok := textOf(item)
			if !ok {
				return false
			}
			texts = append(texts, one)
		}
	default:
		return false
	}
	n.out = append(n.out, '[')
	first := true
	for _, one := range texts {
		one = strings.TrimSpace(one)
		if one == "" {
			continue
		}
		if !withinLength([]byte(one), f.MaxLength) {
			return false
		}
		if !first {
			n.out = append(n.out, ',')
		}
		first = false
		n.out = appendString(n.out, one)
	}
	n.out = append(n.out, ']')
	return true
}

// numberField writes an exact decimal in plain digits, without zeros that say nothing.
func (n *normaliser) numberField(f Field, raw []byte) bool {
	if isDigits(raw) && len(raw) <= f.Precision-f.Scale { // the usual case needs no arithmetic
		n.out = append(n.out, raw...)
		return true
	}
	text := raw
	if raw[0] == '"' {
		inside, _ := stringOf(raw)
		text = []byte(inside)
	}
	x, ok := parseExact(text)
	if !ok {
		return false
	}
	if f.Kind == KindDegrees {
		x = x.round(f.Scale)
	}
	if x.wholeDigits() > f.Precision-f.Scale || x.fractionDigits() > f.Scale {
		return false
	}
	n.out = x.append(n.out)
	return true
}

func booleanOf(raw []byte) (string, bool) {
	value := string(raw)
	if raw[0] == '"' {
		value, _ = stringOf(raw)
	}
	switch strings.ToLower(value) {
	case "true", "t", "yes", "y", "1":
		return "true", true
	case "false", "f", "no", "n", "0":
		return "false", true
	}
	return "", false
}

// timestampLayouts are tried in this order. Without a zone a time is UTC: ISO 8601, its basic form, and SQL's.
var timestampLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", time.DateOnly, "2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700", "20060102T150405Z07:00", "20060102T150405",
	"20060102",
}

// timestampOf reads a JSON string as a time, in UTC.
func timestampOf(raw []byte) (time.Time, bool) {
	at, ok := timeOf(raw)
	at = at.UTC()
	return at, ok && at.Year() >= 1 && at.Year() <= 9999
}

// dateOf reads a JSON string as a date. Of a time it is the date as written, whatever the zone.
func dateOf(raw []byte) (time.Time, bool) {
	at, ok := timeOf(raw)
	return at, ok && at.Year() >= 1 && at.Year() <= 9999
}

func timeOf(raw []byte) (time.Time, bool) {
	text, ok := stringOf(raw)
	if !ok || len(text) < len("20060102") || len(text) > len("2006-01-02T15:04:05.999999999+00:00") {
		return time.Time{}, false
	}
	if len(text) == len(time.DateOnly) {
		at, err := time.Parse(time.DateOnly, text)
		return at, err == nil
	}
	for _, layout := range timestampLayouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}
