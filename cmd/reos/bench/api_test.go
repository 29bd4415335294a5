package bench

import (
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
)

// A record that came twice would be cheaper than one that is new.
func TestEndlessFeedRepeatsNoRecord(t *testing.T) {
	w := &world{tenants: []store.Tenant{{ID: uuid.New()}}}
	text := newEndless(newGenerator(1), w, 2<<20)
	keys := map[string]bool{}
	for event, err := range feed.Read(iotest.HalfReader(text), feed.NDJSON, feed.Options{Tenant: w.tenants[0].ID}) {
		require.NoError(t, err)
		keys[event.Subject] = true
	}
	require.Len(t, keys, text.records)
	require.Greater(t, text.records, feedRecords)
}

func TestStructuredEventsAreTheSameEvents(t *testing.T) {
	sent := newGenerator(1).event(uuid.New(), key(1))
	received, err := events.ReceiveBatch(sent.TenantID, []byte("["+structured(sent)+"]"), 1)
	require.NoError(t, err)
	require.NoError(t, received[0].Err)
	require.Equal(t, sent.UID(), received[0].Event.UID())
	require.Equal(t, sent.Data, received[0].Event.Data)
}
