package events

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
)

// Limits on what a message may hold.
const (
	MaxDataBytes      = 1_000_000 // an event's data
	MaxKeyBytes       = 255       // a record key
	MaxAttributeBytes = 255       // any other attribute
)

// AttributePrefix begins the header of every attribute that we write: CloudEvents' AMQP binding. On the way in,
// `cloudEvents_` (brokers and clients that dislike the colon) and `ce-` (HTTP's) are taken too.
const AttributePrefix = "cloudEvents:"

var acceptedPrefixes = []string{AttributePrefix, "cloudEvents_", "ce-"}

// Metadata keys that a transport sets on every message it delivers, from the delivery itself.
const (
	MetaExchange    = "amqp.exchange"
	MetaRoutingKey  = "amqp.routing_key"
	MetaContentType = "content-type"
)

// OwnPrefix begins the headers that stages add to copies of a message.
const OwnPrefix = "reos-"

// StructuredContentType is the content type of an event sent whole, attributes and data in one JSON object.
const StructuredContentType = "application/cloudevents+json"

// Event is one CloudEvent 1.0 of this contract.
type Event struct {
	ID              string
	Source          string
	Type            string
	Subject         string    // the record key
	Time            time.Time // when it happened at the upstream
	DataContentType string    // application/json where empty
	TenantID        uuid.UUID
	Sequence        int64  // orders events of one record with the same ModificationTimestamp
	RunID           string // the feed or re-run that the event belongs to
	TraceParent     string // W3C trace context
	CausationID     string // the event that led to this one
	Data            []byte
}

// UID identifies the event within its tenant: its id where that is a UUID, else derived from source and id, which
// CloudEvents calls unique together.
func (e Event) UID() uuid.UUID {
	if uid, err := uuid.Parse(e.ID); err == nil && len(e.ID) == 36 {
		return uid
	}
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(e.Source+"\x00"+e.ID))
}

// Message writes the event in binary mode: the attributes as metadata, the data as payload.
func (e Event) Message() *message.Message {
	msg := message.NewMessage(e.ID, e.Data)
	contentType := e.DataContentType
	if contentType == "" {
		contentType = "application/json"
	}
	msg.Metadata = message.Metadata{
		MetaContentType:                 contentType,
		AttributePrefix + "specversion": "1.0",
		AttributePrefix + "id":          e.ID,
		AttributePrefix + "source":      e.Source,
		AttributePrefix + "type":        e.Type,
		AttributePrefix + "tenantid":    e.TenantID.String(),
	}
	set := func(attribute, value string) {
		if value != "" {
			msg.Metadata[AttributePrefix+attribute] = value
		}
	}
	set("subject", e.Subject)
	if !e.Time.IsZero() {
		set("time", e.Time.UTC().Format(time.RFC3339Nano))
	}
	if e.Sequence != 0 {
		set("sequence", strconv.FormatInt(e.Sequence, 10))
	}
	set("runid", e.RunID)
	set("traceparent", e.TraceParent)
	set("causationid", e.CausationID)
	return msg
}

// Decode reads an event from a message in binary or structured mode. It changes nothing in msg; the event's data
// shares the payload's memory in binary mode.
//
// The error is a *Rejection that names the attribute. Decode checks the envelope; Normalise checks the data.
func Decode(msg *message.Message) (Event, error) {
	found, data, err := split(msg)
	if err != nil {
		return Event{}, err
	}
	return read(found, data)
}

// read checks the attributes of an event.
func read(found attributes, data []byte) (Event, error) {
	e := Event{Data: data}
	r := attributeReader{attributes: found}
	if v := r.required("specversion", 8); v != "1.0" && r.err == nil {
		r.err = Reject(EnvelopeInvalid, "specversion", `"1.0"`, v)
	}
	e.ID = r.required("id", MaxAttributeBytes)
	e.Source = r.required("source", MaxAttributeBytes)
	e.Type = r.required("type", MaxAttributeBytes)
	e.TenantID = r.tenant("tenantid")
	e.Time = r.time("time")
	e.Sequence = r.integer("sequence")
	e.RunID = r.optional("runid", MaxAttributeBytes)
	e.TraceParent = r.optional("traceparent", MaxAttributeBytes)
	e.CausationID = r.optional("causationid", MaxAttributeBytes)
	e.DataContentType = r.optional("datacontenttype", MaxAttributeBytes)
	e.Subject = found.value("subject") // Normalise says what a key may be
	if r.err != nil {
		return Event{}, r.err
	}
	return e, nil
}

// attributes are an event's attributes as text, few enough to be searched in order: the first of a name counts.
type attributes []attribute

type attribute struct{ name, value string }

func (a attributes) value(name string) string {
	for i := range a {
		if a[i].name == name {
			return a[i].value
		}
	}
	return ""
}

// split parts a message into attributes and data.
func split(msg *message.Message) (attributes, []byte, error) {
	contentType := msg.Metadata[MetaContentType]
	switch {
	case strings.HasPrefix(contentType, StructuredContentType):
		return splitStructured(msg.Payload)
	case isBundle(msg.Metadata):
		return nil, nil, Reject(EnvelopeInvalid, "", "one CloudEvent per message; only stages send several", "")
	}
	found := make(attributes, 0, len(msg.Metadata)+1)
	if contentType != "" {
		found = append(found, attribute{"datacontenttype", contentType})
	}
	for _, prefix := range acceptedPrefixes { // the first prefix wins
		for key, value := range msg.Metadata {
			if name, ok := strings.CutPrefix(key, prefix); ok {
				found = append(found, attribute{name, value})
			}
		}
	}
	return found, msg.Payload, nil
}

func splitStructured(payload []byte) (attributes, []byte, error) {
	if len(payload) > 2*MaxDataBytes {
		return nil, nil, Reject(DataTooLarge, "", fmt.Sprintf("at most %d bytes in structured mode", 2*MaxDataBytes),
			strconv.Itoa(len(payload)))
	}
	if !json.Valid(payload) || trimJSONSpace(payload)[0] != '{' {
		return nil, nil, Reject(EnvelopeInvalid, "", "a CloudEvent as one JSON object (structured mode)", jsonProblem(payload))
	}
	return splitObject(payload)
}

// splitObject parts an event in structured mode. The object must be valid JSON.
func splitObject(object []byte) (attributes, []byte, error) {
	var space [16]member
	members := sortMembers(appendMembers(space[:0], object))
	found := make(attributes, 0, len(members))
	var data []byte
	for _, m := range members {
		switch name := string(m.name); name {
		case "data":
			data = m.raw
		case "data_base64": // sorted behind data, and so counts
			var err error
			if data, err = decodeBase64(m.raw); err != nil {
				return nil, nil, Reject(EnvelopeInvalid, name, "standard base64", "")
			}
		default:
			value, ok := attributeText(m.raw)
			if !ok {
				return nil, nil, Reject(EnvelopeInvalid, name, "a string, a whole number or a boolean", string(m.raw))
			}
			found = append(found, attribute{name, value})
		}
	}
	return found, data, nil
}

func decodeBase64(encoded json.RawMessage) ([]byte, error) {
	var text string
	if err := json.Unmarshal(encoded, &text); err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(text)
}

// attributeText gives an attribute's JSON value as CloudEvents' canonical string. It reports false for what is no scalar.
func attributeText(raw []byte) (string, bool) {
	switch raw[0] {
	case 'n':
		return "", true
	case '"':
		inside := raw[1 : len(raw)-1]
		if bytes.IndexByte(inside, '\\') >= 0 {
			inside = unquote(nil, inside)
		}
		return string(inside), true
	case '{', '[':
		return "", false
	}
	return string(raw), true
}

// jsonProblem says why a payload is not one JSON object.
func jsonProblem(payload []byte) string {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(payload, &object); err != nil {
		return err.Error()
	}
	return "null"
}

// attributeReader reads attributes and keeps the first error.
type attributeReader struct {
	attributes attributes
	err        error
}

func (r *attributeReader) reject(name, must, got string) {
	if r.err == nil {
		r.err = Reject(EnvelopeInvalid, name, must, got)
	}
}

func (r *attributeReader) optional(name string, limit int) string {
	value := r.attributes.value(name)
	switch {
	case len(value) > limit:
		r.reject(name, fmt.Sprintf("at most %d bytes", limit), value)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		r.reject(name, "UTF-8 text without NUL characters", value)
	}
	return value
}

func (r *attributeReader) required(name string, limit int) string {
	value := r.optional(name, limit)
	if value == "" {
		r.reject(name, "present and not empty", "")
	}
	return value
}

func (r *attributeReader) tenant(name string) uuid.UUID {
	value := r.required(name, MaxAttributeBytes)
	id, err := uuid.Parse(value)
	if err != nil || len(value) != 36 || id == uuid.Nil {
		r.reject(name, "the tenant's UUID", value)
		return uuid.Nil
	}
	return id
}

func (r *attributeReader) time(name string) time.Time {
	value := r.optional(name, MaxAttributeBytes)
	if value == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	at = at.UTC() // a zone may carry a time out of the years that can be written
	if err != nil || at.Year() < 1 || at.Year() > 9999 {
		r.reject(name, "an RFC 3339 time such as 2026-01-31T12:00:00Z", value)
		return time.Time{}
	}
	return at.Truncate(time.Microsecond)
}

func (r *attributeReader) integer(name string) int64 {
	value := r.optional(name, MaxAttributeBytes)
	if value == "" {
		return 0
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		r.reject(name, "a whole number from 0 to 9223372036854775807", value)
	}
	return n
}

// RoutingTenant reads the tenant from an intake routing key `<tenant_id>.<type>`. It reports false where the key
// names none. The broker confines a tenant's user to its own key, so the key says for certain who published.
func RoutingTenant(routingKey string) (uuid.UUID, bool) {
	first, _, _ := strings.Cut(routingKey, ".")
	if len(first) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(first)
	return id, err == nil && id != uuid.Nil
}
