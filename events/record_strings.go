package events

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// unquote appends the text of a JSON string's inside, escapes resolved. Half a surrogate pair becomes U+FFFD.
func unquote(dst, inside []byte) []byte {
	for i := 0; i < len(inside); i++ {
		if inside[i] != '\\' {
			dst = append(dst, inside[i])
			continue
		}
		i++
		switch c := inside[i]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, size := unquoteRune(inside[i-1:])
			dst = utf8.AppendRune(dst, r)
			i += size - 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// unquoteRune reads a \uXXXX escape, or two that form a pair, and says how long it is.
func unquoteRune(escape []byte) (rune, int) {
	first := hexRune(escape[2:6])
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if len(escape) >= 12 && escape[6] == '\\' && escape[7] == 'u' {
		if r := utf16.DecodeRune(first, hexRune(escape[8:12])); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func hexRune(digits []byte) rune {
	var r rune
	for _, c := range digits {
		switch {
		case c <= '9':
			r = r<<4 | rune(c-'0')
		default:
			r = r<<4 | rune(c|0x20-'a'+10)
		}
	}
	return r
}

// appendString appends s as a JSON string with the fewest escapes.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0 // of what needs no escape
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[start:]...), '"')
}

func appendTimestamp(dst []byte, at time.Time) []byte {
	dst = append(dst, '"')
	dst = at.UTC().Truncate(time.Microsecond).AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func isNull(raw []byte) bool { return raw[0] == 'n' }

// isEmpty says whether a value says nothing: null, or a string of spaces at most.
func isEmpty(raw []byte) bool {
	text, isString := stringOf(raw)
	return isNull(raw) || isString && text == ""
}

// stringOf gives the text of a JSON string, spaces around it trimmed. It reports false for any other value.
func stringOf(raw []byte) (string, bool) {
	if raw[0] != '"' {
		return "", false
	}
	inside := raw[1 : len(raw)-1]
	if bytes.IndexByte(inside, '\\') >= 0 {
		inside = unquote(make([]byte, 0, len(inside)), inside)
	}
	return strings.TrimSpace(string(inside)), true
}

// textOf is stringOf, but takes a number too, as it is written: keys and postal codes often come as numbers.
func textOf(raw []byte) (string, bool) {
	if isNumber(raw) {
		return string(raw), true
	}
	return stringOf(raw)
}

func isNumber(raw []byte) bool { return raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9' }

// isDigits says whether text is one decimal digit or more, and nothing else.
func isDigits(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}
