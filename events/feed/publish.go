package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// A batch is full with so many events, or so many bytes of data: what is on its way is bounded by both.
	batchEvents = 500
	batchBytes  = 2 << 20
	// batchesAhead is how many batches may await their confirms while the next one is read.
	batchesAhead = 3

	// MaxProblems is how many refused records are told one by one; the rest are counted.
	MaxProblems = 20
)

// ErrUnconfirmed says that the broker did not confirm every event. Publishing the feed again is harmless: the same
// events are said again (Invariant 2).
var ErrUnconfirmed = errors.New("not every event was confirmed")

// Outlet is where a Publisher's events go.
type Outlet struct {
	// Send publishes a batch and returns when every message is confirmed or failed, as events.Transport's PublishBatch
	// does. Safe for concurrent use.
	Send func(ctx context.Context, batch []events.Outgoing) error
	// Topic is where an event is published.
	Topic func(events.Event) string
	// Known counts those of the events that were accepted before, in another run; nil counts none. Safe for concurrent
	// use.
	Known func(ctx context.Context, uids []uuid.UUID) int64
	// Confirmed is told when a batch is confirmed, by one goroutine at a time; nil tells nobody.
	Confirmed func()
}

// Tally counts what became of a feed's records at the edge.
type Tally struct {
	Published int64        // confirmed by the broker
	Known     int64        // of them, no news: accepted in another run, or said twice in this one
	Rejected  int64        // no events
	Problems  []*LineError // of the first rejected
}

// Publisher publishes feeds, one after the other, and counts. Tally is for any goroutine.
type Publisher struct {
	outlet Outlet

	mu     sync.Mutex
	said   recent
	tally  Tally
	failed error // the first batch that was not confirmed
}

// NewPublisher makes a publisher.
func NewPublisher(outlet Outlet) *Publisher { return &Publisher{outlet: outlet} }

// Tally is what was counted up to now.
func (p *Publisher) Tally() Tally {
	p.mu.Lock()
	defer p.mu.Unlock()
	tally := p.tally
	tally.Problems = slices.Clone(tally.Problems)
	return tally
}

// Publish reads a feed as Read does and publishes its events, with batches on their way while it reads on. It returns
// when everything that was read is confirmed or failed. A record that is no event is counted.
//
// The error wraps ErrUnconfirmed where the broker did not confirm everything; reading ends early then. Any other error
// is one of reading: what came before it is published. Both may come together.
func (p *Publisher) Publish(ctx context.Context, r io.Reader, format Format, options Options) error {
	var sending sync.WaitGroup
	slots := make(chan struct{}, batchesAhead)
	dispatch := func(batch []events.Event) {
		slots <- struct{}{}
		sending.Go(func() {
			p.send(ctx, batch)
			<-slots
		})
	}
	err := p.read(r, format, options, dispatch)
	sending.Wait()
	return errors.Join(err, p.failure())
}

// read cuts a feed into batches.
func (p *Publisher) read(r io.Reader, format Format, options Options, dispatch func([]events.Event)) error {
	var batch []events.Event
	size := 0
	flush := func() {
		if len(batch) > 0 {
			dispatch(batch)
		}
		batch, size = make([]events.Event, 0, batchEvents), 0
	}
	defer flush()
	for event, err := range Read(r, format, options) {
		if line, refused := errors.AsType[*LineError](err); refused {
			p.reject(line)
			continue
		}
		if err != nil {
			return err
		}
		batch, size = append(batch, event), size+len(event.Data)
		if len(batch) == batchEvents || size >= batchBytes {
			flush()
		}
		if p.failure() != nil {
			batch = nil // what was not sent need not be
			return nil
		}
	}
	return nil
}

func (p *Publisher) reject(line *LineError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.Rejected++
	if len(p.tally.Problems) < MaxProblems {
		p.tally.Problems = append(p.tally.Problems, line)
	}
}

// send publishes a batch and counts what was confirmed of it.
func (p *Publisher) send(ctx context.Context, batch []events.Event) {
	out := make([]events.Outgoing, len(batch))
	for i, event := range batch {
		out[i] = events.Outgoing{Topic: p.outlet.Topic(event), Message: event.Message()}
	}
	news := p.news(batch)
	known := int64(len(batch) - len(news))
	if p.outlet.Known != nil {
		known += p.outlet.Known(ctx, news)
	}
	err := p.outlet.Send(ctx, out)
	confirmed := int64(len(batch))
	if each, ok := errors.AsType[events.PublishErrors](err); ok {
		for _, failed := range each {
			if failed != nil {
				confirmed--
			}
		}
	} else if err != nil {
		confirmed = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tally.Published += confirmed
	p.tally.Known += min(known, confirmed)
	if err != nil && p.failed == nil {
		p.failed = fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	if p.outlet.Confirmed != nil {
		p.outlet.Confirmed()
	}
}

// news lists the events of a batch that were not said before.
func (p *Publisher) news(batch []events.Event) []uuid.UUID {
	p.mu.Lock()
	defer p.mu.Unlock()
	uids := make([]uuid.UUID, 0, len(batch))
	for _, event := range batch {
		if uid := event.UID(); p.said.add(uid) {
			uids = append(uids, uid)
		}
	}
	return uids
}

func (p *Publisher) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// recentEvents is how many events are remembered at least: pages that overlap repeat what came just before.
const recentEvents = 100_000

// recent remembers the last events, in two halves of which the older one is forgotten.
type recent struct{ newer, older map[uuid.UUID]struct{} }

// add remembers an event, and reports whether it was new.
func (r *recent) add(uid uuid.UUID) bool {
	if _, ok := r.newer[uid]; ok {
		return false
	}
	_, before := r.older[uid]
	if len(r.newer) >= recentEvents || r.newer == nil {
		r.older, r.newer = r.newer, make(map[uuid.UUID]struct{})
	}
	r.newer[uid] = struct{}{}
	return !before
}
