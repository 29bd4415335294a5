// Package demo holds the feed that `reos demo` publishes, and what must become of it. Both are made by generate.
package demo

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

//go:generate go run ./generate

//go:embed feed.ndjson
var messages []byte

//go:embed expected.json
var expected []byte

// Message is one raw message, as an upstream publishes it to the intake.
type Message struct {
	RoutingKey string            `json:"routing_key"`
	Headers    map[string]string `json:"headers"`
	MessageID  string            `json:"message_id"`
	Body       string            `json:"body"`
}

// Expected is what the feed calls for, counted by its generator and not by the pipeline.
type Expected struct {
	Published   int      `json:"published"`
	Duplicates  int      `json:"duplicates"`
	Stale       int      `json:"stale"`
	Dead        int      `json:"dead"`
	Unroutable  int      `json:"unroutable"`
	Deleted     int      `json:"deleted"`
	Indexed     int      `json:"indexed"`
	Quarantined int      `json:"quarantined"`
	Tenants     []Tenant `json:"tenants"`
}

// Tenant is one tenant's part of it.
type Tenant struct {
	ID          uuid.UUID `json:"id"`
	Name        string    `json:"name"`
	Indexed     int       `json:"indexed"`
	Quarantined int       `json:"quarantined"`
	Search      struct {
		Query  string `json:"query"`
		TopKey string `json:"top_key"`
	} `json:"search"`
}

// Feed is the whole of it.
type Feed struct {
	Messages []Message
	Expected Expected
}

// Load reads the feed.
func Load() (*Feed, error) {
	var feed Feed
	if err := json.Unmarshal(expected, &feed.Expected); err != nil {
		return nil, fmt.Errorf("read expected.json: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(messages))
	lines.Buffer(nil, 2*events.MaxDataBytes)
	for lines.Scan() {
		var message Message
		if err := json.Unmarshal(lines.Bytes(), &message); err != nil {
			return nil, fmt.Errorf("read feed.ndjson: %w", err)
		}
		feed.Messages = append(feed.Messages, message)
	}
	return &feed, lines.Err()
}
