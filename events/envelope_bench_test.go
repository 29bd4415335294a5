package events_test

import (
	"encoding/json"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// BenchmarkDecodeBinary reads an upstream's event in binary mode, as it comes from the broker.
func BenchmarkDecodeBinary(b *testing.B) {
	decodeEach(b, intakeEvent("reos.property.upserted.v1").Message())
}

// BenchmarkDecodeStructured reads the same event in structured mode.
func BenchmarkDecodeStructured(b *testing.B) {
	event := intakeEvent("reos.property.upserted.v1")
	payload, err := json.Marshal(map[string]any{
		"specversion": "1.0", "id": event.ID, "source": event.Source, "type": event.Type, "subject": event.Subject,
		"tenantid": event.TenantID, "time": event.Time, "data": json.RawMessage(event.Data),
	})
	require.NoError(b, err)
	msg := message.NewMessage(event.ID, payload)
	msg.Metadata = message.Metadata{events.MetaContentType: "application/cloudevents+json"}
	decodeEach(b, msg)
}

func decodeEach(b *testing.B, msg *message.Message) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.Decode(msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBundle writes what a stage says about 200 events, and BenchmarkUnbundle reads it, with the steps in it.
func BenchmarkBundle(b *testing.B) {
	said := manySteps(b)
	b.ReportAllocs()
	for b.Loop() {
		events.Bundles(said)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(said)), "ns/event")
}

func BenchmarkUnbundle(b *testing.B) {
	said := manySteps(b)
	bundles := events.Bundles(said)
	b.ReportAllocs()
	for b.Loop() {
		for _, bundle := range bundles {
			members, ok := events.Unbundle(bundle)
			if !ok {
				b.Fatal("no bundle")
			}
			for _, member := range members {
				if _, err := events.DecodeStep(member.Event); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(said)), "ns/event")
}

func manySteps(b *testing.B) []events.Event {
	cause := intakeEvent("reos.property.upserted.v1")
	record, err := events.Normalise(cause)
	require.NoError(b, err)
	step := events.Step{
		RecordType: events.Property, Key: record.Key, VersionAt: record.Version.At, VersionSeq: record.Version.Sequence,
		Origin: cause.UID(), OccurredAt: cause.Time, AcceptedAt: cause.Time,
	}
	said := make([]events.Event, 200)
	for i := range said {
		said[i] = step.Event(events.Ingestion, events.Ingested, cause)
	}
	return said
}
