package feed

import (
	"bufio"
	"bytes"
	"fmt"
	"io"

	"github.com/codybias9/real-estate-os/events"
)

// maxRowBytes is what one row may take, quotes and all.
const maxRowBytes = events.MaxDataBytes

// rowReader reads rows as RFC 4180 describes them, with any delimiter, and lines that end in LF or CRLF. A malformed
// row is refused, and reading goes on with the line behind the one that it began in: a quote that is never closed
// costs one row, not the rest of the file.
type rowReader struct {
	text      *bufio.Reader
	delimiter byte
	line      int64 // where the row read last begins, from 1
	next      int64 // the line that is read next

	store  []byte
	ahead  []byte // read from text, not yet consumed; lies in store
	broken error  // what ended text
	fields [][]byte
	cells  []byte // the fields that had to be rewritten
}

// row returns the next row that is not empty, valid until the next call. At the end of the text the error is io.EOF;
// a stream that broke gives its error instead of its last row.
func (r *rowReader) row() ([][]byte, error) {
	for {
		size, must := r.scan()
		switch {
		case size == 0 && must == "" && r.broken == io.EOF:
			return nil, io.EOF
		case must != "":
			return nil, r.refuse(must)
		case size > 0:
			r.line = r.next
			r.consume(size)
			if len(r.fields) > 1 || len(r.fields[0]) > 0 {
				return r.fields, nil
			}
		case r.broken != nil:
			return nil, fmt.Errorf("read line %d: %w", r.next, r.broken)
		case len(r.ahead) > maxRowBytes:
			return nil, r.refuse(fmt.Sprintf("a row of at most %d bytes", maxRowBytes))
		default:
			r.more()
		}
	}
}

// consume drops bytes that were ahead. It leaves them where they are: fields lie in them.
func (r *rowReader) consume(size int) {
	r.next += int64(bytes.Count(r.ahead[:size], []byte{'\n'}))
	r.ahead = r.ahead[size:]
}

// more reads on: half as much again as is ahead, so that a long row is not scanned anew for every piece of it.
func (r *rowReader) more() {
	have := len(r.ahead)
	if cap(r.store) < have+max(readAhead, have) {
		r.store = make([]byte, have+max(readAhead, have))
	}
	copy(r.store, r.ahead)
	size := have
	for r.broken == nil && size <= have+have/2 {
		var n int
		n, r.broken = r.text.Read(r.store[size:])
		size += n
	}
	r.ahead = r.store[:size]
}

// refuse skips the line that a malformed row begins in.
func (r *rowReader) refuse(must string) error {
	r.line = r.next
	for {
		if end := bytes.IndexByte(r.ahead, '\n'); end >= 0 {
			r.consume(end + 1)
			break
		}
		r.ahead = nil
		if r.broken != nil {
			break
		}
		r.more()
	}
	return refuse("", must, "")
}

const (
	mustBeClosed = "a row whose quotes are closed"
	mustBeQuoted = "a row whose fields are in quotes where they hold a quote, and that quote doubled"
)

// scan takes the row apart that begins what is ahead, into r.fields, and says how long it is. The size is 0 where
// more must be read first, or nothing is left; must is set where the row is malformed.
func (r *rowReader) scan() (size int, must string) {
	r.fields, r.cells = r.fields[:0], r.cells[:0]
	if len(r.ahead) == 0 {
		return 0, ""
	}
	for pos := 0; ; {
		var field []byte
		var end int
		if pos < len(r.ahead) && r.ahead[pos] == '"' {
			field, end, must = r.quoted(pos + 1)
		} else {
			field, end, must = r.plain(pos)
		}
		if end < 0 {
			return 0, must
		}
		r.fields = append(r.fields, field)
		switch {
		case end == len(r.ahead):
			return end, ""
		case r.ahead[end] == r.delimiter:
			pos = end + 1
		case r.ahead[end] == '\n':
			return end + 1, ""
		default: // quoted and plain end nowhere else but at CRLF
			return end + 2, ""
		}
	}
}

// plain reads a field without quotes. The end is that of the field: a delimiter, a line's end, or the end of the
// text; -1 where there is none.
func (r *rowReader) plain(start int) (field []byte, end int, must string) {
	for i := start; i < len(r.ahead); i++ {
		switch c := r.ahead[i]; {
		case c == r.delimiter:
			return r.ahead[start:i], i, ""
		case c == '\n':
			return bytes.TrimSuffix(r.ahead[start:i], []byte{'\r'}), i, ""
		case c == '"':
			return nil, -1, mustBeQuoted
		}
	}
	if r.broken != io.EOF {
		return nil, -1, ""
	}
	return bytes.TrimSuffix(r.ahead[start:], []byte{'\r'}), len(r.ahead), ""
}

// quoted reads a field behind its opening quote; its end is as plain's.
func (r *rowReader) quoted(start int) (field []byte, end int, must string) {
	first := len(r.cells)
	for from := start; ; {
		length := bytes.IndexByte(r.ahead[from:], '"')
		if length < 0 {
			if r.broken == io.EOF {
				must = mustBeClosed
			}
			return nil, -1, must
		}
		end = from + length + 1
		if end < len(r.ahead) && r.ahead[end] == '"' { // doubled
			r.cells = append(r.cells, r.ahead[from:end]...)
			from = end + 1
			continue
		}
		if field = r.ahead[start : end-1]; len(r.cells) > first {
			r.cells = append(r.cells, r.ahead[from:end-1]...)
			field = r.cells[first:]
		}
		end, must = r.behind(end)
		return field, end, must
	}
}

// behind checks what follows a closing quote.
func (r *rowReader) behind(end int) (int, string) {
	rest := r.ahead[end:]
	switch {
	case len(rest) > 0 && (rest[0] == r.delimiter || rest[0] == '\n'), len(rest) == 0 && r.broken == io.EOF:
		return end, ""
	case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
		return end, ""
	case len(rest) == 0, len(rest) == 1 && rest[0] == '\r' && r.broken == nil:
		return -1, ""
	}
	return -1, mustBeQuoted
}
