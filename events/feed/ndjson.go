package feed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/codybias9/real-estate-os/events"
)

// maxLineBytes is what the largest event takes: in structured mode, with its data in base64.
const maxLineBytes = 2 * events.MaxDataBytes

// ndjsonReader gives an event per line. Empty lines say nothing.
type ndjsonReader struct {
	lines   lineReader
	options Options
}

func (r *ndjsonReader) next() (events.Event, error) {
	for {
		line, err := r.lines.next()
		if err != nil {
			return events.Event{}, at(err, r.lines.number, 0)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			event, err := lineEvent(line, r.options)
			return event, at(err, r.lines.number, 0)
		}
	}
}

// lineEvent tells a CloudEvent from a bare record by its specversion.
func lineEvent(line []byte, o Options) (events.Event, error) {
	m, err := parseMembers(line)
	if err != nil {
		return events.Event{}, err
	}
	if _, ok := m["specversion"]; ok {
		return cloudEvent(line, o)
	}
	return bareEvent(line, m, 0, o)
}

// lineReader reads lines of at most maxLineBytes.
type lineReader struct {
	text   *bufio.Reader
	number int64 // of the line read last, from 1
	long   []byte
}

// next returns a line without its end; it is valid until the next call. A line that is too long is skipped and
// refused. At the end of the text the error is io.EOF; a stream that broke gives its error instead of the last line.
func (l *lineReader) next() ([]byte, error) {
	l.number++
	l.long = l.long[:0]
	size := 0
	for {
		part, err := l.text.ReadSlice('\n')
		size += len(part)
		switch {
		case err == nil && len(l.long) == 0 && size == len(part):
			return part, nil
		case err != nil && err != bufio.ErrBufferFull && err != io.EOF:
			return nil, fmt.Errorf("read line %d: %w", l.number, err)
		case err == io.EOF && size == 0:
			return nil, io.EOF
		}
		if size <= maxLineBytes {
			l.long = append(l.long, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if size > maxLineBytes {
			return nil, refuse("", fmt.Sprintf("at most %d bytes", maxLineBytes), fmt.Sprint(size))
		}
		return l.long, nil
	}
}
