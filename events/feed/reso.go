package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/codybias9/real-estate-os/events"
)

// readRESO yields an event per record of `{"value": [records]}` or `[records]`. Several such documents may follow
// each other, as the pages of one answer do. Other members are skipped.
func readRESO(text *bufio.Reader, o Options, yield yielder) {
	r := resoReader{text: text, line: 1, options: o, yield: yield}
	for {
		first, err := r.token()
		if err == io.EOF {
			return
		}
		if err == nil {
			err = r.document(first)
		}
		if err == errStopped {
			return
		}
		if err != nil {
			yield(events.Event{}, fmt.Errorf("read RESO JSON at line %d: %w", r.line, err))
			return
		}
	}
}

// errStopped says that the consumer wants no more events.
var errStopped = errors.New("stopped")

// resoReader walks through the outer JSON by itself, so that no record is read into memory that is too large.
type resoReader struct {
	text    *bufio.Reader
	line    int64
	record  int64 // the number of the record read last
	value   []byte
	options Options
	yield   yielder
}

// readByte is the text's next byte; the end of the text is io.EOF.
func (r *resoReader) readByte() (byte, error) {
	c, err := r.text.ReadByte()
	if c == '\n' && err == nil {
		r.line++
	}
	return c, err
}

// unread gives the byte read last back.
func (r *resoReader) unread(c byte) {
	_ = r.text.UnreadByte() // cannot fail: it follows a ReadByte
	if c == '\n' {
		r.line--
	}
}

// token is the next byte that is not space.
func (r *resoReader) token() (byte, error) {
	for {
		c, err := r.readByte()
		if err != nil || c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, err
		}
	}
}

// inside is token where the text must not end.
func (r *resoReader) inside() (byte, error) {
	c, err := r.token()
	return c, unexpected(err)
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// document reads one document behind its first byte.
func (r *resoReader) document(first byte) error {
	switch first {
	case '[':
		return r.records()
	case '{':
		return r.object()
	}
	return fmt.Errorf(`must begin with {"value": [ or [, got %q`, first)
}

// object reads `{"value": [records], …}` behind its brace.
func (r *resoReader) object() error {
	for found, first := false, true; ; first = false {
		name, end, err := r.memberName(first)
		switch {
		case err != nil:
			return err
		case end && !found:
			return errors.New(`the document has no "value" with an array of records`)
		case end:
			return nil
		}
		c, err := r.inside()
		if err != nil {
			return err
		}
		if name == `"value"` && c == '[' {
			found = true
			err = r.records()
		} else {
			_, err = r.skip(c)
		}
		if err != nil {
			return err
		}
	}
}

// memberName reads a member's name, in its quotes, and the colon; end reports the closing brace in its place.
func (r *resoReader) memberName(first bool) (name string, end bool, err error) {
	c, err := r.inside()
	if err != nil || first && c == '}' {
		return "", err == nil, err
	}
	if !first {
		if c == '}' {
			return "", true, nil
		}
		if c != ',' {
			return "", false, fmt.Errorf("a comma or } must follow a member, got %q", c)
		}
		if c, err = r.inside(); err != nil {
			return "", false, err
		}
	}
	if c != '"' {
		return "", false, fmt.Errorf("a member's name must be a string, got %q", c)
	}
	if _, err = r.skip(c); err != nil {
		return "", false, err
	}
	name = string(r.value)
	if c, err = r.inside(); err == nil && c != ':' {
		err = fmt.Errorf("a colon must follow %s, got %q", name, c)
	}
	return name, false, err
}

// records reads an array of records behind its bracket.
func (r *resoReader) records() error {
	for first := true; ; first = false {
		c, err := r.inside()
		if err != nil || first && c == ']' {
			return err
		}
		if !first {
			if c == ']' {
				return nil
			}
			if c != ',' {
				return fmt.Errorf("a comma or ] must follow a record, got %q", c)
			}
			if c, err = r.inside(); err != nil {
				return err
			}
		}
		if err := r.one(c); err != nil {
			return err
		}
	}
}

// one reads a record that begins with c and yields its event.
func (r *resoReader) one(c byte) error {
	r.record++
	line := r.line
	size, err := r.skip(c)
	if err != nil {
		return err
	}
	event, err := r.event(size)
	if err != nil {
		event, err = events.Event{}, at(err, line, r.record)
	}
	_, refused := errors.AsType[*LineError](err)
	switch {
	case err != nil && !refused:
		return err
	case !r.yield(event, err):
		return errStopped
	}
	return nil
}

func (r *resoReader) event(size int64) (events.Event, error) {
	if size > events.MaxDataBytes {
		return events.Event{}, refuse("", fmt.Sprintf("at most %d bytes", events.MaxDataBytes), strconv.FormatInt(size, 10))
	}
	m, err := parseMembers(r.value)
	if err != nil {
		return events.Event{}, err
	}
	return bareEvent(r.value, m, 0, r.options)
}

// skip reads a value that begins with c. It keeps the value's text, up to MaxDataBytes of it, and says how long it
// is. What it keeps need not be valid JSON: brackets and quotes are all it minds.
func (r *resoReader) skip(c byte) (size int64, err error) {
	r.value = r.value[:0]
	depth, quoted, escaped := 0, false, false
	for {
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case depth > 0 && (c == '}' || c == ']'):
			depth--
		case depth == 0 && endsScalar(c):
			r.unread(c)
			return size, nil
		}
		if size++; size <= events.MaxDataBytes {
			r.value = append(r.value, c)
		}
		if depth == 0 && !quoted && (c == '}' || c == ']' || c == '"') {
			return size, nil
		}
		if c, err = r.readByte(); err != nil {
			return size, unexpected(err)
		}
	}
}

// endsScalar says whether c ends a number or a word.
func endsScalar(c byte) bool {
	switch c {
	case ',', '}', ']', ':', ' ', '\n', '\t', '\r':
		return true
	}
	return false
}
