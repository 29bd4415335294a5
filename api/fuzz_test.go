package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

var fuzzTenant = uuid.MustParse("10000000-0000-4000-8000-00000000000a")

// golden reads the contract's examples of what upstreams send: binary ones as attributes and data, structured ones whole.
func golden(f *testing.F, kind string, use func(content []byte)) {
	f.Helper()
	paths, err := filepath.Glob("../events/testdata/*." + kind + ".json")
	require.NoError(f, err)
	require.NotEmpty(f, paths)
	for _, path := range paths {
		if name := filepath.Base(path); !slices.Contains(events.IntakeTypes(), strings.TrimSuffix(name, "."+kind+".json")) {
			continue
		}
		content, err := os.ReadFile(path)
		require.NoError(f, err)
		use(content)
	}
}

// checkDecoded holds for any request: it is refused as a whole with a 4xx, or every event in it is the tenant's and one
// that ingestion takes, or has a reason that a dead letter could have.
func checkDecoded(t *testing.T, header http.Header, body []byte) {
	incoming, err := decodeEvents(fuzzTenant, header, body)
	if err != nil {
		var refused huma.StatusError
		require.True(t, errors.As(err, &refused), "%v", err)
		require.Equal(t, http.StatusBadRequest/100, refused.GetStatus()/100)
		return
	}
	require.NotEmpty(t, incoming)
	require.LessOrEqual(t, len(incoming), maxEvents)
	result := publication{}
	for _, one := range incoming {
		r := receiptOf(one)
		result.Receipts = append(result.Receipts, r)
		if one.Err != nil {
			require.NotNil(t, r.Problem)
			require.True(t, slices.Contains(events.Reasons, r.Problem.Reason))
			require.LessOrEqual(t, len(r.ID), events.MaxAttributeBytes)
			continue
		}
		require.Equal(t, fuzzTenant, one.Event.TenantID)
		decoded, err := events.Decode(one.Event.Message())
		require.NoError(t, err)
		_, err = events.Normalise(decoded)
		require.NoError(t, err)
	}
	result.count()
	encoded, err := result.encode()
	require.NoError(t, err)
	again, err := decodePublication(encoded)
	require.NoError(t, err)
	require.Equal(t, []int{result.Accepted, result.Rejected, result.Unconfirmed}, []int{again.Accepted, again.Rejected, again.Unconfirmed})
}

func FuzzBinaryEvents(f *testing.F) {
	golden(f, "binary", func(content []byte) {
		var file struct {
			Metadata map[string]string
			Payload  string
		}
		require.NoError(f, json.Unmarshal(content, &file))
		var headers bytes.Buffer
		for name, value := range file.Metadata {
			if attribute, ok := strings.CutPrefix(name, events.AttributePrefix); ok {
				headers.WriteString("ce-" + attribute + ": " + value + "\n")
			}
		}
		f.Add(headers.String(), "application/json", []byte(file.Payload))
	})
	f.Add("ce-id: \"a\\\"%41\"\nce-id: b\nce-time: %zz", "application/json; charset=latin1", []byte("{}"))
	f.Fuzz(func(t *testing.T, headers, contentType string, body []byte) {
		header := http.Header{"Content-Type": {contentType}}
		for line := range strings.Lines(headers) {
			name, value, _ := strings.Cut(line, ":")
			header.Add(name, strings.TrimSpace(value))
		}
		checkDecoded(t, header, body)
	})
}

func FuzzStructuredEvents(f *testing.F) {
	golden(f, "structured", func(content []byte) {
		f.Add(content)
		f.Add(append(append([]byte("["), content...), ']'))
	})
	f.Add([]byte(`[{},7,{"specversion":"1.0","id":"\u0000","tenantid":null,"data_base64":"e30="}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, contentType := range []string{structuredType, batchType} {
			checkDecoded(t, http.Header{"Content-Type": {contentType}}, body)
		}
	})
}

// A feed's body ends, whatever it is, and every event in it is the tenant's and one that ingestion takes.
func FuzzFeedBody(f *testing.F) {
	golden(f, "structured", func(content []byte) {
		f.Add(content)
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, err := w.Write(append(content, content...))
		require.NoError(f, err)
		require.NoError(f, w.Close())
		f.Add(packed.Bytes())
	})
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, format := range []feed.Format{feed.NDJSON, feed.RESO} {
			file, err := feed.NewFile(&streamed{Reader: bytes.NewReader(body)}, -1)
			if err != nil {
				return
			}
			for event, err := range feed.Read(&guarded{file: file}, format, feed.Options{Tenant: fuzzTenant}) {
				if err == nil {
					require.Equal(t, fuzzTenant, event.TenantID)
					_, err := events.Normalise(event)
					require.NoError(t, err)
				}
			}
		}
	})
}
