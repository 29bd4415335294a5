package ingestion

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

func heartbeat(t *testing.T, id, source string, minute int, data string) workers.Message {
	t.Helper()
	m := incoming(t, id, events.TypeHeartbeat, "", minute, data)
	m.Event.Source = source
	return m
}

func TestHeartbeatsEndHereAndTheNewestCounts(t *testing.T) {
	b := newBench(t)
	results := b.process(
		heartbeat(t, "1", "mls/a", 3, ""), upserted(t, "2", "A", 1), heartbeat(t, "3", "mls/a", 5, `{"every_seconds":60}`),
		heartbeat(t, "4", "mls/a", 4, ""), heartbeat(t, "5", "mls/b", 1, ""),
	)
	for i, outputs := range []int{0, 1, 0, 0, 0} {
		require.Equal(t, events.Done, results[i].Outcome)
		require.Len(t, results[i].Outputs, outputs)
	}
	require.ElementsMatch(t, []store.Heartbeat{
		{Source: "mls/a", At: start.Add(5 * time.Minute), Every: time.Minute}, {Source: "mls/b", At: start.Add(time.Minute)},
	}, b.records.heartbeats)
	require.Len(t, b.records.known.Events, 1, "a heartbeat has no row in progress")
}

func TestHeartbeatWithoutATimeIsOfNow(t *testing.T) {
	b := newBench(t)
	m := heartbeat(t, "1", "mls/a", 0, "")
	m.Event.Time = time.Time{}
	b.process(m)
	require.WithinDuration(t, time.Now(), b.records.heartbeats[0].At, time.Minute)
}

func TestHeartbeatOfNonsenseIsDead(t *testing.T) {
	b := newBench(t)
	results := b.process(heartbeat(t, "1", "mls/a", 0, `{"every_seconds":"soon"}`), heartbeat(t, "2", "mls/b", 0, ""))
	require.Equal(t, events.Dead, results[0].Outcome)
	require.Equal(t, events.DataNotJSON, results[0].Reason)
	require.Equal(t, events.Done, results[1].Outcome)
	require.Len(t, b.records.heartbeats, 1)
}

func TestHeartbeatsThatCannotBeWrittenFailTheBatch(t *testing.T) {
	b := newBench(t)
	b.records.fail = errors.New("boom")
	_, err := b.stage.Process(t.Context(), tenant, []workers.Message{heartbeat(t, "1", "mls/a", 0, "")})
	require.EqualError(t, err, "boom")
}
