package workers

import (
	"context"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
)

// buffer stands between a subscription and its batches. It is what makes a burst a batch: a receiver that looks into
// the subscription's channel itself finds one message at a time there. The transport's prefetch bounds it.
type buffer struct {
	mu      sync.Mutex
	waiting [][]Delivery // the deliveries of one carrier each
	ended   bool
	arrived chan struct{} // holds one token when something changed
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

// take returns what is there, up to size of one tenant, a few times size in all, and bytes; it waits only while nothing is. It returns nothing when the
// subscription ended and everything was taken, or when ctx ended. What came in one message is never taken apart.
func (b *buffer) take(ctx context.Context, size, bytes int) []Delivery {
	for {
		b.mu.Lock()
		n, ended := b.fitting(size, bytes), b.ended
		if n > 0 {
			batch := slices.Concat(b.waiting[:n]...)
			rest := copy(b.waiting, b.waiting[n:])
			clear(b.waiting[rest:])
			b.waiting = b.waiting[:rest]
			b.mu.Unlock()
			return batch
		}
		b.mu.Unlock()
		if ended {
			return nil
		}
		select {
		case <-b.arrived:
		case <-ctx.Done():
			return nil
		}
	}
}

// fitting counts how many waiting carriers make the next batch: at least one where there is any. Messages are of one
// tenant where their routing keys are the same.
func (b *buffer) fitting(size, bytes int) int {
	n, deliveries, total := 0, 0, 0
	share := map[string]int{}
	for ; n < len(b.waiting); n++ {
		group := b.waiting[n]
		share[group[0].RoutingKey] += len(group)
		deliveries += len(group)
		total += len(group[0].carrier.Payload)
		if n > 0 && (share[group[0].RoutingKey] > size || deliveries > tenantsAtOnce*size || total > bytes) {
			break
		}
	}
	return n
}
