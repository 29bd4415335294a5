package feed_test

import (
	"bytes"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

// fuzzFormat holds for any text: it ends, every event is one that ingestion takes, every refusal has its place, and
// it does not matter in which pieces the text arrives.
func fuzzFormat(f *testing.F, format feed.Format, m *feed.Mapping) {
	f.Fuzz(func(t *testing.T, text []byte) {
		all, refused, err := read(bytes.NewReader(text), format, feed.Options{Mapping: m})
		for _, event := range all {
			decoded, err := events.Decode(event.Message())
			require.NoError(t, err)
			_, err = events.Normalise(decoded)
			require.NoError(t, err)
		}
		lines := int64(bytes.Count(text, []byte{'\n'})) + 1
		for _, line := range refused {
			require.Positive(t, line.Line)
			require.LessOrEqual(t, line.Line, lines)
			require.NotEmpty(t, line.Must)
		}
		piecemeal, refusedAgain, errAgain := read(iotest.OneByteReader(bytes.NewReader(text)), format, feed.Options{Mapping: m})
		require.Equal(t, all, piecemeal)
		require.Equal(t, refused, refusedAgain)
		require.Equal(t, err, errAgain)
	})
}

func FuzzNDJSON(f *testing.F) {
	f.Add([]byte(home("H1") + "\r\n\n" + home("H2")))
	f.Add([]byte(`{"specversion":"1.0","id":"a","source":"b","type":"reos.property.upserted.v1","data":` + home("H1") + `}`))
	f.Add([]byte("{\"@deleted\":true,\"ListingKey\":\"\xff\"}\nnull\n[]\n7"))
	fuzzFormat(f, feed.NDJSON, nil)
}

func FuzzRESO(f *testing.F) {
	f.Add([]byte(`{"a":{"value":[1]},"value":[` + home("H1") + `,7,"]"]}[]`))
	f.Add([]byte(`[{"a":"\"}"},,]`))
	f.Add([]byte(`{"value":}`))
	fuzzFormat(f, feed.RESO, nil)
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("id,at,seq,price,remarks\nH1,2026-01-02,1,\"1\"\"\",\"a\r\nb\"\r\n"))
	f.Add([]byte("id,at,seq,price,remarks\r\n\"H1,2026\nx\"y\n,,,,\n\r\n\""))
	f.Add([]byte("\ufeffid\r,at"))
	fuzzFormat(f, feed.CSV, mapping(f, small))
}
