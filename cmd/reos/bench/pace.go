package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// paced is what a paced load published, and when: just before the call that publishes it.
type paced struct {
	mu   sync.Mutex
	sent map[uuid.UUID]time.Time
	err  error
}

// pace publishes events one by one at a rate until next reports false or ctx ends. Each goes out on a goroutine of its
// own: a slow confirm delays none behind it, so that no wait is left out of the measurement.
func (w *world) pace(ctx context.Context, perSecond int, next func() (events.Event, bool)) (*paced, error) {
	p := &paced{sent: map[uuid.UUID]time.Time{}}
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	var publishing sync.WaitGroup
	for {
		event, more := next()
		if !more {
			break
		}
		out := []events.Outgoing{w.outgoing(event)}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			publishing.Wait()
			return p, p.err
		}
		publishing.Go(func() {
			now := time.Now()
			// What was begun is finished, even when ctx ends: it counts.
			err := w.transport.PublishBatch(context.WithoutCancel(ctx), out)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.sent[event.UID()] = now
			p.err = errors.Join(p.err, err)
		})
	}
	publishing.Wait()
	return p, p.err
}

// arrivalTime is how long an event may take before the run is void.
const arrivalTime = 2 * time.Minute

// await waits until everything that was sent has arrived and returns how long each event took.
//
// An event that ends without being indexed never arrives; King County's sales hold a few that are older than what is
// there. Once all events have ended, what has not arrived within a second is such a one.
func (l *listener) await(ctx context.Context, p *paced, allEnded func(context.Context) (bool, error)) ([]time.Duration, error) {
	deadline := time.Now().Add(arrivalTime)
	ended := time.Time{}
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		arrived, err := l.seen()
		if err != nil {
			return nil, err
		}
		if took := p.match(arrived); len(took) == len(p.sent) || (!ended.IsZero() && time.Since(ended) > time.Second) {
			return took, nil
		}
		if ended.IsZero() {
			all, err := allEnded(ctx)
			if err != nil {
				return nil, err
			}
			if all {
				ended = time.Now()
			}
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d of %d events were searchable after %s", len(p.match(arrived)), len(p.sent), arrivalTime)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// match pairs what was sent with what arrived.
func (p *paced) match(arrived map[uuid.UUID]time.Time) []time.Duration {
	var took []time.Duration
	for id, sent := range p.sent {
		if at, ok := arrived[id]; ok {
			took = append(took, at.Sub(sent))
		}
	}
	return took
}
