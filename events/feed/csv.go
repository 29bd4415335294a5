package feed

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/codybias9/real-estate-os/events"
)

// csvReader gives an event per row behind the header. Empty lines say nothing.
type csvReader struct {
	rows    rowReader
	options Options
	columns *binding // nil until the header is read
	width   int      // of the header
	data    []byte
}

func newCSVReader(text *bufio.Reader, o Options) *csvReader {
	return &csvReader{rows: rowReader{text: text, delimiter: o.Mapping.delimiter, next: 1}, options: o}
}

func (r *csvReader) next() (events.Event, error) {
	if r.columns == nil {
		if err := r.header(); err != nil {
			return events.Event{}, fmt.Errorf("read CSV header: %w", err)
		}
	}
	row, err := r.rows.row()
	if err != nil {
		return events.Event{}, at(err, r.rows.line, 0)
	}
	event, err := r.event(row)
	return event, at(err, r.rows.line, 0)
}

// header reads the first row. Its error is no *LineError: without a header nothing goes on.
func (r *csvReader) header() error {
	header, err := r.rows.row()
	switch {
	case err == io.EOF:
		return errors.New("the file is empty")
	case err != nil:
		if refused, ok := errors.AsType[*LineError](at(err, r.rows.line, 0)); ok {
			return errors.New(refused.Error())
		}
		return err
	}
	r.width = len(header)
	r.columns, err = r.options.Mapping.bind(header, r.options.RecordType)
	return err
}

// event makes the event of one row.
func (r *csvReader) event(row [][]byte) (events.Event, error) {
	if len(row) != r.width {
		return events.Event{}, refuse("", fmt.Sprintf("a row of %d fields, as the header is", r.width), strconv.Itoa(len(row)))
	}
	sequence, err := r.columns.sequence(row)
	if err != nil {
		return events.Event{}, err
	}
	r.data = r.columns.appendRecord(r.data[:0], row)
	m, err := parseMembers(r.data)
	if err != nil {
		return events.Event{}, err
	}
	return bareEvent(r.data, m, sequence, r.options)
}
