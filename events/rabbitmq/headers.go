package rabbitmq

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// Metadata that stand for a delivery's properties. They travel as properties, never as headers; a header that
// arrives under this prefix is dropped, so that nobody can pretend them.
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

// fromDelivery makes a message of a delivery. No header of whatever type makes it fail.
func fromDelivery(d *amqp.Delivery) *message.Message {
	metadata := make(message.Metadata, len(d.Headers)+4)
	typed := amqp.Table{}
	for name, value := range d.Headers {
		if brokerHeader(name) || strings.HasPrefix(name, reservedPrefix) {
			continue
		}
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

// messageID is the message-id property, else the event's id, else a new one.
func messageID(d *amqp.Delivery, metadata message.Metadata) string {
	if d.MessageId != "" {
		return d.MessageId
	}
	for _, name := range []string{events.AttributePrefix + "id", "cloudEvents_id", "ce-id"} {
		if id := metadata[name]; id != "" {
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
	MaxMessageBytes = 16 << 20 // RabbitMQ's default since 4.0

	maxShortString = 255
	frameOverhead  = 64 // everything in a header frame that is neither a header nor a property's text
)
