package events

import (
	"bytes"
	"strconv"
	"strings"
)

// normaliser writes a record's Doc and collects its faults.
type normaliser struct {
	out    []byte
	faults []Fault
	quiet  bool // the value being written has its fault already
	zeros  int  // filled into numbers so far
}

// path leads to a value inside a record. It costs nothing until a fault has to name it.
type path struct {
	parent *path
	name   []byte // member; nil for an array's item
	index  int
}

// String writes a path as people do: `Extra.sizes[3]`, shortened to what a name needs.
func (p *path) String() string {
	var parts []string
	for ; p != nil; p = p.parent {
		switch {
		case p.name == nil:
			parts = append(parts, "["+strconv.Itoa(p.index)+"]")
		case p.parent == nil:
			parts = append(parts, string(p.name))
		default:
			parts = append(parts, "."+string(p.name))
		}
	}
	var all strings.Builder
	for i := len(parts) - 1; i >= 0; i-- {
		all.WriteString(parts[i])
	}
	return Cut(all.String(), 255)
}

// Cut shortens s to at most limit bytes on a rune's boundary.
func Cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit -= len("…"); limit > 0 && s[limit]&0xC0 == 0x80; {
		limit--
	}
	return s[:limit] + "…"
}

func (n *normaliser) fault(field, must string, raw []byte) {
	if !n.quiet && len(n.faults) < MaxFaults {
		n.faults = append(n.faults, Fault{Field: field, Must: must, Observed: Cut(string(raw), 80)})
	}
}

// record writes the whole object: known fields in their contract's type, the others as they are.
func (n *normaliser) record(members []member, known map[string]Field) {
	n.out = append(n.out, '{')
	for i, m := range members {
		n.name(i, m)
		field, ok := known[string(m.name)]
		if !ok {
			n.value(m.raw, &path{name: m.name})
			continue
		}
		before := len(n.out)
		if n.field(field, m.raw) {
			continue
		}
		n.out = n.out[:before]
		n.fault(field.Name, field.Must(), m.raw)
		n.quiet = true
		n.value(m.raw, nil)
		n.quiet = false
	}
	n.out = append(n.out, '}')
}

func (n *normaliser) name(i int, m member) {
	if i > 0 {
		n.out = append(n.out, ',')
	}
	n.out = append(appendString(n.out, string(m.name)), ':')
}

// value writes any value as Postgres' jsonb takes it. at leads to it.
func (n *normaliser) value(raw []byte, at *path) {
	switch raw[0] {
	case '{':
		n.object(raw, at)
	case '[':
		n.array(raw, at)
	case '"':
		n.text(raw)
	case 't', 'f', 'n':
		n.out = append(n.out, raw...)
	default:
		n.number(raw, at)
	}
}

func (n *normaliser) object(raw []byte, at *path) {
	n.out = append(n.out, '{')
	for i, m := range sortMembers(appendMembers(nil, raw)) {
		n.name(i, m)
		n.value(m.raw, &path{parent: at, name: m.name})
	}
	n.out = append(n.out, '}')
}

func (n *normaliser) array(raw []byte, at *path) {
	n.out = append(n.out, '[')
	for i, item := range items(raw) {
		if i > 0 {
			n.out = append(n.out, ',')
		}
		n.value(item, &path{parent: at, index: i})
	}
	n.out = append(n.out, ']')
}

// items splits an array into its items' JSON text.
func items(array []byte) [][]byte {
	var all [][]byte
	for i := skipSpace(array, 1); array[i] != ']'; i = skipSpace(array, i) {
		if array[i] == ',' {
			i = skipSpace(array, i+1)
		}
		end := skipValue(array, i)
		all = append(all, array[i:end])
		i = end
	}
	return all
}

// text writes a string unchanged but for its escapes.
func (n *normaliser) text(raw []byte) {
	if bytes.IndexByte(raw, '\\') < 0 {
		n.out = append(n.out, raw...)
		return
	}
	n.out = appendString(n.out, string(unquote(make([]byte, 0, len(raw)), raw[1:len(raw)-1])))
}

const (
	// shortNumber is the length up to which a number without exponent needs no closer look.
	shortNumber = 300
	// maxZeros bounds what numbers with exponents add to one record: 1e300 is five bytes, and 301 in plain digits.
	maxZeros = 100_000
)

// number writes a number, or a string with its text where no reader could take the number.
func (n *normaliser) number(raw []byte, at *path) {
	if len(raw) <= shortNumber && !bytes.ContainsAny(raw, "eE") {
		n.out = append(n.out, raw...)
		return
	}
	if x, ok := parseExact(raw); ok && x.held() && n.zeros+x.zeros() <= maxZeros {
		n.zeros += x.zeros()
		n.out = x.append(n.out)
		return
	}
	n.fault(at.String(), NumberMust, raw)
	n.out = appendString(n.out, string(raw))
}
