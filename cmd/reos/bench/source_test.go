package bench

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/quality"
)

func TestGeneratedEventsFollowFromTheSeed(t *testing.T) {
	tenant := uuid.New()
	one, same, other := newGenerator(1), newGenerator(1), newGenerator(2)
	for i := range 50 {
		event := one.event(tenant, key(i))
		require.Equal(t, event, same.event(tenant, key(i)))
		require.NotEqual(t, event.Data, other.event(tenant, key(i)).Data)
	}
}

// A generated record that went into quarantine, or to the dead letters, would be cheaper than one that is indexed.
func TestGeneratedRecordsAreFlawless(t *testing.T) {
	g, suite := newGenerator(3), quality.Builtin(events.Property)
	var last time.Time
	for i := range 2_000 {
		event := g.event(uuid.New(), key(i))
		record, err := events.Normalise(event)
		require.NoError(t, err)
		require.True(t, record.Version.At.After(last), "each event is newer than the one before")
		last = record.Version.At
		require.InDelta(t, 1100, len(event.Data), 400)
		verdict := suite.Judge(store.StoredRecord{
			Ref: store.Ref{Type: events.Property, Key: record.Key}, Version: record.Version, Doc: record.Doc, Faults: record.Faults,
		})
		require.Empty(t, verdict.Failures, string(event.Data))
	}
}

func TestTakeHandsOutExactlyAsMany(t *testing.T) {
	next := take(2, func(i int) events.Event { return events.Event{Sequence: int64(i)} })
	for i := range 2 {
		event, ok := next()
		require.True(t, ok)
		require.EqualValues(t, i, event.Sequence)
	}
	_, ok := next()
	require.False(t, ok)
}

func TestCopiesHaveKeysOfTheirOwn(t *testing.T) {
	require.Equal(t, "BN-0000007", copyKey(key(7), 0))
	require.Equal(t, "BN-0000007~3", copyKey(key(7), 3))
}
