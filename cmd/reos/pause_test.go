package main

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// A tenant that is paused at a stage waits there, another does not; nothing is lost or doubled when it goes on.
func TestPausedTenantWaitsAndGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.createTenant("globex")
	w.removeHeld("embedding")
	all := w.start("worker", "all")
	var paused struct{ Changed []string }
	w.okJSON(&paused, "pipeline", "pause", "--tenant", tenantName, "--stage", "embedding", "--why", "the model service moves")
	require.Equal(t, []string{"embedding"}, paused.Changed)
	time.Sleep(time.Second) // what pausing promises

	const count = 200
	for _, tenant := range []uuid.UUID{w.tenant, other} {
		w.backlog(tenant, count)
	}
	settled := func(tenant uuid.UUID, where string) func() bool {
		return func() bool {
			return w.number("SELECT count(*) FROM progress WHERE tenant_id = $1 AND "+where, tenant) == count
		}
	}
	require.Eventually(t, settled(other, "finished_at IS NOT NULL"), time.Minute, 50*time.Millisecond)
	require.Eventually(t, settled(w.tenant, "stage = 'embedding'"), time.Minute, 50*time.Millisecond)
	all.stop() // a pause outlives its processes
	all = w.start("worker", "all")
	require.Never(t, func() bool { return w.points() > 0 }, time.Second, 100*time.Millisecond)

	var pauses struct {
		Pauses []struct{ Stage, By, Why string }
	}
	w.okJSON(&pauses, "pipeline", "pauses")
	require.Len(t, pauses.Pauses, 1)
	require.Equal(t, "the model service moves", pauses.Pauses[0].Why)
	w.okJSON(&paused, "pipeline", "resume", "--tenant", tenantName)
	require.Equal(t, []string{"embedding"}, paused.Changed)
	require.Eventually(t, settled(w.tenant, "finished_at IS NOT NULL AND outcome = 'done'"), time.Minute, 50*time.Millisecond)
	require.Equal(t, count, w.points())
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters"))
	all.stop()
}

// A feed whose every record dies stops at the breaker; another tenant's goes on.
func TestBreakerSparesAFeedFromTheDeadLetters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.createTenant("globex")
	w.removeHeld("ingestion")
	w.env = append(w.env, "BREAKER_LEAST=50", "WORKER_BATCH_SIZE=50")
	all := w.start("worker", "all")
	w.publishBroken(2000)
	w.backlog(other, 100)
	var pauses struct{ Pauses []struct{ Stage, By string } }
	require.Eventually(t, func() bool {
		w.okJSON(&pauses, "pipeline", "pauses")
		return len(pauses.Pauses) == 1
	}, time.Minute, 100*time.Millisecond)
	require.Equal(t, "ingestion", pauses.Pauses[0].Stage)
	require.Equal(t, "breaker", pauses.Pauses[0].By)
	require.Eventually(t, func() bool { return w.number("SELECT count(*) FROM index_entries WHERE present") == 100 }, time.Minute, 50*time.Millisecond)
	require.Less(t, w.number("SELECT count(*) FROM dead_letters"), 200)
	all.stop()
}

// removeHeld deletes the queue of what a stage holds of the tenant, at the end of the test.
func (w *world) removeHeld(stage events.Stage) {
	w.t.Cleanup(func() {
		channel, done := w.channel()
		defer done()
		_, err := channel.QueueDelete(w.topology.HeldQueue(stage, w.tenant), false, false, false)
		require.NoError(w.t, err)
	})
}

// publishBroken publishes messages of the tenant that nobody can read.
func (w *world) publishBroken(count int) {
	channel, done := w.channel()
	defer done()
	require.NoError(w.t, channel.Confirm(false))
	for i := range count {
		confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), w.tenant.String()+".reos.property.upserted.v1", true, false,
			amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: strconv.Itoa(i), Body: fmt.Appendf(nil, "no event %d", i)})
		require.NoError(w.t, err)
		if i == count-1 {
			require.True(w.t, confirm.Wait())
		}
	}
}
