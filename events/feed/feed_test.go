package feed_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

// read collects what a feed gives: events, lines that are none, and the error that ended it.
func read(r io.Reader, format feed.Format, options feed.Options) (all []events.Event, refused []*feed.LineError, ended error) {
	if options.Tenant == uuid.Nil {
		options.Tenant = tenantA
	}
	for event, err := range feed.Read(r, format, options) {
		line, ok := errors.AsType[*feed.LineError](err)
		switch {
		case err == nil:
			all = append(all, event)
		case ok:
			refused = append(refused, line)
		default:
			ended = err
		}
	}
	return all, refused, ended
}

func readText(text string, format feed.Format, options feed.Options) ([]events.Event, []*feed.LineError, error) {
	return read(strings.NewReader(text), format, options)
}

func home(key string) string {
	return fmt.Sprintf(`{"ListingKey":%q,"ListPrice":1,"ModificationTimestamp":"2026-01-02T03:04:05Z"}`, key)
}

func keys(all []events.Event) []string {
	var keys []string
	for _, e := range all {
		keys = append(keys, e.Subject)
	}
	return keys
}

func problems(refused []*feed.LineError) []string {
	var texts []string
	for _, e := range refused {
		texts = append(texts, e.Error())
	}
	return texts
}

func TestBareRecord(t *testing.T) {
	all, refused, err := readText("\ufeff"+home("H1")+"\r\n\r\n  "+home("H2"), feed.NDJSON,
		feed.Options{Source: "feed/x.ndjson", RunID: "run-1"})
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Equal(t, []string{"H1", "H2"}, keys(all))
	e := all[0]
	require.Equal(t, "reos.property.upserted.v1", e.Type)
	require.Equal(t, "feed/x.ndjson", e.Source)
	require.Equal(t, "run-1", e.RunID)
	require.Equal(t, tenantA, e.TenantID)
	require.Equal(t, "2026-01-02T03:04:05Z", e.Time.Format("2006-01-02T15:04:05Z07:00"))
	require.Equal(t, home("H1"), string(e.Data), "the bytes as they came")
	decoded, err := events.Decode(e.Message())
	require.NoError(t, err)
	require.Equal(t, e, decoded)
}

func TestInvariant2_PublishedTwiceIsTheSameEvents(t *testing.T) {
	first, _, _ := readText(home("H1"), feed.NDJSON, feed.Options{RunID: "one", Source: "feed/a"})
	spaced := strings.ReplaceAll(strings.ReplaceAll(home("H1"), ",", " , "), `"ListPrice" `, `"ListPrice"`)
	again, _, _ := readText(`[`+spaced+`]`, feed.RESO, feed.Options{RunID: "two", Source: "feed/b"})
	require.Equal(t, first[0].ID, again[0].ID, "whatever the run, the file and the spacing")

	for what, other := range map[string]string{
		"content": strings.Replace(home("H1"), `"ListPrice":1`, `"ListPrice":2`, 1),
		"key":     home("H2"),
		"version": strings.Replace(home("H1"), "2026-01-02", "2026-01-03", 1),
		"type":    strings.Replace(home("H1"), "{", `{"@deleted":true,`, 1),
	} {
		changed, refused, err := readText(other, feed.NDJSON, feed.Options{})
		require.NoError(t, err)
		require.Empty(t, refused, what)
		require.NotEqual(t, first[0].ID, changed[0].ID, what)
	}
	foreign, _, _ := readText(home("H1"), feed.NDJSON, feed.Options{Tenant: tenantB})
	require.NotEqual(t, first[0].ID, foreign[0].ID, "tenant")
}

func TestDeletes(t *testing.T) {
	gone := strings.Replace(home("H1"), "{", `{"@deleted":true,`, 1)
	kept := strings.Replace(home("H2"), "{", `{"@deleted":false,`, 1)
	reso := strings.Replace(home("H3"), "{", `{"StandardStatus":"Delete",`, 1)
	odd := strings.Replace(home("H4"), "{", `{"@deleted":"maybe",`, 1)
	all, refused, err := readText(strings.Join([]string{gone, kept, reso, odd}, "\n"), feed.NDJSON, feed.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"reos.property.deleted.v1", "reos.property.upserted.v1", "reos.property.deleted.v1"},
		[]string{all[0].Type, all[1].Type, all[2].Type})
	require.Equal(t, []string{`line 4: @deleted must be true or false, got "\"maybe\""`}, problems(refused))

	lease := `{"LeaseKey":"L1","StandardStatus":"Delete","ModificationTimestamp":"2026-01-02"}`
	all, _, _ = readText(lease, feed.NDJSON, feed.Options{RecordType: events.Lease})
	require.Equal(t, "reos.lease.upserted.v1", all[0].Type, "only a property has a StandardStatus")

	document := `{"DocumentKey":"D1","@deleted":true,"ModificationTimestamp":"2026-01-02"}`
	all, _, _ = readText(document, feed.NDJSON, feed.Options{RecordType: events.Document})
	require.Equal(t, "reos.document.deleted.v1", all[0].Type)
}

func TestMalformedLinesAreToldAndLeftOut(t *testing.T) {
	huge := strings.Replace(home("BIG"), "{", `{"PublicRemarks":"`+strings.Repeat("x", events.MaxDataBytes)+`",`, 1)
	monstrous := `{"PublicRemarks":"` + strings.Repeat("y", 3*events.MaxDataBytes) + `"}`
	lines := []string{
		home("H1"),
		`{"ListingKey": "H2"`,
		`[1]`,
		`null`,
		huge,
		monstrous,
		"{\"ListingKey\":\"\xff\",\"ModificationTimestamp\":\"2026-01-02\"}",
		`{"ModificationTimestamp":"2026-01-02"}`,
		`{"ListingKey":"H9"}`,
		`{"ListingKey":"H10","ModificationTimestamp":"yesterday"}`,
		home("H11"),
	}
	all, refused, err := readText(strings.Join(lines, "\n")+"\n", feed.NDJSON, feed.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"H1", "H11"}, keys(all))
	require.Equal(t, []string{
		`line 2: must be one JSON object, got "unexpected end of JSON input"`,
		`line 3: must be one JSON object, got "json: cannot unmarshal array into Go value of type feed.members"`,
		`line 4: must be one JSON object, got "null"`,
		fmt.Sprintf(`line 5: must be at most 1000000 bytes, got "%d"`, len(huge)),
		fmt.Sprintf(`line 6: must be at most 2000000 bytes, got "%d"`, len(monstrous)+1),
		`line 7: must be UTF-8 throughout, unlike at offset 15`,
		`line 8: subject must be the record's key where the data has no ListingKey, not empty`,
		`line 9: ModificationTimestamp must be present where the event has no time`,
		`line 10: ModificationTimestamp must be a time (RFC 3339) from 1900 on, at most 24 h ahead of the clock, got "\"yesterday\""`,
	}, problems(refused))
}

func TestCloudEvents(t *testing.T) {
	event := func(more string) string {
		return `{"specversion":"1.0","id":"evt-1","source":"mls/x","type":"reos.property.upserted.v1"` + more + `,"data":` + home("H1") + `}`
	}
	lines := []string{
		event(""),
		event(`,"tenantid":"` + strings.ToUpper(tenantA.String()) + `","runid":"its-own"`),
		event(`,"tenantid":null`),
		event(`,"tenantid":"` + tenantB.String() + `"`),
		event(`,"tenantid":7`),
		`{"specversion":"1.0","id":"evt-1","type":"reos.property.upserted.v1"}`,
		strings.Replace(event(""), "upserted", "painted", 1),
	}
	all, refused, err := readText(strings.Join(lines, "\n"), feed.NDJSON, feed.Options{RunID: "run-1", Source: "unused"})
	require.NoError(t, err)
	require.Len(t, all, 3)
	for _, e := range all {
		require.Equal(t, tenantA, e.TenantID)
		require.Equal(t, "evt-1", e.ID)
		require.Equal(t, "mls/x", e.Source)
		require.JSONEq(t, home("H1"), string(e.Data))
	}
	require.Equal(t, "run-1", all[0].RunID)
	require.Equal(t, "its-own", all[1].RunID)
	require.Len(t, refused, 4)
	require.Equal(t, `line 4: tenantid must be `+tenantA.String()+`, for whom it is sent, or absent, got "`+tenantB.String()+`"`, refused[0].Error())
	require.Equal(t, "tenantid", refused[1].Field)
	require.Equal(t, "source", refused[2].Field)
	require.Equal(t, "type", refused[3].Field)
}

func TestRESO(t *testing.T) {
	for name, text := range map[string]string{
		"page":  `{"@odata.context": "x", "n": {"value": [1]}, "value": [` + home("H1") + ",\n" + home("H2") + `], "@odata.nextLink": null}`,
		"array": "\ufeff[" + home("H1") + " , " + home("H2") + "]\n",
		"pages": `{"value":[` + home("H1") + `]}{"value":[` + home("H2") + `]}[]{"value":[],"a":1.5e3,"b":"}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			all, refused, err := read(iotest.OneByteReader(strings.NewReader(text)), feed.RESO, feed.Options{})
			require.NoError(t, err)
			require.Empty(t, refused)
			require.Equal(t, []string{"H1", "H2"}, keys(all))
			require.JSONEq(t, home("H1"), string(all[0].Data))
		})
	}
}

func TestRESORefusesRecordsAndGoesOn(t *testing.T) {
	huge := `{"PublicRemarks":"` + strings.Repeat("]", 2*events.MaxDataBytes) + `"}`
	text := "{\"value\":[\n 17,\n" + home("H1") + ", {\"a\":b}, \"\\\"]\",\n" + huge + "," + home("H2") + "]}"
	all, refused, err := readText(text, feed.RESO, feed.Options{})
	require.NoError(t, err)
	require.Equal(t, []string{"H1", "H2"}, keys(all))
	require.Equal(t, []string{
		`line 2, record 1: must be one JSON object, got "json: cannot unmarshal number into Go value of type feed.members"`,
		`line 3, record 3: must be one JSON object, got "invalid character 'b' looking for beginning of value"`,
		`line 3, record 4: must be one JSON object, got "json: cannot unmarshal string into Go value of type feed.members"`,
		fmt.Sprintf(`line 4, record 5: must be at most 1000000 bytes, got "%d"`, len(huge)),
	}, problems(refused))
}

func TestRESOThatIsNone(t *testing.T) {
	for _, text := range []string{
		`{"error":{"code":"x"}}`, `"text"`, `{"value":[` + home("H1"), `{"value":[` + home("H1") + ` ` + home("H2") + `]}`,
		`{"value":{}}`, `{`, `[`, `{"value":["abc`, `{"value" []}`, `{7:[]}`, `{"a":1 "b":2}`,
	} {
		_, _, err := readText(text, feed.RESO, feed.Options{})
		require.ErrorContains(t, err, "read RESO JSON at line 1", text)
	}
}

func TestBrokenStreamEndsWithItsError(t *testing.T) {
	broken := errors.New("the cable is cut")
	mapping, err := feed.ParseMapping("m.yaml", []byte("{key: id, version: {column: at}}"))
	require.NoError(t, err)
	texts := map[feed.Format]string{
		feed.NDJSON: home("H1") + "\n" + home("H2")[:20],
		feed.CSV:    "id,at\nH1,2026-01-02\nH2,2026",
		feed.RESO:   "[" + home("H1") + "," + home("H2")[:20],
	}
	for format, text := range texts {
		stream := io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken))
		all, refused, err := read(stream, format, feed.Options{Mapping: mapping})
		require.ErrorIs(t, err, broken, format)
		require.Empty(t, refused, format)
		require.Equal(t, []string{"H1"}, keys(all), "half a record is none")

		require.NotPanics(t, func() {
			for range feed.Read(strings.NewReader(text), format, feed.Options{Tenant: tenantA, Mapping: mapping}) {
				break
			}
		})
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	var lines strings.Builder
	for i := range 4_000 {
		lines.WriteString(home(fmt.Sprint("H", i)) + "\n")
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err := w.Write([]byte(lines.String()))
	require.NoError(t, err)
	require.NoError(t, w.Close())

	for name, content := range map[string][]byte{
		"plain.ndjson": []byte(lines.String()), "zipped.ndjson": zipped.Bytes(), "empty": nil, "one": []byte("\n"),
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, content, 0o600))
		file, err := feed.Open(path)
		require.NoError(t, err, name)
		all, refused, err := read(file, feed.NDJSON, feed.Options{})
		require.NoError(t, err, name)
		require.Empty(t, refused, name)
		require.EqualValues(t, len(content), file.Size(), name)
		require.Equal(t, file.Size(), file.BytesRead(), name)
		require.NoError(t, file.Close())
		if len(content) > 1 {
			require.Len(t, all, 4_000, name)
		}
	}

	for _, size := range []int{5, zipped.Len() / 2, zipped.Len() - 4} {
		file, err := feed.NewFile(bytes.NewReader(zipped.Bytes()[:size]), -1)
		if err == nil {
			require.EqualValues(t, -1, file.Size())
			_, _, err = read(file, feed.NDJSON, feed.Options{})
			require.NoError(t, file.Close())
		}
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "gzip truncated at %d", size)
	}

	_, err = feed.Open(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = feed.Open(dir)
	require.ErrorContains(t, err, "is a directory")
}

func TestFormatOf(t *testing.T) {
	mapping := &feed.Mapping{}
	for _, c := range []struct {
		path, named string
		mapping     *feed.Mapping
		want        feed.Format
		problem     string
	}{
		{"a.ndjson", "", nil, feed.NDJSON, ""},
		{"A.JSONL.GZ", "", mapping, feed.NDJSON, ""},
		{"a.json.gz", "", nil, feed.RESO, ""},
		{"a.csv", "", mapping, feed.CSV, ""},
		{"a.tsv", "", nil, "", "needs a mapping"},
		{"a.txt", "", mapping, feed.CSV, ""},
		{"a.txt", "", nil, "", "must end in"},
		{"a.txt", "reso", nil, feed.RESO, ""},
		{"-", "", nil, feed.NDJSON, ""},
		{"-", "", mapping, feed.CSV, ""},
		{"a.csv", "xml", nil, "", `got "xml"`},
	} {
		format, err := feed.FormatOf(c.path, c.named, c.mapping)
		require.Equal(t, c.want, format, c)
		if c.problem == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, c.problem)
		}
	}
	require.Equal(t, "feed/my%20homes.csv.gz", feed.SourceOf("/data/my homes.csv.gz"))
	require.Equal(t, "feed/stdin", feed.SourceOf(feed.Stdin))
	require.Len(t, feed.SourceOf(strings.Repeat("ß", 255)), events.MaxAttributeBytes)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, err := range feed.Read(strings.NewReader("{}"), feed.NDJSON, feed.Options{}) {
		require.ErrorContains(t, err, "needs a tenant")
	}
	_, _, err := readText("{}", feed.NDJSON, feed.Options{RecordType: "castle"})
	require.ErrorContains(t, err, `got "castle"`)
	_, _, err = readText("a,b", feed.CSV, feed.Options{})
	require.ErrorContains(t, err, "needs a mapping")
	_, _, err = readText("{}", "xml", feed.Options{})
	require.ErrorContains(t, err, `got "xml"`)
}

// endless repeats a text up to a length.
type endless struct {
	text []byte
	left int
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, e.text[e.at:])
	e.at = (e.at + n) % len(e.text)
	e.left -= n
	return n, nil
}

func TestMemoryIsBounded(t *testing.T) {
	line := strings.Replace(home("H1"), "{", `{"PublicRemarks":"`+strings.Repeat("lake ", 10_000)+`",`, 1) + "\n"
	const total, limit = streamed, 16 << 20
	var stats runtime.MemStats
	runtime.GC()
	read := 0
	for event, err := range feed.Read(&endless{text: []byte(line), left: total}, feed.NDJSON, feed.Options{Tenant: tenantA}) {
		if err != nil {
			_, refused := errors.AsType[*feed.LineError](err)
			require.True(t, refused, "only the last line may be cut: %v", err)
			continue
		}
		read += len(event.Data)
		if read%(100*(len(line)-1)) == 0 {
			runtime.ReadMemStats(&stats)
			require.Less(t, stats.HeapAlloc, uint64(limit))
		}
	}
	require.Greater(t, read, total-2*len(line))
}

func TestEndlessLineIsSkippedInBoundedMemory(t *testing.T) {
	mapping, err := feed.ParseMapping("m.yaml", []byte("{key: id, version: {column: at}}"))
	require.NoError(t, err)
	for format, head := range map[feed.Format]string{
		feed.NDJSON: `{"a":"`, feed.CSV: "id,at\n\"", feed.RESO: `[{"a":"`,
	} {
		stream := io.MultiReader(strings.NewReader(head), &endless{text: bytes.Repeat([]byte("lake "), 10_000), left: 30 << 20})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		all, _, _ := read(stream, format, feed.Options{Mapping: mapping})
		runtime.GC()
		runtime.ReadMemStats(&after)
		require.Empty(t, all)
		require.Less(t, after.HeapSys, before.HeapSys+(24<<20), format)
	}
}

func BenchmarkNDJSON(b *testing.B) {
	line := []byte(strings.Replace(home("H1"), "{", `{"PublicRemarks":"`+strings.Repeat("lake ", 150)+`",`, 1) + "\n")
	rows := 0
	for b.Loop() {
		for _, err := range feed.Read(bytes.NewReader(bytes.Repeat(line, 1000)), feed.NDJSON, feed.Options{Tenant: tenantA}) {
			require.NoError(b, err)
			rows++
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
