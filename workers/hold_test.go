package workers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// heldQueues is a broker of which only the held queues are asked for.
type heldQueues struct {
	events.Transport
	held map[string]int
	down error
}

func (h *heldQueues) Held(context.Context, uuid.UUID) (map[string]int, error) { return h.held, h.down }

// endedPauses are pauses that nobody begins.
type endedPauses struct {
	list  []store.Pause
	ended []store.Pause
}

func (p *endedPauses) Pauses(context.Context) ([]store.Pause, error) { return p.list, nil }

func (p *endedPauses) Pause(context.Context, uuid.UUID, events.Stage, string, string) error {
	return nil
}

func (p *endedPauses) Gone(context.Context) ([]uuid.UUID, error) { return nil, nil }

func (p *endedPauses) EndPause(_ context.Context, pause store.Pause) error {
	p.ended = append(p.ended, pause)
	return nil
}

func newTestGate(pauses Pauses, transport events.Transport) *Gate {
	return NewGate(pauses, transport, events.DefaultTopology(), BreakerConfig{Share: 2}, prometheus.NewRegistry(), zerolog.Nop())
}

// Invariant 1: a held queue that is forgotten with messages in it is read by nobody any more.
func TestInvariant1APauseIsNotForgottenWhileSomethingIsHeld(t *testing.T) {
	pause := store.Pause{Tenant: uuid.New(), Stage: events.Quality, ResumedAt: time.Now()}
	transport, pauses := &heldQueues{}, &endedPauses{}
	g := newTestGate(pauses, transport)
	queue := g.topology.HeldQueue(events.Quality, pause.Tenant)

	transport.held = map[string]int{queue: 1}
	g.forget(t.Context(), pause)
	require.Empty(t, pauses.ended, "the broker was away, and has not handed it out yet")
	transport.held, transport.down = nil, errors.New("no connection")
	g.forget(t.Context(), pause)
	require.Empty(t, pauses.ended, "nobody knows what is held")
	transport.down = nil
	transport.held = map[string]int{queue: 0, g.topology.HeldQueue(events.Embedding, pause.Tenant): 5}
	g.forget(t.Context(), pause)
	require.Equal(t, []store.Pause{pause}, pauses.ended)
}

// A release that waits for the broker with messages in hand is not over, however long that takes.
func TestAReleaseIsOverWhenNothingHasComeForLong(t *testing.T) {
	r := &release{}
	r.idle.Store(time.Now().Add(-2 * releaseFor).UnixNano())
	require.True(t, r.over())
	r.idle.Store(time.Now().UnixNano())
	require.False(t, r.over())
	r.idle.Store(0)
	require.False(t, r.over())
}

// Invariant 1: a message that is held after its pause was forgotten, because the broker took its time to confirm it, is let
// go all the same.
func TestInvariant1WhatIsHeldTooLateIsLetGo(t *testing.T) {
	tenant := uuid.New()
	at := place{events.Quality, tenant}
	pauses := &endedPauses{}
	g := newTestGate(pauses, &heldQueues{})
	g.keeps(events.Quality, tenant)
	require.NoError(t, g.look(t.Context()))
	require.False(t, g.known[at].ResumedAt.IsZero(), "like a pause that has ended")
	require.NoError(t, g.holds(events.Quality, tenant))
	g.forget(t.Context(), g.known[at])
	require.NoError(t, g.look(t.Context()))
	require.Empty(t, g.known)

	g.keeps(events.Quality, tenant)
	pauses.list = []store.Pause{{Tenant: tenant, Stage: events.Quality, By: "ann"}}
	require.NoError(t, g.look(t.Context()))
	require.Error(t, g.holds(events.Quality, tenant), "a pause that lasts is one")
	pauses.list[0].ResumedAt = time.Now()
	require.NoError(t, g.look(t.Context()))
	pauses.list = nil
	require.NoError(t, g.look(t.Context()))
	require.Empty(t, g.known, "its end was seen here: what was held has been let go")
}

func TestWhatWasHeldOfALaneThatIsGoneTakesTheBulkLane(t *testing.T) {
	g := newTestGate(&endedPauses{}, &heldQueues{})
	back := func(queue string) string {
		held := message.NewMessage("1", nil)
		held.Metadata = message.Metadata{headerQueue: queue}
		return g.wayBack(events.Quality, held).Topic
	}
	require.Equal(t, g.topology.RedeliverTopic("reos.quality.c"), back("reos.quality.c"))
	require.Equal(t, g.topology.RedeliverTopic("reos.quality.bulk"), back("reos.quality.giant"))
	require.Equal(t, g.topology.RedeliverTopic("reos.quality.bulk"), back(""))
}
