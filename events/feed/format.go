package feed

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Format is how a feed is written.
type Format string

// The formats.
const (
	NDJSON Format = "ndjson" // a record, or a CloudEvent in structured mode, per line
	CSV    Format = "csv"    // a record per row; a Mapping says what the columns are
	RESO   Format = "reso"   // {"value": [records]} as RESO's Web API answers, or [records]
)

var formatsByExtension = map[string]Format{
	".ndjson": NDJSON, ".jsonl": NDJSON, ".csv": CSV, ".tsv": CSV, ".json": RESO,
}

// Stdin is the path that stands for standard input.
const Stdin = "-"

// FormatOf decides how a file is written: as named, else as its name's ending says. A mapping speaks for CSV, and
// standard input is NDJSON, where nothing else does.
func FormatOf(path, named string, mapping *Mapping) (Format, error) {
	format := Format(named)
	if named == "" {
		format = guess(path, mapping)
	}
	switch {
	case format == "":
		return "", fmt.Errorf("tell the format of %s: its name must end in .ndjson, .jsonl, .csv, .tsv or .json (also .gz), or the format be named", path)
	case !slices.Contains([]Format{NDJSON, CSV, RESO}, format):
		return "", fmt.Errorf("format must be ndjson, csv or reso, got %q", named)
	case format == CSV && mapping == nil:
		return "", errNoMapping
	}
	return format, nil
}

var errNoMapping = errors.New("CSV needs a mapping of its columns")

func guess(path string, mapping *Mapping) Format {
	name := strings.TrimSuffix(strings.ToLower(path), ".gz")
	if format, ok := formatsByExtension[filepath.Ext(name)]; ok {
		return format
	}
	switch {
	case mapping != nil:
		return CSV
	case path == Stdin:
		return NDJSON
	}
	return ""
}

// SourceOf names a file as a CloudEvents source, a URI reference: `feed/homes.csv`.
func SourceOf(path string) string {
	name := filepath.Base(path)
	if path == Stdin {
		name = "stdin"
	}
	source := "feed/" + url.PathEscape(name)
	return source[:min(len(source), events.MaxAttributeBytes)]
}

// Options say what the events of a feed have in common.
type Options struct {
	Tenant     uuid.UUID
	RecordType events.RecordType // of bare records; property where empty. A Mapping that names its own decides for CSV
	Source     string            // of bare records; feed/stdin where empty
	RunID      string            // of bare records, and of CloudEvents that have none
	Mapping    *Mapping          // CSV only
}

// complete fills in what was left out.
func (o Options) complete(format Format) (Options, error) {
	if o.Tenant == uuid.Nil {
		return o, errors.New("a feed needs a tenant")
	}
	if o.Source == "" {
		o.Source = SourceOf(Stdin)
	}
	if o.RecordType == "" {
		o.RecordType = events.Property
	}
	if format == CSV {
		if o.Mapping == nil {
			return o, errNoMapping
		}
		if o.Mapping.record != "" {
			o.RecordType = o.Mapping.record
		}
	}
	if !slices.Contains(events.RecordTypes, o.RecordType) {
		return o, fmt.Errorf("record type must be one of %v, got %q", events.RecordTypes, o.RecordType)
	}
	if o.Mapping == nil || format != CSV {
		return o, nil
	}
	return o, o.Mapping.check(o.RecordType)
}

// Read reads the events of a feed, one after the other, in the file's order. An event owns its memory.
//
// A *LineError stands for one record that is no event; reading goes on. Any other error is the last thing that is
// yielded: the stream broke, or it is not in this format. What came before it stands.
//
// The sequence can be ranged over once, as r is read to its end.
func Read(r io.Reader, format Format, options Options) iter.Seq2[events.Event, error] {
	return func(yield func(events.Event, error) bool) {
		options, err := options.complete(format)
		if err != nil {
			yield(events.Event{}, err)
			return
		}
		text := newText(r)
		switch format {
		case NDJSON:
			pull(&ndjsonReader{lines: lineReader{text: text}, options: options}, yield)
		case CSV:
			pull(newCSVReader(text, options), yield)
		case RESO:
			readRESO(text, options, yield)
		default:
			yield(events.Event{}, fmt.Errorf("format must be ndjson, csv or reso, got %q", format))
		}
	}
}

// yielder takes one event, or the error in its place; it reports false when no more are wanted.
type yielder = func(events.Event, error) bool

// puller gives the next event, a *LineError in its place, or the error that ends the feed: io.EOF at its end.
type puller interface {
	next() (events.Event, error)
}

func pull(p puller, yield yielder) {
	for {
		event, err := p.next()
		if err == io.EOF {
			return
		}
		_, refused := errors.AsType[*LineError](err)
		if !yield(event, err) || err != nil && !refused {
			return
		}
	}
}
