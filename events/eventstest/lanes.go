package eventstest

import (
	"slices"
	"sync"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func (f fixture) intake(lane string) string { return f.topology.StageQueue(events.Ingestion, lane) }

// movesTenant also moves over a move that was cut off after its first half, and makes one twice.
func movesTenant(f fixture) {
	transport, tenant, neighbour := f.declared(), uuid.New(), uuid.New()
	topic := f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", false)
	sent := numbered("moved", 5)
	require.NoError(f, transport.BindTenant(f.ctx, neighbour, "a"))

	require.NoError(f, transport.MoveTenant(f.ctx, tenant, "a", nil), "a tenant that was bound nowhere")
	f.publish(transport, topic, sent[0])
	require.NoError(f, transport.BindTenant(f.ctx, tenant, "b"), "half a move")
	f.publish(transport, topic, sent[1])
	for i := range 2 {
		require.NoError(f, transport.MoveTenant(f.ctx, tenant, "b", []string{"a", "b"}))
		f.publish(transport, topic, sent[2+i])
	}
	require.NoError(f, transport.MoveTenant(f.ctx, tenant, "a", []string{"b", "no-such-lane"}))
	f.publish(transport, topic, sent[4])

	others := numbered("other's", 2)
	f.publish(transport, f.topology.IntakeTopic(neighbour, "reos.property.upserted.v1", false), others[0])
	f.publish(transport, f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", true), others[1])
	require.Equal(f, []string{sent[0].UUID, sent[1].UUID, sent[4].UUID, others[0].UUID}, ids(f.contents(transport, f.intake("a"))))
	require.Equal(f, ids(sent[1:4]), ids(f.contents(transport, f.intake("b"))))
	require.Equal(f, ids(others[1:]), ids(f.contents(transport, f.intake(events.BulkLane))), "backfills stay where they were")
	require.Empty(f, f.contents(transport, f.topology.Unroutable()))
}

// movesUnderLoad moves a tenant to and fro while another process publishes.
//
// Invariant 1: a message that is confirmed during a move is in a lane, and nothing is unroutable.
func movesUnderLoad(f fixture) {
	publisher, operator, tenant := f.declared(), f.transport(), uuid.New()
	require.NoError(f, operator.BindTenant(f.ctx, tenant, "a"))
	topic := f.topology.IntakeTopic(tenant, "reos.property.upserted.v1", false)
	stop := make(chan struct{})
	var published []string
	var running sync.WaitGroup
	running.Go(func() {
		for {
			sent := numbered("load", 20)
			batch := make([]events.Outgoing, len(sent))
			for i, msg := range sent {
				batch[i] = events.Outgoing{Topic: topic, Message: msg}
			}
			if !assert.NoError(f, publisher.PublishBatch(f.ctx, batch)) {
				return
			}
			published = append(published, ids(sent)...)
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	for range 10 {
		assert.NoError(f, operator.MoveTenant(f.ctx, tenant, "b", []string{"a"}))
		assert.NoError(f, operator.MoveTenant(f.ctx, tenant, "a", []string{"b"}))
	}
	close(stop)
	running.Wait()
	require.Empty(f, f.contents(operator, f.topology.Unroutable()))
	kept := slices.Concat(ids(f.contents(operator, f.intake("a"))), ids(f.contents(operator, f.intake("b"))))
	slices.Sort(kept)
	slices.Sort(published)
	require.Equal(f, published, slices.Compact(kept))
}
