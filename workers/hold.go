package workers

import (
	"context"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

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
	idle   atomic.Int64 // since when it has nothing in hand, in Unix nanoseconds; 0 while it has
	ending atomic.Bool  // the pause is just being forgotten
}

// over says whether nothing has come for long.
func (r *release) over() bool {
	since := r.idle.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > releaseFor
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
			r.idle.Store(time.Now().UnixNano())
			g.releases[at] = r
			running.Go(func() { g.release(watch, work, pause, r) })
		}
		if r.over() && r.ending.CompareAndSwap(false, true) {
			running.Go(func() {
				defer r.ending.Store(false)
				g.forget(work, pause)
			})
		}
	}
}

// forget ends the watch over a held queue, unless something is left in it. That nothing has come says little by itself: the
// broker may have been away all the time, and from now on nobody would look into the queue any more.
func (g *Gate) forget(ctx context.Context, pause store.Pause) {
	asked := time.Now()
	held, err := g.transport.Held(ctx, pause.Tenant)
	if err == nil && held[g.topology.HeldQueue(pause.Stage, pause.Tenant)] > 0 {
		return
	}
	if err == nil {
		err = g.pauses.EndPause(ctx, pause)
	}
	if err != nil {
		if ctx.Err() == nil {
			g.log.Warn().Err(err).Str("stage", string(pause.Stage)).Str("tenant_id", pause.Tenant.String()).Msg("forget a pause that ended")
		}
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if at := (place{pause.Stage, pause.Tenant}); g.holding[at].Before(asked) {
		delete(g.holding, at)
	}
}

// keeps notes that this process has put a message into a held queue, after its confirm.
func (g *Gate) keeps(stage events.Stage, tenant uuid.UUID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holding[place{stage, tenant}] = time.Now()
}

// strays adds pauses that are forgotten, where this process has held something since, as pauses that have ended: the broker
// may have taken its time to confirm it, or Postgres to tell of the end. The caller holds mu.
func (g *Gate) strays(known map[place]store.Pause) {
	for at, since := range g.holding {
		pause, ok := known[at]
		switch {
		case !ok:
			known[at] = store.Pause{Tenant: at.tenant, Stage: at.stage, At: since, ResumedAt: since}
		case !pause.ResumedAt.IsZero():
			delete(g.holding, at) // it is being let go
		}
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
		r.idle.Store(0)
		out := make([]events.Outgoing, len(batch))
		for i, d := range batch {
			out[i] = g.wayBack(pause.Stage, d.Raw)
		}
		if !publishAll(work, g.transport, out, func(err error) { log.Warn().Err(err).Msg("let held messages go") }) {
			return
		}
		for _, d := range batch {
			d.carrier.Ack()
		}
		r.idle.Store(time.Now().UnixNano())
		total += len(batch)
	}
	log.Info().Int("messages", total).Msg("held messages let go")
}

// Bounds of one batch on its way back.
const (
	releaseBatch = 200
	releaseBytes = 8 << 20
)

// wayBack is a held message for the queue that it came from, as after a retry. Where that is none of the stage's any more,
// its lane was taken away while the message was held, and it takes the bulk lane.
func (g *Gate) wayBack(stage events.Stage, held *message.Message) events.Outgoing {
	back := message.NewMessage(held.UUID, held.Payload)
	back.Metadata = maps.Clone(held.Metadata)
	delete(back.Metadata, headerQueue)
	queue := held.Metadata[headerQueue]
	if of, _ := stageOf(g.topology, queue); of != stage {
		queue = g.topology.StageQueue(stage, events.BulkLane)
	}
	return events.Outgoing{Topic: g.topology.RedeliverTopic(queue), Message: back}
}
