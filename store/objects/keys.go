package objects

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"

	"github.com/codybias9/real-estate-os/store"
)

// ErrInvalidKey is store.ErrInvalidKey.
var ErrInvalidKey = store.ErrInvalidKey

// refuse says why a key is refused.
func refuse(format string, args ...any) error {
	return &store.KeyError{Why: fmt.Sprintf(format, args...)}
}

const (
	// maxKeyBytes leaves room for the tenant's prefix in the 1,024 bytes that S3 allows.
	maxKeyBytes = 900
	// maxSegmentBytes is what a file name may have: MinIO and gateways to file systems keep one segment as one.
	maxSegmentBytes = 255
)

// absolute is the tenant's object in the bucket.
//
// Invariant 4: no key leaves the tenant's prefix. The prefix ends in a slash, so a tenant whose id begins like another's
// is another tenant. Keys that some server, proxy or file system might read as another key are refused rather than
// cleaned: one object has one name.
func (t *Tenant) absolute(key string) (string, error) {
	if t.id == uuid.Nil {
		return "", refuse("no tenant")
	}
	if err := checkKey(key); err != nil {
		return "", err
	}
	return t.prefix + key, nil
}

// relative is the inverse of absolute: the key of an object in the bucket as its tenant names it.
func (t *Tenant) relative(full string) (string, error) {
	if t.id == uuid.Nil {
		return "", refuse("no tenant")
	}
	key, ok := strings.CutPrefix(full, t.prefix)
	if !ok {
		return "", refuse("not the tenant's own")
	}
	return key, nil
}

// absolutePrefix is like absolute for the beginning of keys: it may be empty, and may end in a slash.
func (t *Tenant) absolutePrefix(prefix string) (string, error) {
	if bare := strings.TrimSuffix(prefix, "/"); bare != "" || prefix != "" {
		if _, err := t.absolute(bare); err != nil {
			return "", err
		}
	} else if t.id == uuid.Nil {
		return "", refuse("no tenant")
	}
	return t.prefix + prefix, nil
}

// checkKey refuses what could name an object outside of the prefix, or one object by two names: empty, absolute, empty
// segments, `.` and `..` with or without spaces around them, MinIO's own names, backslashes, percent-escapes, control
// characters, text that is not valid UTF-8 in normalization form C, and lengths that a server would refuse.
func checkKey(key string) error {
	switch {
	case key == "":
		return refuse("empty")
	case len(key) > maxKeyBytes:
		return refuse("longer than %d bytes", maxKeyBytes)
	case !utf8.ValidString(key):
		return refuse("not UTF-8")
	case !norm.NFC.IsNormalString(key):
		return refuse("not in Unicode normalization form C")
	case strings.ContainsFunc(key, isForbidden):
		return refuse("backslash or control character")
	case hasEscape(key):
		return refuse("percent-encoded")
	}
	for segment := range strings.SplitSeq(key, "/") {
		switch bare := strings.TrimSpace(segment); {
		case segment == "":
			return refuse("absolute or with an empty segment")
		case bare == "." || bare == "..": // MinIO cuts spaces off before it looks
			return refuse("segment %q", segment)
		case strings.HasSuffix(segment, minioDirectory): // MinIO stores it and does not list it
			return refuse("segment %q ends in %s", segment, minioDirectory)
		case len(segment) > maxSegmentBytes:
			return refuse("segment longer than %d bytes", maxSegmentBytes)
		}
	}
	return nil
}

// minioDirectory is how MinIO tells an empty directory from an object.
const minioDirectory = "__XLDIR__"

// isForbidden also covers what XML cannot carry: a listing that holds such a key cannot be read.
func isForbidden(r rune) bool {
	return r == '\\' || unicode.IsControl(r) || r == '\uFFFE' || r == '\uFFFF'
}

// hasEscape reports a percent sign with two hexadecimal digits: `%2e%2e`, `%2F`, and what a second decoding makes of
// `%252e`.
func hasEscape(key string) bool {
	for i := 0; i+2 < len(key); i++ {
		if key[i] == '%' && isHex(key[i+1]) && isHex(key[i+2]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}
