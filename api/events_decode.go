package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// maxEvents bounds the events of one request.
const maxEvents = 1000

// The content types of CloudEvents over HTTP. Any other is that of an event's data, in binary mode.
const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
	anyEventType   = "application/cloudevents"
)

// attributeHeader begins the header of an attribute in binary mode, as http.Header writes it.
const attributeHeader = "Ce-"

// decodeEvents reads the events of a request, and checks them as ingestion will: CloudEvents in binary mode (attributes
// in ce- headers), structured mode, or JSON batch format. Events share the body's memory.
//
// The error is about the request as a whole, and becomes a problem document.
func decodeEvents(tenant uuid.UUID, header http.Header, body []byte) ([]events.Incoming, error) {
	contentType := header.Get("Content-Type")
	mode, _, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, unsupported("header.Content-Type", "must be a media type, such as "+structuredType)
	}
	var incoming []events.Incoming
	switch {
	case mode == structuredType:
		incoming = []events.Incoming{receiveAs(tenant, message.Metadata{events.MetaContentType: mode}, body)}
	case mode == batchType:
		if incoming, err = receiveBatch(tenant, body); err != nil {
			return nil, err
		}
	case strings.HasPrefix(mode, anyEventType) || !isBinary(header):
		return nil, unsupported("header.Content-Type",
			"must be "+structuredType+" or "+batchType+", or the event's attributes must be in ce- headers")
	default:
		incoming = []events.Incoming{receiveBinary(tenant, header, body)}
	}
	for i := range incoming {
		if incoming[i].Err == nil {
			_, incoming[i].Err = events.Normalise(incoming[i].Event)
		}
	}
	return incoming, nil
}

func receiveAs(tenant uuid.UUID, metadata message.Metadata, body []byte) events.Incoming {
	msg := message.NewMessage("", body)
	msg.Metadata = metadata
	return events.Receive(tenant, msg)
}

func receiveBatch(tenant uuid.UUID, body []byte) ([]events.Incoming, error) {
	incoming, err := events.ReceiveBatch(tenant, body, maxEvents)
	rejection, rejected := errors.AsType[*events.Rejection](err)
	switch {
	case events.IsTooMany(err):
		return nil, problem(http.StatusRequestEntityTooLarge, ProblemTooLarge, fmt.Sprintf("at most %d events per request", maxEvents))
	case rejected:
		return nil, invalid("body", "must be "+rejection.Must)
	case err != nil:
		return nil, err
	case len(incoming) == 0:
		return nil, invalid("body", "must hold at least one event")
	}
	return incoming, nil
}

// isBinary says whether a request has an attribute in a header.
func isBinary(header http.Header) bool {
	for name := range header {
		if strings.HasPrefix(name, attributeHeader) {
			return true
		}
	}
	return false
}

// receiveBinary reads an event in binary mode.
func receiveBinary(tenant uuid.UUID, header http.Header, body []byte) events.Incoming {
	metadata := message.Metadata{events.MetaContentType: header.Get("Content-Type")}
	var malformed error
	for name, values := range header {
		if attribute, ok := strings.CutPrefix(name, attributeHeader); ok {
			attribute = strings.ToLower(attribute)
			value, err := attributeValue(attribute, values)
			if err != nil {
				malformed = err
				continue
			}
			metadata[events.AttributePrefix+attribute] = value
		}
	}
	incoming := receiveAs(tenant, metadata, body)
	if malformed != nil {
		incoming.Err = malformed
	}
	return incoming
}

// attributeValue reads an attribute's header: percent-encoded, and perhaps quoted before that.
func attributeValue(attribute string, values []string) (string, error) {
	if len(values) != 1 {
		return "", events.Reject(events.EnvelopeInvalid, attribute, "given once", fmt.Sprint(len(values)))
	}
	value, err := url.PathUnescape(unquoted(values[0]))
	if err != nil {
		return "", events.Reject(events.EnvelopeInvalid, attribute, "percent-encoded", values[0])
	}
	return value, nil
}

// unquoted takes a quoted string of HTTP out of its quotes.
func unquoted(value string) string {
	if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	var plain strings.Builder
	escaped := false
	for _, c := range []byte(value[1 : len(value)-1]) {
		if c == '\\' && !escaped {
			escaped = true
			continue
		}
		plain.WriteByte(c)
		escaped = false
	}
	return plain.String()
}
