package console

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// masked stands for what is not shown.
const masked = "••••••"

// secretive says whether a name is one that secrets go by.
func secretive(name string) bool {
	folded := strings.NewReplacer("-", "", "_", "", ".", "", " ", "").Replace(strings.ToLower(name))
	for _, word := range []string{
		"password", "passwd", "passphrase", "secret", "token", "apikey", "accesskey", "privatekey", "credential", "authorization", "cookie",
		"ssn", "socialsecurity", "creditcard", "cardnumber", "accountnumber", "routingnumber", "iban",
	} {
		if strings.Contains(folded, word) {
			return true
		}
	}
	return false
}

// legibleJSON writes JSON indented, numbers and the order of members as they came, and masks what secretive names name.
// It reports false where body is no JSON.
func legibleJSON(body []byte) (string, bool) {
	if !json.Valid(body) {
		return "", false
	}
	w := jsonWriter{from: json.NewDecoder(bytes.NewReader(body))}
	w.from.UseNumber()
	w.value()
	return w.to.String(), true
}

// jsonWriter writes valid JSON anew, one token after the other.
type jsonWriter struct {
	from  *json.Decoder
	to    strings.Builder
	depth int
}

func (w *jsonWriter) value() {
	token, err := w.from.Token()
	if err != nil {
		return // it is valid
	}
	switch token {
	case json.Delim('{'):
		w.list('{', '}', w.member)
	case json.Delim('['):
		w.list('[', ']', w.value)
	default:
		w.scalar(token)
	}
}

func (w *jsonWriter) list(opening, closing byte, item func()) {
	w.to.WriteByte(opening)
	w.depth++
	first := true
	for w.from.More() {
		if !first {
			w.to.WriteByte(',')
		}
		first = false
		w.line()
		item()
	}
	_, _ = w.from.Token() // the closing one: it is valid
	w.depth--
	if !first {
		w.line()
	}
	w.to.WriteByte(closing)
}

func (w *jsonWriter) member() {
	name, _ := w.from.Token()
	w.scalar(name)
	w.to.WriteString(": ")
	if text, _ := name.(string); secretive(text) {
		var hidden json.RawMessage
		_ = w.from.Decode(&hidden) // it is valid
		w.scalar(masked)
		return
	}
	w.value()
}

func (w *jsonWriter) scalar(token json.Token) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(token) // a text, a number, true, false or null
	w.to.Write(bytes.TrimSpace(text.Bytes()))
}

// maxIndent keeps what is nested deeply from growing with the square of its depth.
const maxIndent = 40

func (w *jsonWriter) line() { w.to.WriteString("\n" + strings.Repeat("  ", min(w.depth, maxIndent))) }

// assignment is a secretive name with what seems to be its value, in a text that is no JSON.
var assignment = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:passw|secret|token|api[-_]?key|authorization|cookie|credential|ssn)[a-z0-9_.-]*"?\s*[:=]\s*"?(?:bearer )?)([^\s",;&}]+)`)

// maskText masks what looks like a secret in a text.
func maskText(text string) string { return assignment.ReplaceAllString(text, "${1}"+masked) }
