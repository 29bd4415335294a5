package events

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
)

// bundleContentType is CloudEvents' JSON batch format: an array of events in structured mode.
const bundleContentType = "application/cloudevents-batch+json"

// MaxBundle bounds the events of one bundle, and so what a prefetch of bundles holds in memory.
const MaxBundle = 50

// MetaTenant tags a bundle with the tenant of all its events.
const MetaTenant = "reos-tenant"

// Bundles writes events of one tenant and type as few messages, in their order: stages speak in bundles, because what
// a message costs the broker does not depend on how many small events are in it.
func Bundles(list []Event) []*message.Message {
	var bundles []*message.Message
	for len(list) > 0 {
		n := min(len(list), MaxBundle)
		bundles = append(bundles, bundle(list[:n]))
		list = list[n:]
	}
	return bundles
}

func bundle(list []Event) *message.Message {
	payload := make([]byte, 0, 640*len(list))
	var ids []byte
	for i, e := range list {
		payload = append(payload, "[,"[min(i, 1)])
		payload = appendStructured(payload, e)
		ids = append(append(ids, e.ID...), 0)
	}
	msg := message.NewMessage(uuid.NewSHA1(uuid.NameSpaceOID, ids).String(), append(payload, ']'))
	msg.Metadata = message.Metadata{MetaContentType: bundleContentType, MetaTenant: list[0].TenantID.String()}
	return msg
}

// appendStructured writes an event in structured mode. Its data must be JSON, as every stage's are.
func appendStructured(dst []byte, e Event) []byte {
	attribute := func(name, value string) {
		if value != "" {
			dst = append(append(append(dst, `,"`...), name...), `":`...)
			dst = appendString(dst, value)
		}
	}
	dst = append(dst, `{"specversion":"1.0"`...)
	attribute("id", e.ID)
	attribute("source", e.Source)
	attribute("type", e.Type)
	attribute("subject", e.Subject)
	attribute("tenantid", e.TenantID.String())
	attribute("runid", e.RunID)
	attribute("traceparent", e.TraceParent)
	attribute("causationid", e.CausationID)
	dst = e.Time.UTC().AppendFormat(append(dst, `,"time":"`...), time.RFC3339Nano)
	if e.Sequence != 0 {
		dst = strconv.AppendInt(append(dst, `","sequence":"`...), e.Sequence, 10)
	}
	return append(append(append(dst, `","data":`...), e.Data...), '}')
}

// Member is one event of a bundle.
type Member struct {
	Message *message.Message // the event as a message of its own, in structured mode
	Event   Event            // what Decode says of it
	Err     error
}

// Unbundle reads a bundle. It reports false for a message that is none, or none that can be read: Decode says what is
// wrong with it.
//
// The metadata of the messages are one map: whoever changes it must copy it first.
func Unbundle(msg *message.Message) ([]Member, bool) {
	if !isBundle(msg.Metadata) || !json.Valid(msg.Payload) {
		return nil, false
	}
	array := trimJSONSpace(msg.Payload)
	if array[0] != '[' {
		return nil, false
	}
	metadata := maps.Clone(msg.Metadata)
	metadata[MetaContentType] = StructuredContentType
	var members []Member
	for _, object := range items(array) {
		if object[0] != '{' {
			return nil, false
		}
		m := Member{Message: message.NewMessage(msg.UUID+"/"+strconv.Itoa(len(members)), object)}
		m.Message.Metadata = metadata
		found, data, err := splitObject(object)
		if m.Err = err; err == nil {
			m.Event, m.Err = read(found, data)
		}
		members = append(members, m)
	}
	return members, len(members) > 0
}

func isBundle(metadata message.Metadata) bool {
	return strings.HasPrefix(metadata[MetaContentType], bundleContentType)
}
