package workers

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// hold is the settlement of a message whose tenant is paused: a copy waits in the tenant's own queue, with its attempts.
func (r *Runner) hold(m Message, why error) settlement {
	held := message.NewMessage(m.Raw.UUID, m.Raw.Payload)
	held.Metadata = maps.Clone(m.Raw.Metadata)
	held.Metadata[headerOriginKey] = m.RoutingKey
	held.Metadata[headerAttempt] = strconv.Itoa(m.Attempt)
	held.Metadata[headerQueue] = m.Queue
	return settlement{
		result: Result{Outcome: events.Retried, Reason: events.Paused, Err: why}, tenant: m.Tenant, event: m.Event,
		copied: []events.Outgoing{{Topic: r.topology.HeldQueue(r.stage.Name(), m.Tenant), Message: held}},
	}
}

// releaseFor is how long a held queue is watched after a pause ended: another process may have been slow to hear of it,
// or have died with messages in hand.
const releaseFor = time.Minute

// release lets the messages of one ended pause go.
type release struct {
	cancel context.CancelFunc
	moved  atomic.Int64 // when it last let one go, in Unix nanoseconds
}

// letGo starts and ends releases, so that there is one for each pause that is ending.
func (g *Gate) letGo(intake, work context.Context, running *sync.WaitGroup) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for at, r := range g.releases {
		if pause, ok := g.known[at]; !ok || pause.ResumedAt.IsZero() {
			r.cancel()
			delete(g.releases, at)
		}
	}
	for at, pause := range g.known {
		if pause.ResumedAt.IsZero() {
			continue
		}
		r := g.releases[at]
		if r == nil {
			watch, cancel := context.WithCancel(intake)
			r = &release{cancel: cancel}
			r.moved.Store(time.Now().UnixNano())
			g.releases[at] = r
			running.Go(func() { g.release(watch, work, pause, r) })
		}
		if time.Since(time.Unix(0, r.moved.Load())) > releaseFor {
			running.Go(func() { g.forget(work, pause) })
		}
	}
}

func (g *Gate) forget(ctx context.Context, pause store.Pause) {
	if err := g.pauses.EndPause(ctx, pause); err != nil && ctx.Err() == nil {
		g.log.Warn().Err(err).Str("stage", string(pause.Stage)).Str("tenant_id", pause.Tenant.String()).Msg("forget a pause that ended")
	}
}

// release sends what is held back to the queues it came from.
//
// Invariant 1: a held message is acked after its way back is confirmed.
func (g *Gate) release(watch, work context.Context, pause store.Pause, r *release) {
	log := g.log.With().Str("stage", string(pause.Stage)).Str("tenant_id", pause.Tenant.String()).Logger()
	held, err := g.transport.Subscribe(watch, g.topology.HeldQueue(pause.Stage, pause.Tenant))
	if err != nil {
		log.Warn().Err(err).Msg("let held messages go")
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.releases, place{pause.Stage, pause.Tenant}) // the next look tries again
		return
	}
	pending := newBuffer()
	go pending.fill(held, func(carrier *message.Message) []Delivery { return []Delivery{{Raw: carrier, carrier: carrier}} })
	total := 0
	for {
		batch := pending.take(work, releaseBatch, releaseBytes)
		if len(batch) == 0 {
			break
		}
		out := make([]events.Outgoing, len(batch))
		for i, d := range batch {
			out[i] = g.wayBack(d.Raw)
		}
		if !publishAll(work, g.transport, out, func(err error) { log.Warn().Err(err).Msg("let held messages go") }) {
			return
		}
		for _, d := range batch {
			d.carrier.Ack()
		}
		r.moved.Store(time.Now().UnixNano())
		total += len(batch)
	}
	log.Info().Int("messages", total).Msg("held messages let go")
}

// Bounds of one batch on its way back.
const (
	releaseBatch = 200
	releaseBytes = 8 << 20
)

// wayBack is a held message for the queue that it came from, as after a retry.
func (g *Gate) wayBack(held *message.Message) events.Outgoing {
	back := message.NewMessage(held.UUID, held.Payload)
	back.Metadata = maps.Clone(held.Metadata)
	delete(back.Metadata, headerQueue)
	return events.Outgoing{Topic: g.topology.RedeliverTopic(held.Metadata[headerQueue]), Message: back}
}
