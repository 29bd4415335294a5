package objects

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// escapingKeys are refused wherever a key is taken.
var escapingKeys = map[string]string{
	"empty":                      "",
	"absolute":                   "/documents/a",
	"only a slash":               "/",
	"parent":                     "..",
	"parent first":               "../other/raw/a",
	"parent inside":              "documents/../../other/raw/a",
	"parent last":                "documents/..",
	"self":                       ".",
	"self inside":                "documents/./a",
	"empty segment":              "documents//a",
	"trailing slash":             "documents/",
	"backslash":                  `documents\a`,
	"backslash parent":           `..\a`,
	"NUL":                        "documents/a\x00.pdf",
	"newline":                    "documents/a\nb",
	"delete":                     "documents/a\x7f",
	"C1 control":                 "documents/a\u0085b",
	"not a character":            "documents/a\uffff",
	"invalid UTF-8":              "documents/\xff\xfe",
	"overlong slash":             "documents\xc0\xafa",
	"encoded parent":             "%2e%2e/a",
	"encoded parent, upper case": "%2E%2E/a",
	"half encoded parent":        ".%2e/a",
	"encoded slash":              "documents%2fa",
	"encoded slash, upper case":  "documents%2Fa",
	"twice encoded":              "%252e%252e/a",
	"decomposed":                 "documents/cafe\u0301.pdf",
	"too long":                   strings.Repeat("abcdefghi/", 90) + "a",
	"segment too long":           strings.Repeat("a", 256),
	"parent with spaces":         "documents/ ../a",
	"parent, space behind":       "documents/.. /a",
	"parent, wide space":         "documents/\u3000..",
	"dot with spaces":            "documents/ . /a",
	"dot at the end":             "documents/. ",
	"space and parent alone":     " ..",
	"MinIO's own name":           "documents/a__XLDIR__",
	"MinIO's own directory":      "documents/b__XLDIR__/c",
}

var goodKeys = []string{
	"documents/lease.pdf",
	"documents/café.pdf",
	"documents/..hidden",
	"documents/a..b",
	"documents/...",
	"documents/100% done.pdf",
	"documents/a b+c&d=e?f#g.pdf",
	"documents/契約.pdf",
	"documents/ x",
	"documents/x ",
	"documents/ /y",
	"documents/XLDIR",
	"documents/. .",
	strings.Repeat("abcdefghi/", 89) + "abcdefghij",
}

func TestInvariant4EveryEscapingKeyIsRefused(t *testing.T) {
	tenant := (&Client{}).Tenant(uuid.New())
	for name, key := range escapingKeys {
		t.Run(name, func(t *testing.T) {
			_, err := tenant.absolute(key)
			require.ErrorIs(t, err, ErrInvalidKey)
		})
	}
}

func TestGoodKeysStayUnderThePrefix(t *testing.T) {
	tenant := (&Client{}).Tenant(uuid.New())
	for _, key := range goodKeys {
		full, err := tenant.absolute(key)
		require.NoError(t, err, key)
		require.Equal(t, tenant.id.String()+"/"+key, full)
		back, err := tenant.relative(full)
		require.NoError(t, err)
		require.Equal(t, key, back)
	}
}

func TestInvariant4NoHandleWithoutATenant(t *testing.T) {
	tenant := (&Client{}).Tenant(uuid.Nil)
	_, err := tenant.absolute("documents/a")
	require.ErrorIs(t, err, ErrInvalidKey)
	_, err = tenant.relative(uuid.Nil.String() + "/raw/a")
	require.ErrorIs(t, err, ErrInvalidKey)
	for _, prefix := range []string{"", "raw/"} {
		_, err = tenant.absolutePrefix(prefix)
		require.ErrorIs(t, err, ErrInvalidKey)
	}
}

func TestPrefixes(t *testing.T) {
	tenant := (&Client{}).Tenant(uuid.New())
	for _, prefix := range []string{"", "raw/", "raw", "documents/a/"} {
		full, err := tenant.absolutePrefix(prefix)
		require.NoError(t, err, prefix)
		require.Equal(t, tenant.prefix+prefix, full)
	}
	for _, prefix := range []string{"/", "//", "../", "raw//", "../" + uuid.NewString()} {
		_, err := tenant.absolutePrefix(prefix)
		require.ErrorIs(t, err, ErrInvalidKey, prefix)
	}
}

// FuzzInvariant4KeysStayUnderThePrefix decodes and cleans an accepted key as a careless server might: it must still be
// the same key.
func FuzzInvariant4KeysStayUnderThePrefix(f *testing.F) {
	for _, key := range escapingKeys {
		f.Add(key)
	}
	for _, key := range goodKeys {
		f.Add(key)
	}
	tenant := (&Client{}).Tenant(uuid.New())
	f.Fuzz(func(t *testing.T, key string) {
		full, err := tenant.absolute(key)
		if err != nil {
			return
		}
		require.Equal(t, full, carelessly(full))
		require.True(t, strings.HasPrefix(full, tenant.prefix))
		require.LessOrEqual(t, len(full), 1024)
	})
}
