package events

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// recordKey takes the key from the data, else from the subject.
func recordKey(members []member, field, subject string) (string, error) {
	subject = strings.TrimSpace(subject)
	raw, ok := findMember(members, field)
	if !ok || isNull(raw) {
		return checkKey("subject", subject, "the record's key where the data has no "+field)
	}
	key, ok := textOf(raw)
	if !ok || isNumber(raw) && !isDigits(raw) {
		return "", Reject(KeyInvalid, field, "text or a whole number", string(raw))
	}
	if key == "" {
		return checkKey("subject", subject, "the record's key where the data has no "+field)
	}
	if subject != "" && subject != key {
		return "", Reject(KeyInvalid, field, fmt.Sprintf("the same as the event's subject %s", Shorten(subject, 80)), key)
	}
	return checkKey(field, key, "the record's key")
}

// checkKey says whether key can name a record in every store.
func checkKey(field, key, meaning string) (string, error) {
	switch {
	case key == "":
		return "", Reject(KeyInvalid, field, meaning+", not empty", "")
	case len(key) > MaxKeyBytes:
		return "", Reject(KeyInvalid, field, fmt.Sprintf("at most %d bytes", MaxKeyBytes), key)
	case !utf8.ValidString(key) || strings.ContainsRune(key, utf8.RuneError):
		return "", Reject(KeyInvalid, field, "UTF-8 text", key)
	case strings.ContainsFunc(key, unicode.IsControl):
		return "", Reject(KeyInvalid, field, "text without control characters", key)
	}
	return key, nil
}

// oldestVersion is before any system that could have modified a record.
var oldestVersion = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)

// recordVersion takes the version's time from the data, else from the envelope.
func recordVersion(members []member, e Event, now time.Time) (Version, error) {
	const must = "a time (RFC 3339) from 1900 on, at most 24 h ahead of the clock"
	field, at, got := "time", e.Time, ""
	if raw, ok := findMember(members, ModificationTimestamp); ok && !isEmpty(raw) {
		field, got = ModificationTimestamp, string(raw)
		if at, ok = timestampOf(raw); !ok {
			return Version{}, Reject(VersionInvalid, field, must, got)
		}
	} else if at.IsZero() {
		return Version{}, Reject(VersionInvalid, ModificationTimestamp, "present where the event has no time", "")
	}
	if got == "" {
		got = at.Format(time.RFC3339)
	}
	if at.Before(oldestVersion) || at.After(now.Add(MaxVersionAhead)) {
		return Version{}, Reject(VersionInvalid, field, must, got)
	}
	return NewVersion(at, e.Sequence), nil
}
