package rabbitmq

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// Metadata that stand for a delivery's properties. They travel as properties, never as headers; a header that
// arrives under this prefix, or as content-type, is dropped, so that nobody can pretend them.
const (
	reservedPrefix = "amqp."

	MetaRedelivered     = "amqp.redelivered"   // "true" where the broker handed it out before; never sent
	MetaTypedHeaders    = "amqp.typed_headers" // the headers that are no strings (typed.go)
	MetaCorrelationID   = "amqp.correlation_id"
	MetaReplyTo         = "amqp.reply_to"
	MetaType            = "amqp.type"
	MetaAppID           = "amqp.app_id"
	MetaContentEncoding = "amqp.content_encoding"
	MetaTimestamp       = "amqp.timestamp" // seconds since 1970
	MetaPriority        = "amqp.priority"
	MetaUserID          = "amqp.user_id"    // who published, as the broker checked it; never sent
	MetaExpiration      = "amqp.expiration" // for information; never sent: it would expire a second time
)

// brokerHeader says whether a header belongs to the broker: what it says of a message's past is true of one
// delivery only, and CC and BCC would route the message again (as strings they kill the channel). Such headers are
// neither taken nor sent.
func brokerHeader(name string) bool {
	switch name {
	case "x-death", "x-delivery-count", "x-acquired-count", "CC", "BCC":
		return true
	}
	return strings.HasPrefix(name, "x-first-death-") || strings.HasPrefix(name, "x-last-death-") ||
		strings.HasPrefix(name, "x-opt-")
}

// fromDelivery makes a message of a delivery that came in frames of so many bytes, 0 = of any size. No header of whatever
// type makes it fail.
func fromDelivery(d *amqp.Delivery, frame int) *message.Message {
	metadata := make(message.Metadata, len(d.Headers)+4)
	typed := amqp.Table{}
	maps.DeleteFunc(d.Headers, func(name string, _ any) bool {
		return brokerHeader(name) || strings.HasPrefix(name, reservedPrefix) || name == events.MetaContentType
	})
	leaveRoom(d.Headers, frame)
	for name, value := range d.Headers {
		if text, ok := value.(string); ok {
			metadata[name] = text
			continue
		}
		metadata[name] = render(value)
		typed[name] = value
	}
	if len(typed) > 0 {
		metadata[MetaTypedHeaders] = encodeTyped(typed)
	}
	takeProperties(d, metadata)
	metadata[events.MetaExchange] = d.Exchange
	metadata[events.MetaRoutingKey] = d.RoutingKey
	if d.Redelivered {
		metadata[MetaRedelivered] = "true"
	}
	msg := message.NewMessage(messageID(d, metadata), d.Body)
	msg.Metadata = metadata
	return msg
}

const (
	// copyRoom is more than a copy of a message has of headers beside those that came: see workers.
	copyRoom = 16 << 10
	// headerLeftOut names the headers that were left out.
	headerLeftOut = "x-left-out"
)

// leaveRoom leaves out the longest headers where a copy of the message would not fit into a frame: AMQP has all headers
// in one. Such a copy could go nowhere, not even to the dead letters, and the message would hold up its queue for ever.
// The pipeline's own are kept: there are few of them, and none is believed that came from outside.
func leaveRoom(headers amqp.Table, frame int) {
	size := fieldBytes(headers)
	if frame == 0 || size <= frame-copyRoom {
		return
	}
	names := slices.Collect(maps.Keys(headers))
	bytes := func(name string) int { return len(name) + fieldBytes(headers[name]) }
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(bytes(b)-bytes(a), cmp.Compare(a, b)) })
	var out []string
	for _, name := range names {
		if size <= frame/2 || strings.HasPrefix(name, events.OwnPrefix) {
			continue
		}
		size -= bytes(name)
		delete(headers, name)
		out = append(out, name)
	}
	if len(out) > 0 {
		headers[headerLeftOut] = events.Cut(strings.Join(out, " "), maxShortString)
	}
}

func takeProperties(d *amqp.Delivery, metadata message.Metadata) {
	for _, property := range [...]struct{ name, value string }{
		{events.MetaContentType, d.ContentType},
		{MetaContentEncoding, d.ContentEncoding},
		{MetaCorrelationID, d.CorrelationId},
		{MetaReplyTo, d.ReplyTo},
		{MetaType, d.Type},
		{MetaAppID, d.AppId},
		{MetaUserID, d.UserId},
		{MetaExpiration, d.Expiration},
	} {
		if property.value != "" {
			metadata[property.name] = property.value
		}
	}
	if !d.Timestamp.IsZero() {
		metadata[MetaTimestamp] = strconv.FormatInt(d.Timestamp.Unix(), 10)
	}
	if d.Priority != 0 {
		metadata[MetaPriority] = strconv.Itoa(int(d.Priority))
	}
}

// messageID is the message-id property, else the event's id, else a new one. A header may hold what the property cannot:
// a copy of the message could not be sent under such an id, not even to the dead letters.
func messageID(d *amqp.Delivery, metadata message.Metadata) string {
	if d.MessageId != "" {
		return d.MessageId
	}
	for _, name := range []string{events.AttributePrefix + "id", "cloudEvents_id", "ce-id"} {
		if id := metadata[name]; id != "" && len(id) <= maxShortString {
			return id
		}
	}
	return uuid.NewString()
}

// toPublishing writes a message for the wire, persistent. size bounds the bytes of its header frame. The error
// names what no AMQP frame can hold; sending it would end the connection.
func toPublishing(msg *message.Message) (p amqp.Publishing, size int, err error) {
	p = amqp.Publishing{
		DeliveryMode: amqp.Persistent, MessageId: msg.UUID, Body: msg.Payload,
		ContentType: msg.Metadata[events.MetaContentType], ContentEncoding: msg.Metadata[MetaContentEncoding],
		CorrelationId: msg.Metadata[MetaCorrelationID], ReplyTo: msg.Metadata[MetaReplyTo],
		Type: msg.Metadata[MetaType], AppId: msg.Metadata[MetaAppID],
	}
	if p.MessageId == "" {
		p.MessageId = uuid.NewString() // a returned message is known by it
	}
	if seconds, err := strconv.ParseInt(msg.Metadata[MetaTimestamp], 10, 64); err == nil {
		p.Timestamp = time.Unix(seconds, 0)
	}
	if priority, err := strconv.ParseUint(msg.Metadata[MetaPriority], 10, 8); err == nil {
		p.Priority = uint8(priority)
	}
	if p.Headers, err = toHeaders(msg.Metadata); err != nil {
		return p, 0, err
	}
	if size, err = propertyBytes(p); err != nil {
		return p, 0, err
	}
	if len(p.Body) > MaxMessageBytes {
		return p, 0, fmt.Errorf("payload of %d bytes: at most %d", len(p.Body), MaxMessageBytes)
	}
	return p, size + fieldBytes(p.Headers) + frameOverhead, nil
}

// toHeaders gives the headers that metadata stand for, of their original type where nobody changed their text.
func toHeaders(metadata message.Metadata) (amqp.Table, error) {
	headers := make(amqp.Table, len(metadata))
	typed := decodeTyped(metadata[MetaTypedHeaders])
	for name, text := range metadata {
		if brokerHeader(name) || strings.HasPrefix(name, reservedPrefix) || name == events.MetaContentType {
			continue
		}
		if len(name) > maxShortString {
			return nil, fmt.Errorf("header name of %d bytes: at most %d", len(name), maxShortString)
		}
		headers[name] = text
		if value, ok := typed[name]; ok && render(value) == text {
			headers[name] = value
		}
	}
	return headers, nil
}

func propertyBytes(p amqp.Publishing) (total int, err error) {
	for _, property := range [...]struct{ name, value string }{
		{"message id", p.MessageId},
		{"content type", p.ContentType},
		{"content encoding", p.ContentEncoding},
		{"correlation id", p.CorrelationId},
		{"reply-to", p.ReplyTo},
		{"type", p.Type},
		{"app id", p.AppId},
	} {
		if len(property.value) > maxShortString {
			return 0, fmt.Errorf("%s of %d bytes: at most %d", property.name, len(property.value), maxShortString)
		}
		total += len(property.value)
	}
	return total, nil
}

// Limits of the wire.
const (
	// MaxMessageBytes is RabbitMQ's default before 4.0; since then it is 16 MiB. With less than the broker takes, a message
	// could come that can be copied nowhere, not even to the dead letters.
	MaxMessageBytes = 128 << 20

	maxShortString = 255
	frameOverhead  = 64 // everything in a header frame that is neither a header nor a property's text
)
