package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
)

func TestEventIsFollowedFromTheFeedToItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	feed := filepath.Join(t.TempDir(), "homes.ndjson")
	event := func(id, source string) string {
		return `{"specversion":"1.0","id":"` + id + `","source":"` + source + `","type":"reos.property.upserted.v1","data":` +
			`{"ListingKey":"K","ModificationTimestamp":"2026-01-31T12:00:00Z","StandardStatus":"Active","ListPrice":1,"City":"Kirkland"}}` + "\n"
	}
	require.NoError(t, os.WriteFile(feed, []byte(event("evt-1", "mls/east")+event("evt-1", "mls/west")+"{}\n"), 0o600))
	var result published
	stdout, _, code := w.reos("publish", feed, "--tenant", tenantName, "--run", "nightly", "--bulk", "--json")
	require.Equal(t, exitInput, code)
	decode(t, stdout, &result)
	require.EqualValues(t, 2, result.Published)
	require.EqualValues(t, 1, result.Rejected)
	require.Equal(t, "nightly feed published bulk feed/homes.ndjson 2 1",
		w.text("SELECT concat_ws(' ', id, kind, state, lane, source, published, rejected) FROM runs"))

	_, stderr, code := w.reos("event", "show", "evt-1", "--tenant", tenantName)
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr, `no event "evt-1"`)
	worker := w.start("worker", "all")
	w.settled()
	worker.stop()

	var timeline api.Timeline
	_, stderr, code = w.reos("event", "show", "evt-1", "--tenant", tenantName)
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr, `"mls/west"`)
	states := map[api.EventState]int{}
	for _, source := range []string{"mls/east", "mls/west"} {
		w.okJSON(&timeline, "event", "show", "evt-1", "--tenant", tenantName, "--source", source)
		require.Equal(t, "nightly", timeline.RunID)
		require.Equal(t, events.Ingestion, timeline.Timeline[0].Stage)
		states[timeline.State]++
	}
	require.Equal(t, 1, states[api.EventStale], "the other one brought the same version")
	require.Contains(t, w.ok("event", "show", timeline.EventUID.String(), "--tenant", tenantName), "evt-1 of mls/west")

	again, _, _ := w.reos("publish", feed, "--tenant", tenantName, "--json")
	decode(t, again, &result)
	require.EqualValues(t, 2, result.Known, "another run has brought them")
}
