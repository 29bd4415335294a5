package workers

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

const (
	// refillQuiet is for how long nothing may come until the broker has sent what it sends for the acks of a batch.
	refillQuiet = 100 * time.Millisecond

	// refillShare is what part of the time that a batch took the next one may wait for that.
	refillShare = 8
)

// buffer stands between a subscription and its batches. It is what makes a burst a batch: a receiver that looks into
// the subscription's channel itself finds one message at a time there. The transport's prefetch bounds it.
type buffer struct {
	mu      sync.Mutex
	waiting [][]Delivery // the deliveries of one carrier each
	ended   bool
	arrived chan struct{} // holds one token when something changed

	// Of the batch before, which whoever takes the next one has acked by then.
	taken   int
	takenAt time.Time
}

func newBuffer() *buffer { return &buffer{arrived: make(chan struct{}, 1)} }

// fill moves messages into the buffer until the subscription ends, opened.
func (b *buffer) fill(carriers <-chan *message.Message, open func(*message.Message) []Delivery) {
	for carrier := range carriers {
		opened := open(carrier)
		b.mu.Lock()
		b.waiting = append(b.waiting, opened)
		b.mu.Unlock()
		b.signal()
	}
	b.mu.Lock()
	b.ended = true
	b.mu.Unlock()
	b.signal()
}

func (b *buffer) signal() {
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// take returns what is there, up to size of one tenant, a few times size in all, and bytes; it waits only while nothing is,
// or while a backlog's next messages are on their way. It returns nothing when the subscription ended and everything was
// taken, or when ctx ended. What came in one message is never taken apart.
//
// After a batch of size and more there is a backlog, and the prefetch was shared by that batch and what waits here; the
// broker sends as many again for its acks. With them the next batch holds twice as many messages of each of many tenants,
// and what a tenant's part costs is paid half as often.
func (b *buffer) take(ctx context.Context, size, bytes int) []Delivery {
	var refilled time.Time
	b.mu.Lock()
	if b.taken >= size {
		now := time.Now()
		refilled = now.Add(now.Sub(b.takenAt) / refillShare)
	}
	b.mu.Unlock()
	for seen := 0; ; {
		b.mu.Lock()
		n, full := b.fitting(size, bytes)
		quiet, ended := len(b.waiting) == seen, b.ended
		if n > 0 && (full || quiet || ended || !time.Now().Before(refilled)) {
			defer b.mu.Unlock()
			return b.cut(n)
		}
		seen = len(b.waiting)
		b.mu.Unlock()
		var pause <-chan time.Time
		arrived := b.arrived
		switch {
		case n > 0:
			arrived, pause = nil, time.After(min(refillQuiet, time.Until(refilled)))
		case ended:
			return nil
		}
		select {
		case <-arrived:
		case <-pause:
		case <-ctx.Done():
			return nil
		}
	}
}

// cut takes the deliveries of the first n carriers out. It needs b.mu.
func (b *buffer) cut(n int) []Delivery {
	batch := slices.Concat(b.waiting[:n]...)
	rest := copy(b.waiting, b.waiting[n:])
	clear(b.waiting[rest:])
	b.waiting = b.waiting[:rest]
	b.taken, b.takenAt = len(batch), time.Now()
	return batch
}

// fitting counts how many waiting carriers make the next batch: at least one where there is any; full says that it cannot
// hold more. Messages are of one tenant where their routing keys are the same.
func (b *buffer) fitting(size, bytes int) (n int, full bool) {
	deliveries, total := 0, 0
	share := map[string]int{}
	for ; n < len(b.waiting); n++ {
		group := b.waiting[n]
		share[group[0].RoutingKey] += len(group)
		deliveries += len(group)
		total += len(group[0].carrier.Payload)
		if n > 0 && (share[group[0].RoutingKey] > size || deliveries > tenantsAtOnce*size || total > bytes) {
			return n, true
		}
	}
	return n, deliveries >= tenantsAtOnce*size
}
