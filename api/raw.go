package api

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Raw returns the body of the message that an accepted event of a tenant came as; else store.ErrNotFound.
type Raw func(ctx context.Context, tenant, event uuid.UUID) ([]byte, error)

// RawIn says which of a record's events is meant.
type RawIn struct {
	Event string `query:"event" format:"uuid" doc:"The event_uid of one of the record's events; the one that brought the newest version where left out."`
}

func (in *RawIn) event() (uuid.UUID, error) {
	if in.Event == "" {
		return uuid.Nil, nil
	}
	event, err := uuid.Parse(in.Event)
	if err != nil || event == uuid.Nil {
		return uuid.Nil, invalid("query.event", "must be the event_uid of one of the record's events")
	}
	return event, nil
}

type rawOut struct {
	ContentType string `header:"Content-Type" doc:"application/cloudevents+json where the event came in structured mode; else application/json."`
	Event       string `header:"Event-Uid" doc:"The event whose message this is."`
	Body        []byte
}

// The content types of a message in binary mode, and in structured mode.
const (
	recordType   = "application/json"
	envelopeType = "application/cloudevents+json"
)

const rawText = `The body of the message that brought a version, byte by byte: in binary mode the record as the upstream wrote it, in
structured mode the whole CloudEvent. It is empty where a delete came without data.`

// rawContent describes the answer, of which the library knows no more than that it is bytes.
var rawContent = map[string]*huma.MediaType{
	recordType: {Schema: &huma.Schema{}}, envelopeType: {Schema: &huma.Schema{}},
}

// bytes reads an event of a record; uuid.Nil stands for the one that brought the newest version.
//
// Invariant 4: the event is looked up among those of the tenant's own record before anything is read.
func (l *library) bytes(ctx context.Context, who caller, ref store.Ref, event uuid.UUID) (*rawOut, error) {
	event, err := l.records(who.Owner.ID).EventOfRecord(ctx, ref, event)
	if err != nil {
		return nil, err
	}
	content, err := l.raw(ctx, who.Owner.ID, event)
	if err != nil {
		return nil, err
	}
	return &rawOut{ContentType: rawType(content), Event: event.String(), Body: content}, nil
}

// rawType tells the two forms of a message apart, as ingestion did by the content type: both are JSON, and only an
// envelope says specversion and type.
func rawType(content []byte) string {
	var envelope struct{ SpecVersion, Type string }
	if bytes.Contains(content, []byte(`"specversion"`)) && json.Unmarshal(content, &envelope) == nil &&
		envelope.SpecVersion != "" && envelope.Type != "" {
		return envelopeType
	}
	return recordType
}
