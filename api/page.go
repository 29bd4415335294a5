package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/codybias9/real-estate-os/events"
)

// writeCursor makes an opaque text of a place in a listing.
//
// Invariant 4: it is a place and no more. Whoever presents it sees their own data from there on.
func writeCursor(place any) (string, error) {
	encoded, err := json.Marshal(place)
	if err != nil {
		return "", fmt.Errorf("write cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(encoded), nil
}

// readCursor reads what writeCursor wrote; the empty text is the beginning.
func readCursor(cursor string, place any) error {
	if cursor == "" {
		return nil
	}
	encoded, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(encoded, place)
	}
	if err != nil {
		return invalid("query.cursor", "must be the `next` of a page before")
	}
	return nil
}

// keyCursor is a place in a listing in the order of keys.
type keyCursor struct {
	After string `json:"after"`
}

// readKeyCursor reads a keyCursor. What cannot be a key is no cursor of ours.
func readKeyCursor(cursor string) (string, error) {
	var place keyCursor
	if err := readCursor(cursor, &place); err != nil {
		return "", err
	}
	if cursor != "" && !isKey(place.After) {
		return "", invalid("query.cursor", "must be the `next` of a page before")
	}
	return place.After, nil
}

// isKey says whether a text may name a record, or a document: nothing else reaches a store.
func isKey(text string) bool {
	if text == "" || len(text) > events.MaxKeyBytes || !utf8.ValidString(text) {
		return false
	}
	for _, c := range text {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
