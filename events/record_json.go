package events

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// MaxDepth is how deep data may nest; the record itself is level 1.
const MaxDepth = 32

// checkJSON rejects data that is not one JSON object we can keep. The cheap checks come first: the depth is known
// before anything recurses.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return Reject(DataNotUTF8, "", fmt.Sprintf("UTF-8 throughout, unlike at offset %d", invalidUTF8At(data)), "")
	}
	if at, ok := findNUL(data); ok {
		return Reject(DataHasNUL, "", fmt.Sprintf("free of NUL characters, unlike at offset %d", at), "")
	}
	if at, ok := tooDeepAt(data); ok {
		return Reject(DataTooDeep, "", fmt.Sprintf("nested at most %d levels deep, unlike at offset %d", MaxDepth, at), "")
	}
	if !json.Valid(data) {
		return Reject(DataNotJSON, "", "one JSON object", syntaxProblem(data))
	}
	if first := trimJSONSpace(data)[0]; first != '{' {
		return Reject(DataNotJSON, "", "one JSON object", kindName(first))
	}
	return nil
}

func invalidUTF8At(data []byte) int {
	at := 0
	for at < len(data) {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return at
}

// findNUL finds a NUL byte, or one written as an escape. An escaped backslash before u0000 is none.
func findNUL(data []byte) (int, bool) {
	if at := bytes.IndexByte(data, 0); at >= 0 {
		return at, true
	}
	for from := 0; ; {
		at := bytes.Index(data[from:], []byte(`\u0000`))
		if at < 0 {
			return 0, false
		}
		at += from
		backslashes := 0
		for at-backslashes > 0 && data[at-backslashes-1] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			return at, true
		}
		from = at + 1
	}
}

// tooDeepAt finds where data passes MaxDepth. It needs no valid JSON.
func tooDeepAt(data []byte) (int, bool) {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxDepth {
		return 0, false
	}
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return i, true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return 0, false
}

func syntaxProblem(data []byte) string {
	var all json.RawMessage
	err := json.Unmarshal(data, &all)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("offset %d: %s", syntax.Offset, syntax.Error())
	}
	return "other text"
}

func kindName(first byte) string {
	switch first {
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// What follows reads JSON that json.Valid has accepted, and relies on that.

// member is one member of a JSON object. Both parts may share the object's memory.
type member struct {
	name []byte // decoded
	raw  []byte // the value's JSON text, no space around it
	at   int    // place in the object
}

// appendMembers appends the members of an object in their order. The object may have space around it.
func appendMembers(dst []member, object []byte) []member {
	i := skipSpace(object, 0) + 1
	for {
		i = skipSpace(object, i)
		switch object[i] {
		case '}':
			return dst
		case ',':
			i++
			continue
		}
		end := skipString(object, i)
		name := object[i+1 : end-1]
		if bytes.IndexByte(name, '\\') >= 0 {
			name = unquote(nil, name)
		}
		i = skipSpace(object, end)
		i = skipSpace(object, i+1)
		end = skipValue(object, i)
		dst = append(dst, member{name: name, raw: object[i:end], at: len(dst)})
		i = end
	}
}

// sortMembers sorts by name; of several members with one name the last remains.
func sortMembers(members []member) []member {
	slices.SortFunc(members, func(a, b member) int {
		if c := bytes.Compare(a.name, b.name); c != 0 {
			return c
		}
		return cmp.Compare(b.at, a.at)
	})
	return slices.CompactFunc(members, func(a, b member) bool { return bytes.Equal(a.name, b.name) })
}

// findMember finds a member among sorted ones.
func findMember(members []member, name string) ([]byte, bool) {
	low, high := 0, len(members)
	for low < high {
		middle := int(uint(low+high) / 2)
		if string(members[middle].name) < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(members) || string(members[low].name) != name {
		return nil, false
	}
	return members[low].raw, true
}

// setMember replaces or adds a member among sorted ones.
func setMember(members []member, name string, raw []byte) []member {
	at, found := slices.BinarySearchFunc(members, name, func(m member, name string) int {
		return cmp.Compare(string(m.name), name)
	})
	if found {
		members[at].raw = raw
		return members
	}
	return slices.Insert(members, at, member{name: []byte(name), raw: raw})
}

func isJSONSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func trimJSONSpace(data []byte) []byte { return bytes.Trim(data, " \n\t\r") }

func skipSpace(data []byte, i int) int {
	for i < len(data) && isJSONSpace(data[i]) {
		i++
	}
	return i
}

// skipString returns the index behind the string that begins at i.
func skipString(data []byte, i int) int {
	for end := i + 1; ; end++ {
		end += bytes.IndexByte(data[end:], '"')
		first := end // of the backslashes before the quote
		for data[first-1] == '\\' {
			first--
		}
		if (end-first)%2 == 0 {
			return end + 1
		}
	}
}

// skipValue returns the index behind the value that begins at i.
func skipValue(data []byte, i int) int {
	switch data[i] {
	case '"':
		return skipString(data, i)
	case '{', '[':
		return skipNested(data, i)
	}
	for i < len(data) && !isJSONSpace(data[i]) && data[i] != ',' && data[i] != '}' && data[i] != ']' {
		i++
	}
	return i
}

func skipNested(data []byte, i int) int {
	for depth := 0; ; i++ {
		switch data[i] {
		case '"':
			i = skipString(data, i) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}
