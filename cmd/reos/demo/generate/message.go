package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// message is one line of the feed: a message as an upstream gives it to the broker.
type message struct {
	Exchange   string            `json:"exchange"`
	RoutingKey string            `json:"routing_key"`
	Headers    map[string]string `json:"headers"`
	MessageID  string            `json:"message_id"`
	Body       string            `json:"body"`
}

// envelope is a CloudEvent before it is written.
type envelope struct {
	id, source, eventType, subject string
	at                             time.Time
	sequence                       int
	tenant                         uuid.UUID
	data                           map[string]any
}

// The ways in which upstreams write attributes: as CloudEvents' AMQP binding says, as clients do that dislike the
// colon, as over HTTP, and the whole event as one JSON object.
const (
	binary     = "cloudEvents:"
	underscore = "cloudEvents_"
	overHTTP   = "ce-"
	structured = "structured"
)

func (e envelope) attributes() map[string]string {
	attributes := map[string]string{
		"specversion": "1.0", "id": e.id, "source": e.source, "type": e.eventType,
		"tenantid": e.tenant.String(), "time": e.at.Format(time.RFC3339),
	}
	if e.subject != "" {
		attributes["subject"] = e.subject
	}
	if e.sequence > 0 {
		attributes["sequence"] = strconv.Itoa(e.sequence)
	}
	return attributes
}

// message writes the event in one of the ways.
func (e envelope) message(way string) message {
	m := message{
		Exchange: "intake", RoutingKey: e.tenant.String() + "." + e.eventType, MessageID: e.id, Headers: map[string]string{},
	}
	if way == structured {
		whole := map[string]any{"data": e.data, "datacontenttype": "application/json"}
		for name, value := range e.attributes() {
			whole[name] = value
		}
		m.Headers["content-type"] = "application/cloudevents+json; charset=utf-8"
		m.Body = text(whole)
		return m
	}
	m.Headers["content-type"] = "application/json"
	for name, value := range e.attributes() {
		m.Headers[way+name] = value
	}
	m.Body = text(e.data)
	return m
}

// text writes a value as JSON; a map's members are sorted.
func text(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil { // the generator's own values: a slip in it
		panic(fmt.Errorf("write %v: %w", value, err))
	}
	return string(encoded)
}
