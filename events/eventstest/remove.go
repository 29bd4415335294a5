package eventstest

import (
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// removesTenant removes a tenant twice, the second time without anything there.
func removesTenant(f fixture) {
	transport, tenant, neighbour := f.declared(), uuid.New(), uuid.New()
	topic := f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", false)
	backfill := f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", true)
	sent, late, others := numbered("sent", 3), numbered("late", 2), numbered("other's", 2)
	require.NoError(f, transport.BindTenant(f.ctx, tenant, "a"))
	require.NoError(f, transport.BindTenant(f.ctx, tenant, "b"), "half a move")
	require.NoError(f, transport.BindTenant(f.ctx, neighbour, "a"))
	f.publish(transport, topic, sent[0])
	for i, owner := range []uuid.UUID{tenant, neighbour} {
		held, err := transport.Held(f.ctx, owner)
		require.NoError(f, err)
		require.Empty(f, held)
		f.publish(transport, f.topology.HeldQueue(events.Quality, owner), []*message.Message{sent[1], others[0]}[i])
	}
	f.publish(transport, f.topology.HeldQueue(events.Ingestion, tenant), sent[2])
	held, err := transport.Held(f.ctx, tenant)
	require.NoError(f, err)
	require.Equal(f, map[string]int{f.topology.HeldQueue(events.Quality, tenant): 1, f.topology.HeldQueue(events.Ingestion, tenant): 1}, held)

	for range 2 {
		require.NoError(f, transport.RemoveTenant(f.ctx, tenant, []string{"a", "b", "no-such-lane"}))
		held, err := transport.Held(f.ctx, tenant)
		require.NoError(f, err)
		require.Empty(f, held)
	}
	f.publish(transport, topic, late[0])
	f.publish(transport, backfill, late[1])
	f.publish(transport, f.topology.IntakeTopic(neighbour, "reos.property.upserted.v1", false), others[1])

	require.ElementsMatch(f, ids(late), ids(f.contents(transport, f.topology.Unroutable())), "what comes later is kept as unroutable")
	require.Equal(f, []string{sent[0].UUID, others[1].UUID}, ids(f.contents(transport, f.intake("a"))), "what is there already stays")
	require.Equal(f, []string{sent[0].UUID}, ids(f.contents(transport, f.intake("b"))))
	require.Equal(f, ids(others[:1]), ids(f.contents(transport, f.topology.HeldQueue(events.Quality, neighbour))))

	again := numbered("again", 1)
	f.publish(transport, f.topology.HeldQueue(events.Quality, tenant), again[0])
	require.Equal(f, ids(again), ids(f.contents(transport, f.topology.HeldQueue(events.Quality, tenant))), "a queue that was deleted is made again")
}
