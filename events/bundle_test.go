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
		members, ok := events.Unbundle(bundle)
		require.True(t, ok)
		for _, member := range members {
			require.NoError(t, member.Err)
			again, err := events.Decode(member.Message)
			require.NoError(t, err)
			require.Equal(t, member.Event, again, "the same as a message of its own")
			got = append(got, member.Event)
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
	for name, payload := range map[string]string{"no array": `{}`, "empty": `[]`, "no JSON": "\x00", "nothing": "", "no objects": "[1]"} {
		t.Run(name, func(t *testing.T) {
			broken := events.Bundles(said(1))[0]
			broken.Payload = message.Payload(payload)
			_, ok := events.Unbundle(broken)
			require.False(t, ok)
			_, err := events.Decode(broken)
			require.ErrorContains(t, err, "one CloudEvent per message")
		})
	}
	_, ok := events.Unbundle(said(1)[0].Message())
	require.False(t, ok)
}

func TestUnreadableEventOfABundleStandsAlone(t *testing.T) {
	bundle := events.Bundles(said(2))[0]
	bundle.Payload = append(bundle.Payload[:len(bundle.Payload)-1], `,{"specversion":"0.3"}]`...)
	members, ok := events.Unbundle(bundle)
	require.True(t, ok)
	require.Len(t, members, 3)
	require.NoError(t, members[1].Err)
	require.ErrorContains(t, members[2].Err, "specversion")
	require.Equal(t, `{"specversion":"0.3"}`, string(members[2].Message.Payload))
}
