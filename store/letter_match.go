package store

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

// PayloadMatch asks for letters whose data has a value at a path.
type PayloadMatch struct {
	Path  []string // names of members, and numbers of items, from the outside in; not empty
	Value string   // a string's content, or a number's, boolean's or null's JSON
	Any   bool     // whatever the value is
}

// ParsePayloadMatch reads `path` or `path=value`, with dots between the path's parts: `ListPrice=450000`, `Media.0.MediaURL`.
// It reports false where there is no path.
func ParsePayloadMatch(text string) (PayloadMatch, bool) {
	path, value, valued := strings.Cut(text, "=")
	if path == "" {
		return PayloadMatch{}, false
	}
	return PayloadMatch{Path: strings.Split(path, "."), Value: value, Any: !valued}, true
}

// Matches says whether a whole letter's data has the value. Data that is no JSON matches nothing.
func (m PayloadMatch) Matches(l DeadLetter) bool {
	decoder := json.NewDecoder(bytes.NewReader(l.Data()))
	decoder.UseNumber() // as it is written
	var value any
	if decoder.Decode(&value) != nil {
		return false
	}
	for _, name := range m.Path {
		switch inner := value.(type) {
		case map[string]any:
			member, ok := inner[name]
			if !ok {
				return false
			}
			value = member
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(inner) {
				return false
			}
			value = inner[i]
		default:
			return false
		}
	}
	return m.Any || scalar(value) == m.Value
}

// scalar writes a JSON value that is no object and no list; these are what nobody can ask for.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return "null"
	}
	return "\x00"
}

// Message is the message as it came.
func (l DeadLetter) Message() *message.Message {
	msg := message.NewMessage(l.EventID, l.Payload)
	for name, value := range l.Headers {
		msg.Metadata[name] = value
	}
	return msg
}

// Data is the event's data where the envelope can be read; else all that came.
func (l DeadLetter) Data() []byte {
	event, err := events.Decode(l.Message())
	if err != nil {
		return l.Payload
	}
	return event.Data
}

// LetterReader lists dead letters: a tenant's, or everybody's.
type LetterReader interface {
	DeadLetters(ctx context.Context, filter DeadLetterFilter) ([]DeadLetter, error)
}

// LetterPage is a part of a listing.
type LetterPage struct {
	Letters []DeadLetter
	Next    *DeadLetterCursor // nil where there is nothing behind
}

// matchPage is how many whole letters are looked through at a time.
const matchPage = 100

// PageBytes is about how many bytes of payloads a page of whole letters has: with the last of them, which may have up to
// 16 MiB, a few times as much is held in memory by whoever shows it.
const PageBytes = 32 << 20

// FindLetters lists letters, newest first, at most filter.Limit of them, and where they are whole, not much more than
// PageBytes. With a match it looks through at most looks letters before it ends the page (0: as many as there are).
func FindLetters(ctx context.Context, reader LetterReader, filter DeadLetterFilter, match *PayloadMatch, looks int) (LetterPage, error) {
	limit := filter.Limit
	if match == nil {
		filter.Limit++
		letters, err := reader.DeadLetters(ctx, filter)
		page := LetterPage{Letters: letters[:min(len(letters), limit)]}
		if len(letters) > limit || filter.Whole && len(letters) > 0 {
			next := page.Letters[len(page.Letters)-1].Cursor()
			page.Next = &next
		}
		return page, err
	}
	page, whole := LetterPage{}, filter.Whole
	filter.Whole, filter.Limit = true, matchPage
	for seen, size := 0, 0; ; {
		letters, err := reader.DeadLetters(ctx, filter)
		if err != nil {
			return page, err
		}
		for _, l := range letters {
			seen++
			filter.After = l.Cursor()
			if match.Matches(l) {
				if !whole {
					l.Headers, l.Payload = nil, nil
				}
				page.Letters = append(page.Letters, l)
				size += len(l.Payload)
			}
			if len(page.Letters) == limit || seen == looks || size >= PageBytes {
				page.Next = &filter.After
				return page, nil
			}
		}
		if len(letters) == 0 {
			return page, nil
		}
	}
}
