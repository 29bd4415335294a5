package store

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// maxPatternBytes bounds a pattern: what comes later in an error seldom tells two causes apart.
	maxPatternBytes = 300
	// maxErrorRead is how much of an error is looked at: far more than any of ours has.
	maxErrorRead = 16 << 10
)

// Fingerprint names the group of letters that died for the same cause, as far as stage, reason and error tell: two errors
// that differ only in what Pattern takes out are of one group. 16 hexadecimal digits.
func Fingerprint(stage events.Stage, reason events.Reason, errorText string) string {
	digest := sha256.Sum256([]byte(string(stage) + "\n" + string(reason) + "\n" + Pattern(errorText)))
	return hex.EncodeToString(digest[:8])
}

// What differs from one message to the next, in the order in which it is taken out.
var (
	quotedText   = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"(?:… \\([0-9]+ bytes\\))?|`[^`]*`|\\B'[^']*'\\B")
	uuidText     = regexp.MustCompile(`[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)
	timeText     = regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})?`)
	durationText = regexp.MustCompile(`\b(?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|ms|h|m|s))+\b`)
	hexText      = regexp.MustCompile(`\b(?:0x)?[0-9a-fA-F]{8,}\b`)
	numberText   = regexp.MustCompile(`[0-9]+`)
	numbersText  = regexp.MustCompile(`[+-]?#(?:[-+/.:,_]?#)*`)
	spaceText    = regexp.MustCompile(`\s+`)
)

// Pattern is an error without what differs from one message to the next: numbers, ids and times become #, what is quoted
// becomes "…". It has no digits, is UTF-8, and is at most 300 bytes long. Pure.
func Pattern(errorText string) string {
	text := strings.ToValidUTF8(events.Cut(errorText, maxErrorRead), "\uFFFD")
	text = quotedText.ReplaceAllString(text, `"…"`)
	for _, found := range []*regexp.Regexp{uuidText, timeText, durationText} {
		text = found.ReplaceAllString(text, "#")
	}
	text = hexText.ReplaceAllStringFunc(text, func(word string) string {
		if strings.ContainsAny(word, "0123456789") {
			return "#"
		}
		return word // a word of the letters a to f
	})
	text = numberText.ReplaceAllString(text, "#")
	text = numbersText.ReplaceAllString(text, "#")
	text = strings.TrimSpace(spaceText.ReplaceAllString(strings.ReplaceAll(text, "\x00", "\uFFFD"), " "))
	return events.Cut(text, maxPatternBytes)
}
