package bench

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestOriginsInEveryMode(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	said := func(origin uuid.UUID) events.Event {
		step := events.Step{
			RecordType: events.Property, Key: "K", VersionAt: firstVersion, OccurredAt: firstVersion, AcceptedAt: firstVersion,
			Origin: origin,
		}
		return step.Event(events.Indexing, events.Indexed, events.Event{ID: "1", TenantID: uuid.New()})
	}
	structured := []byte(`{"specversion":"1.0","id":"1","data":{"origin":"` + a.String() + `"}}`)
	bundle := events.Bundles([]events.Event{said(a), said(b)})[0]
	for name, test := range map[string]struct {
		contentType string
		body        []byte
		want        []uuid.UUID
	}{
		"binary":     {"application/json", said(a).Data, []uuid.UUID{a}},
		"structured": {"application/cloudevents+json; charset=utf-8", structured, []uuid.UUID{a}},
		"batch":      {bundle.Metadata[events.MetaContentType], bundle.Payload, []uuid.UUID{a, b}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := originsOf(test.contentType, test.body)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := originsOf("application/json", []byte("no JSON"))
	require.Error(t, err)
}

func TestTheFirstArrivalCounts(t *testing.T) {
	l := &listener{arrived: map[uuid.UUID]time.Time{}}
	id, first := uuid.New(), time.Now()
	body := []byte(`{"origin":"` + id.String() + `"}`)
	l.note(first, "application/json", body)
	l.note(first.Add(time.Second), "application/json", body)
	arrived, err := l.seen()
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]time.Time{id: first}, arrived)
	p := &paced{sent: map[uuid.UUID]time.Time{id: first.Add(-time.Millisecond), uuid.New(): first}}
	require.Equal(t, []time.Duration{time.Millisecond}, p.match(arrived))

	l.note(first, "application/json", []byte("no JSON"))
	_, err = l.seen()
	require.Error(t, err, "a message that cannot be read voids the measurement")
}
