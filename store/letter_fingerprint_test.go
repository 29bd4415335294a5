package store_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestPatternsKeepTheCauseAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"it broke":                      "it broke",
		"  two\n\tlines  ":              "two lines",
		"model service: 413 after 1.5s": "model service: # after #",
		"stage timed out: 1m30s":        "stage timed out: #",
		`data_not_json: message must be one JSON object, got "{\"a\": "`:        `data_not_json: message must be one JSON object, got "…"`,
		`key_invalid: ListingKey must be short, got "aaaa"… (300 bytes)`:        `key_invalid: ListingKey must be short, got "…"`,
		"property \"K-1\" is not stored at version 2026-01-02T03:04:05.678Z/12": `property "…" is not stored at version #`,
		"insert `properties`: duplicate key":                                    `insert "…": duplicate key`,
		"can't read 'x y' of it":                                                `can't read "…" of it`,
		"event 5f1c6a52-8e61-4b7e-9d0a-0a1b2c3d4e5f of f00dfeed1 at 0xdeadbeef": "event # of # at #",
		"ERROR: value too long (SQLSTATE 22001)":                                "ERROR: value too long (SQLSTATE #)",
		"dial tcp 10.0.0.12:6334: connect: connection refused":                  "dial tcp #: connect: connection refused",
		"[1, 2, -3]":                    "[#, #, #]",
		"x509: certificate has expired": "x#: certificate has expired",
		"defaced facade deadbeef":       "defaced facade deadbeef",
		"bad \x00 and \xff":             "bad \uFFFD and \uFFFD",
	} {
		require.Equal(t, want, store.Pattern(text), text)
	}
}

func TestFingerprintsTellCausesApart(t *testing.T) {
	one := store.Fingerprint(events.Embedding, events.StageError, "model service: 413")
	require.Equal(t, one, store.Fingerprint(events.Embedding, events.StageError, "model service: 429"), "a number is no cause")
	require.Regexp(t, "^[0-9a-f]{16}$", one)
	for _, other := range []string{
		store.Fingerprint(events.Indexing, events.StageError, "model service: 413"),
		store.Fingerprint(events.Embedding, events.StagePanic, "model service: 413"),
		store.Fingerprint(events.Embedding, events.StageError, "vector store: 413"),
	} {
		require.NotEqual(t, one, other)
	}
	require.Len(t, store.Pattern(strings.Repeat("ż", 1000)), 299, "no half rune")
}

func TestEveryReasonHasOneKind(t *testing.T) {
	kinds := map[store.LetterKind][]events.Reason{}
	for _, reason := range events.Reasons {
		kinds[store.KindOf(reason)] = append(kinds[store.KindOf(reason)], reason)
	}
	require.ElementsMatch(t, []events.Reason{events.StageError, events.StageTimeout}, kinds[store.Transient])
	require.ElementsMatch(t, []events.Reason{events.TenantMismatch, events.TenantUnknown}, kinds[store.Unauthorised])
	require.Contains(t, kinds[store.BadData], events.VersionInvalid)
	require.Contains(t, kinds[store.Permanent], events.StagePanic)
	require.Equal(t, store.Permanent, store.KindOf("whatever a foreign message says"))
}

func FuzzPattern(f *testing.F) {
	f.Add("model service: ", uint64(413), uint64(429), " after 1.5s")
	f.Add(`got "`, uint64(1), uint64(2), `" at 2026-01-02T03:04:05Z`)
	f.Add("'", uint64(0), uint64(1<<63), "\xff`")
	f.Fuzz(func(t *testing.T, before string, a, b uint64, after string) {
		if len(before)+len(after) > 8<<10 {
			return // all of it is looked at
		}
		text := func(n uint64) string { return fmt.Sprintf("%s %d %s", before, n, after) }
		pattern := store.Pattern(text(a))
		require.True(t, utf8.ValidString(pattern))
		require.LessOrEqual(t, len(pattern), 300)
		require.False(t, strings.ContainsAny(pattern, "0123456789\x00"), pattern)
		require.Equal(t, pattern, store.Pattern(text(a)), "pure")
		require.Equal(t, pattern, store.Pattern(text(b)), "numbers make no difference")
	})
}
