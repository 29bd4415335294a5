package events_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func said(n int) []events.Event {
	cause := events.Event{ID: "cause-1", TenantID: uuid.New(), RunID: "run", TraceParent: "00-trace"}
	list := make([]events.Event, n)
	for i := range list {
		step := events.Step{
			RecordType: events.Property, Key: "a \"key\"\n" + strconv.Itoa(i), VersionAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC),
			VersionSeq: int64(i), Origin: uuid.New(), OccurredAt: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC),
			AcceptedAt: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
		}
		list[i] = step.Event(events.Ingestion, events.Ingested, cause)
	}
	return list
}

func TestBundlesKeepEveryEventInOrder(t *testing.T) {
	sent := said(2*events.MaxBundle + 1)
	bundles := events.Bundles(sent)
	require.Len(t, bundles, 3)
	var got []events.Event
	for _, bundle := range bundles {
		require.Equal(t, sent[0].TenantID.String(), bundle.Metadata[events.MetaTenant])
		for _, msg := range events.Unbundle(bundle) {
			e, err := events.Decode(msg)
			require.NoError(t, err)
			got = append(got, e)
		}
	}
	require.Len(t, got, len(sent))
	for i := range sent {
		sent[i].Time = sent[i].Time.UTC().Truncate(time.Microsecond)
		require.Equal(t, sent[i], got[i])
	}
}

func TestBundleIsNamedByWhatIsInIt(t *testing.T) {
	sent := said(2)
	require.Equal(t, events.Bundles(sent)[0].UUID, events.Bundles(sent)[0].UUID)
	require.NotEqual(t, events.Bundles(sent[:1])[0].UUID, events.Bundles(sent[1:])[0].UUID)
	require.Empty(t, events.Bundles(nil))
}

func TestUnbundleLeavesAloneWhatIsNone(t *testing.T) {
	for name, payload := range map[string]string{"no array": `{}`, "empty": `[]`, "no JSON": "\x00", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			broken := events.Bundles(said(1))[0]
			broken.Payload = message.Payload(payload)
			require.Equal(t, []*message.Message{broken}, events.Unbundle(broken))
			_, err := events.Decode(broken)
			require.ErrorContains(t, err, "one CloudEvent per message")
		})
	}
	single := said(1)[0].Message()
	require.Equal(t, []*message.Message{single}, events.Unbundle(single))
}
