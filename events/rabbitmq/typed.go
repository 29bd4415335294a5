package rabbitmq

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A message's metadata are strings, an AMQP header may be of any type. Headers that are no strings are rendered for
// people and for the pipeline; MetaTypedHeaders keeps the originals, so that a copy goes out as the message came.

// render writes a header's value as text: numbers in decimal, bytes in base64, times in RFC 3339, tables and arrays
// in JSON, nothing as the empty string.
func render(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float32:
		return strconv.FormatFloat(float64(v), 'g', -1, 32)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case time.Time:
		if year := v.UTC().Year(); year < 0 || year > 9999 {
			return strconv.FormatInt(v.Unix(), 10)
		}
		return v.UTC().Format(time.RFC3339)
	case amqp.Decimal:
		return renderDecimal(v)
	case amqp.Table, []any:
		text, _ := json.Marshal(plain(v)) // plain leaves nothing that JSON cannot hold
		return string(text)
	}
	return fmt.Sprint(value) // bool and the integers
}

func renderDecimal(d amqp.Decimal) string {
	digits := strconv.FormatInt(int64(d.Value), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	scale := int(d.Scale)
	if scale == 0 {
		return sign + digits
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale-len(digits)+1) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

// plain turns a table or array into what encoding/json writes as people expect it.
func plain(value any) any {
	switch v := value.(type) {
	case amqp.Table:
		members := make(map[string]any, len(v))
		for name, member := range v {
			members[name] = plain(member)
		}
		return members
	case []any:
		elements := make([]any, len(v))
		for i, element := range v {
			elements[i] = plain(element)
		}
		return elements
	case nil, bool, byte, int8, int16, uint16, int32, uint32, int64:
		return v
	}
	return render(value)
}

// typedValue is [tag, text] for a scalar and [tag, [typedValue, …]] for a table or an array; a table's elements
// are its names and values in turn. Tags are AMQP's type letters, and "S64" for a string that JSON cannot hold.
type typedValue [2]any

// encodeTyped writes headers for MetaTypedHeaders: a JSON object of typedValues.
func encodeTyped(headers amqp.Table) string {
	values := make(map[string]typedValue, len(headers))
	for name, value := range headers {
		values[name] = toTyped(value)
	}
	text, _ := json.Marshal(values) // strings and slices of strings only
	return string(text)
}

func toTyped(value any) typedValue {
	text := render(value)
	switch v := value.(type) {
	case bool:
		return typedValue{"t", text}
	case int8:
		return typedValue{"b", text}
	case byte:
		return typedValue{"B", text}
	case int16:
		return typedValue{"s", text}
	case uint16:
		return typedValue{"u", text}
	case int32:
		return typedValue{"I", text}
	case uint32:
		return typedValue{"i", text}
	case int64:
		return typedValue{"l", text}
	case float32:
		return typedValue{"f", strconv.FormatUint(uint64(math.Float32bits(v)), 16)}
	case float64:
		return typedValue{"d", strconv.FormatUint(math.Float64bits(v), 16)}
	case amqp.Decimal:
		return typedValue{"D", fmt.Sprintf("%d/%d", v.Value, v.Scale)}
	case []byte:
		return typedValue{"x", text}
	case time.Time:
		return typedValue{"T", strconv.FormatInt(v.Unix(), 10)}
	case amqp.Table:
		elements := make([]typedValue, 0, 2*len(v))
		for name, member := range v {
			elements = append(elements, toTyped(name), toTyped(member))
		}
		return typedValue{"F", elements}
	case []any:
		elements := make([]typedValue, len(v))
		for i, element := range v {
			elements[i] = toTyped(element)
		}
		return typedValue{"A", elements}
	case string:
		if utf8.ValidString(v) {
			return typedValue{"S", v}
		}
		return typedValue{"S64", base64.StdEncoding.EncodeToString([]byte(v))}
	}
	return typedValue{"V", ""}
}

// maxTypedDepth is how deep tables may nest; amqp091-go reads no deeper ones.
const maxTypedDepth = 32

// decodeTyped reads MetaTypedHeaders. What cannot be read is left out: the header then goes out as text.
func decodeTyped(text string) amqp.Table {
	if text == "" {
		return nil
	}
	var raw map[string][2]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil
	}
	headers := make(amqp.Table, len(raw))
	for name, pair := range raw {
		if value, err := fromTyped(pair, 0); err == nil {
			headers[name] = value
		}
	}
	return headers
}

var errTyped = errors.New("not a typed header")

func fromTyped(pair [2]json.RawMessage, depth int) (any, error) {
	var tag, text string
	if err := json.Unmarshal(pair[0], &tag); err != nil || depth > maxTypedDepth {
		return nil, errTyped
	}
	if tag == "F" || tag == "A" {
		return fromTypedElements(tag, pair[1], depth+1)
	}
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return nil, errTyped
	}
	return fromTypedScalar(tag, text)
}

func fromTypedElements(tag string, raw json.RawMessage, depth int) (any, error) {
	var pairs [][2]json.RawMessage
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, errTyped
	}
	elements := make([]any, len(pairs))
	for i, pair := range pairs {
		element, err := fromTyped(pair, depth)
		if err != nil {
			return nil, err
		}
		elements[i] = element
	}
	if tag == "A" {
		return elements, nil
	}
	table := make(amqp.Table, len(elements)/2)
	for i := 0; i+1 < len(elements); i += 2 {
		name, ok := elements[i].(string)
		if !ok || len(name) > maxShortString {
			return nil, errTyped
		}
		table[name] = elements[i+1]
	}
	return table, nil
}

func fromTypedScalar(tag, text string) (any, error) {
	switch tag {
	case "V":
		return nil, nil
	case "S":
		return text, nil
	case "S64":
		raw, err := base64.StdEncoding.DecodeString(text)
		return string(raw), err
	case "x":
		return base64.StdEncoding.DecodeString(text)
	case "t":
		return strconv.ParseBool(text)
	case "D":
		var d amqp.Decimal
		_, err := fmt.Sscanf(text, "%d/%d", &d.Value, &d.Scale)
		return d, err
	case "T":
		seconds, err := strconv.ParseInt(text, 10, 64)
		return time.Unix(seconds, 0), err
	case "f":
		bits, err := strconv.ParseUint(text, 16, 32)
		return finite(math.Float32frombits(uint32(bits)), err)
	case "d":
		bits, err := strconv.ParseUint(text, 16, 64)
		return finite(math.Float64frombits(bits), err)
	case "B", "u", "i":
		return fromTypedUnsigned(tag, text)
	}
	return fromTypedSigned(tag, text)
}

// finite refuses what RabbitMQ cannot read: it would close the connection.
func finite[F float32 | float64](f F, err error) (any, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return nil, errTyped
	}
	return f, err
}

func fromTypedUnsigned(tag, text string) (any, error) {
	n, err := strconv.ParseUint(text, 10, map[string]int{"B": 8, "u": 16, "i": 32}[tag])
	switch tag {
	case "B":
		return byte(n), err
	case "u":
		return uint16(n), err
	}
	return uint32(n), err
}

func fromTypedSigned(tag, text string) (any, error) {
	n, err := strconv.ParseInt(text, 10, map[string]int{"b": 8, "s": 16, "I": 32, "l": 64}[tag])
	switch tag {
	case "b":
		return int8(n), err
	case "s":
		return int16(n), err
	case "I":
		return int32(n), err
	case "l":
		return n, err
	}
	return nil, errTyped
}

// fieldBytes is the length of a value on the wire, its type letter included.
func fieldBytes(value any) int {
	switch v := value.(type) {
	case string:
		return 5 + len(v)
	case []byte:
		return 5 + len(v)
	case amqp.Table:
		total := 5
		for name, member := range v {
			total += 1 + len(name) + fieldBytes(member)
		}
		return total
	case []any:
		total := 5
		for _, element := range v {
			total += fieldBytes(element)
		}
		return total
	}
	return 9 // the longest scalar
}
