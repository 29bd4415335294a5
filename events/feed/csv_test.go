package feed_test

import (
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

const small = `
record: property
format: csv
key: id
version: {column: at, sequence: seq}
fields:
  ListPrice: price
  PublicRemarks: remarks
`

func mapping(t testing.TB, text string) *feed.Mapping {
	t.Helper()
	m, err := feed.ParseMapping("m.yaml", []byte(text))
	require.NoError(t, err)
	return m
}

func TestCSV(t *testing.T) {
	text := "\ufeffid,at,seq,price,remarks\r\n" +
		"H1,2026-01-02,7,1.225e+006,\"said \"\"lake\"\",\r\nand more\"\r\n" +
		"\r\n" +
		`H2,2026-01-02,0,"call us",` + "\n" +
		"H3,2026-01-02,0,,  tabs\tand \x01  "
	for name, reader := range map[string]func(string) ([]events.Event, []*feed.LineError, error){
		"whole": func(s string) ([]events.Event, []*feed.LineError, error) {
			return readText(s, feed.CSV, feed.Options{Mapping: mapping(t, small)})
		},
		"byte by byte": func(s string) ([]events.Event, []*feed.LineError, error) {
			return read(iotest.OneByteReader(strings.NewReader(s)), feed.CSV, feed.Options{Mapping: mapping(t, small)})
		},
	} {
		all, refused, err := reader(text)
		require.NoError(t, err, name)
		require.Empty(t, refused, name)
		require.Equal(t, []string{"H1", "H2", "H3"}, keys(all), name)
		require.EqualValues(t, 7, all[0].Sequence)
		require.JSONEq(t, `{"ListingKey":"H1","ModificationTimestamp":"2026-01-02","ListPrice":1225000,
			"PublicRemarks":"said \"lake\",\r\nand more"}`, string(all[0].Data))
		require.JSONEq(t, `{"ListingKey":"H2","ModificationTimestamp":"2026-01-02","ListPrice":"call us"}`, string(all[1].Data),
			"what is no number stays what it is: quality will say so")
		require.JSONEq(t, `{"ListingKey":"H3","ModificationTimestamp":"2026-01-02","PublicRemarks":"tabs\tand \u0001"}`, string(all[2].Data))
	}
}

func TestMalformedRowsAreToldAndLeftOut(t *testing.T) {
	huge := strings.Repeat("x", 2*events.MaxDataBytes)
	lines := []string{
		"id,at,seq,price,remarks",
		"H1,2026-01-02,0,1,a",
		"H2,2026-01-02,0,1",
		`H3,2026-01-02,0,1,5" pipe`,
		`H4,2026-01-02,0,1,"closed" early`,
		"H5,2026-01-02,-1,1,a",
		",2026-01-02,0,1,a",
		"H7,soon,0,1,a",
		"H8,2026-01-02,0,1," + huge,
		"H9,2026-01-02,0,1,\"two",
		"lines\"",
		"H10,2026-01-02,0,1,\xff",
		`H11,2026-01-02,0,1,"never closed`,
		"H12,2026-01-02,0,1,a",
		`H13,2026-01-02,0,1,"never closed`,
	}
	all, refused, err := readText(strings.Join(lines, "\n"), feed.CSV, feed.Options{Mapping: mapping(t, small)})
	require.NoError(t, err)
	require.Equal(t, []string{"H1", "H9", "H12"}, keys(all))
	require.Equal(t, []string{
		`line 3: must be a row of 5 fields, as the header is, got "4"`,
		`line 4: must be a row whose fields are in quotes where they hold a quote, and that quote doubled`,
		`line 5: must be a row whose fields are in quotes where they hold a quote, and that quote doubled`,
		`line 6: sequence must be a whole number from 0, got "-1"`,
		`line 7: subject must be the record's key where the data has no ListingKey, not empty`,
		`line 8: ModificationTimestamp must be a time (RFC 3339) from 1900 on, at most 24 h ahead of the clock, got "\"soon\""`,
		`line 9: must be a row of at most 1000000 bytes`,
		`line 12: must be UTF-8 throughout, unlike at offset 88`,
		`line 13: must be a row whose fields are in quotes where they hold a quote, and that quote doubled`,
		`line 15: must be a row whose quotes are closed`,
	}, problems(refused))
}

func TestCSVHeaderIsChecked(t *testing.T) {
	_, _, err := readText("id,at,seq,cost\n", feed.CSV, feed.Options{Mapping: mapping(t, small)})
	require.EqualError(t, err, `read CSV header: mapping m.yaml: fields.ListPrice: column "price" is not in the file's header; `+
		`fields.PublicRemarks: column "remarks" is not in the file's header; the file has id, at, seq, cost`)
	_, _, err = readText("id,at,seq,price,price,remarks\n", feed.CSV, feed.Options{Mapping: mapping(t, small)})
	require.ErrorContains(t, err, `column "price" is twice`)
	_, _, err = readText("\n\n", feed.CSV, feed.Options{Mapping: mapping(t, small)})
	require.ErrorContains(t, err, "the file is empty")
	_, _, err = readText("\"id", feed.CSV, feed.Options{Mapping: mapping(t, small)})
	require.ErrorContains(t, err, "read CSV header: line 1: must be a row whose quotes are closed")
}
