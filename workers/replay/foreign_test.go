package replay_test

import (
	"context"
	"errors"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/replay"
)

// foreign is a message of somebody else's queue.
func foreign(tenant uuid.UUID, id string) *message.Message {
	msg := event(tenant, id, home).Message()
	msg.Metadata[events.MetaRoutingKey] = tenant.String() + ".reos.property.upserted.v1"
	msg.Metadata["reos-reason"] = "made up"
	return msg
}

func acked(msg *message.Message) bool {
	select {
	case <-msg.Acked():
		return true
	default:
		return false
	}
}

func TestInvariant1AForeignMessageIsAckedWhenItsLetterIsKept(t *testing.T) {
	queue := make(chan *message.Message, 5)
	var all []*message.Message
	for _, id := range []string{"1", "2", "3"} {
		all = append(all, foreign(tenantA, id))
		queue <- all[len(all)-1]
	}
	other := foreign(tenantB, "4")
	queue <- other
	close(queue)
	var kept []store.DeadLetter
	owner := func(key string) uuid.UUID {
		id, _ := events.RoutingTenant(key)
		return id
	}
	save := func(_ context.Context, tenant uuid.UUID, letters []store.DeadLetter) error {
		for _, l := range letters {
			require.Equal(t, tenant, l.Tenant)
			require.False(t, acked(all[0]), "not yet")
		}
		kept = append(kept, letters...)
		return nil
	}
	result, err := replay.Foreign(t.Context(), "legacy.dlq", queue, owner, save, 0, func(int) {})
	require.NoError(t, err)
	require.Equal(t, replay.Import{Letters: 4, ByTenant: map[uuid.UUID]int64{tenantA: 3, tenantB: 1}}, result)
	for _, msg := range append(all, other) {
		require.True(t, acked(msg))
	}
	first := kept[0]
	require.Equal(t, events.Imported, first.Reason, "what its header says is somebody else's word")
	require.NotContains(t, first.Headers, "reos-reason")
	require.NotEqual(t, uuid.Nil, first.Event)

	broken := errors.New("no more")
	again := make(chan *message.Message, 1)
	last := foreign(tenantA, "5")
	again <- last
	close(again)
	_, err = replay.Foreign(t.Context(), "legacy.dlq", again, owner, func(context.Context, uuid.UUID, []store.DeadLetter) error { return broken }, 0, func(int) {})
	require.ErrorIs(t, err, broken)
	require.False(t, acked(last))

	limited := make(chan *message.Message, 2)
	limited <- foreign(tenantA, "6")
	limited <- foreign(tenantA, "7")
	result, err = replay.Foreign(t.Context(), "legacy.dlq", limited, owner, func(context.Context, uuid.UUID, []store.DeadLetter) error { return nil }, 1, func(int) {})
	require.NoError(t, err)
	require.EqualValues(t, 1, result.Letters)
	require.Len(t, limited, 1)
}
