package postgres

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// What nobody asks for in time is forgotten, and there is never much of it.
func TestWhatIsReadAheadIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &DB{}
		db.ReadAhead("m", events.Stages)
		tenant := db.Tenant(uuid.New())
		put := func(n int) []store.Wanted {
			states, wanted := map[move]any{}, make([]store.Wanted, n)
			for i := range n {
				wanted[i] = store.Wanted{Key: "k", Event: uuid.New()}
				states[move{tenant: tenant.id, event: wanted[i].Event, stage: events.Quality}] = store.StoredRecord{}
			}
			db.ahead.put(states)
			return wanted
		}
		first := put(2)
		time.Sleep(aheadLives)
		_, ok := take[store.StoredRecord](tenant, events.Quality, "", first[:1])
		require.True(t, ok)
		time.Sleep(time.Nanosecond)
		_, ok = take[store.StoredRecord](tenant, events.Quality, "", first[1:])
		require.False(t, ok, "too old")
		require.Empty(t, db.ahead.states)

		put(aheadAtMost)
		put(1)
		require.Len(t, db.ahead.states, aheadAtMost)
		time.Sleep(aheadLives + time.Nanosecond)
		put(1)
		require.Len(t, db.ahead.states, 1, "who makes room is who comes")
	})
}
