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
	members := make([]structured, len(list))
	var ids []byte
	for i, e := range list {
		members[i] = structure(e)
		ids = append(append(ids, e.ID...), 0)
	}
	payload, err := json.Marshal(members)
	if err != nil { // nothing in it can fail to marshal but data that is not JSON, which no stage writes
		panic(err)
	}
	msg := message.NewMessage(uuid.NewSHA1(uuid.NameSpaceOID, ids).String(), payload)
	msg.Metadata = message.Metadata{MetaContentType: bundleContentType, MetaTenant: list[0].TenantID.String()}
	return msg
}

// structured is an event in structured mode, as stages write it.
type structured struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Subject     string          `json:"subject,omitempty"`
	Time        time.Time       `json:"time"`
	TenantID    uuid.UUID       `json:"tenantid"`
	Sequence    string          `json:"sequence,omitempty"`
	RunID       string          `json:"runid,omitempty"`
	TraceParent string          `json:"traceparent,omitempty"`
	CausationID string          `json:"causationid,omitempty"`
	Data        json.RawMessage `json:"data"`
}

func structure(e Event) structured {
	s := structured{
		SpecVersion: "1.0", ID: e.ID, Source: e.Source, Type: e.Type, Subject: e.Subject, Time: e.Time.UTC(), TenantID: e.TenantID,
		RunID: e.RunID, TraceParent: e.TraceParent, CausationID: e.CausationID, Data: e.Data,
	}
	if e.Sequence != 0 {
		s.Sequence = strconv.FormatInt(e.Sequence, 10)
	}
	return s
}

// Unbundle gives the events of a bundle as messages of their own, in structured mode. A message that is no bundle, or
// none that can be read, is returned as it is: Decode says what is wrong with it.
//
// The metadata of the messages are one map: whoever changes it must copy it first.
func Unbundle(msg *message.Message) []*message.Message {
	if !isBundle(msg.Metadata) {
		return []*message.Message{msg}
	}
	var members []json.RawMessage
	if err := json.Unmarshal(msg.Payload, &members); err != nil || len(members) == 0 {
		return []*message.Message{msg}
	}
	metadata := maps.Clone(msg.Metadata)
	metadata[MetaContentType] = structuredContentType
	events := make([]*message.Message, len(members))
	for i, member := range members {
		events[i] = message.NewMessage(msg.UUID+"/"+strconv.Itoa(i), message.Payload(member))
		events[i].Metadata = metadata
	}
	return events
}

func isBundle(metadata message.Metadata) bool {
	return strings.HasPrefix(metadata[MetaContentType], bundleContentType)
}
