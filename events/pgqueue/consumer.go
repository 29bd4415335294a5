package pgqueue

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

// prefetch is how many messages of a subscription are in flight. It is twice what a claim usually takes: the next
// half comes while the first is worked on.
const prefetch = 256

// consumer is one subscription. Its goroutine claims messages and hands them out one after the other; each message in
// flight has a goroutine that waits for its ack.
type consumer struct {
	t     *Transport
	ctx   context.Context // the subscriber's
	queue string
	out   chan *message.Message
	woken chan struct{} // holds one token when there may be something to claim

	inFlight atomic.Int64
	full     atomic.Bool // it waits for room
}

func newConsumer(ctx context.Context, t *Transport, queue string) *consumer {
	return &consumer{t: t, ctx: ctx, queue: queue, out: make(chan *message.Message), woken: make(chan struct{}, 1)}
}

// run claims and hands out until the subscription or the transport ends.
func (c *consumer) run() {
	defer close(c.out)
	defer c.t.consumers.remove(c)
	for failures := 0; c.open(); {
		more, err := c.next()
		switch {
		case err != nil:
			c.t.log.Warn().Err(err).Str("queue", c.queue).Msg("cannot consume")
			c.pause(failures)
			failures++
		case more:
			failures = 0
		default:
			failures = 0
			c.wait()
		}
	}
}

func (c *consumer) open() bool {
	select {
	case <-c.ctx.Done():
	case <-c.t.closing:
	default:
		return true
	}
	return false
}

// next claims and hands out once. It reports whether there may be more to claim at once.
func (c *consumer) next() (more bool, err error) {
	room := c.room()
	if room == 0 || c.t.session.down() != nil {
		return false, nil
	}
	claimed, err := c.t.claim(c.queue, room)
	if err != nil {
		return false, err
	}
	c.inFlight.Add(int64(len(claimed)))
	for i, d := range claimed {
		if !c.hand(d) {
			c.giveBack(claimed[i:])
			return false, nil
		}
	}
	return len(claimed) == room, nil
}

// room is how many messages to claim: none before half of the prefetch is free.
func (c *consumer) room() int {
	free := prefetch - int(c.inFlight.Load())
	if free < prefetch/2 {
		c.full.Store(true)
		free = prefetch - int(c.inFlight.Load()) // it may have changed before anybody saw that we wait
	}
	if free < prefetch/2 {
		return 0
	}
	c.full.Store(false)
	return free
}

// settled makes room for another message.
func (c *consumer) settled() {
	if c.inFlight.Add(-1) <= prefetch/2 && c.full.Swap(false) {
		c.wake()
	}
}

func (c *consumer) wake() {
	select {
	case c.woken <- struct{}{}:
	default:
	}
}

func (c *consumer) wait() {
	select {
	case <-c.woken:
	case <-c.ctx.Done():
	case <-c.t.closing:
	}
}

// pause follows a failed claim, and gives back what that may have claimed.
func (c *consumer) pause(failures int) {
	c.t.uncertain.Store(true)
	for ; c.t.pause(failures); failures++ {
		if c.t.releaseForgotten(c.queue) == nil {
			return
		}
	}
}

// hand gives a message to the subscriber. It reports false when the subscription ended instead.
func (c *consumer) hand(d delivery) bool {
	// Invariant 8: the message outlives its subscription's context, so that work in hand can be finished.
	ctx, done := context.WithCancel(context.WithoutCancel(c.ctx))
	msg := message.NewMessageWithContext(ctx, string(d.uuid), d.payload)
	msg.Metadata = c.metadata(d)
	if !c.open() {
		done()
		return false
	}
	select {
	case c.out <- msg:
		c.t.running.Go(func() { // run itself is counted, so closing cannot have passed its wait
			defer done()
			defer c.settled()
			c.watch(d.token, msg)
		})
		return true
	case <-c.ctx.Done():
	case <-c.t.closing:
	}
	done()
	return false
}

func (c *consumer) metadata(d delivery) message.Metadata {
	metadata, err := decodeMetadata(d.metadata)
	if err != nil { // only somebody else's hand in the table can be the cause
		c.t.log.Error().Err(err).Str("queue", c.queue).Int64("message", d.id).Msg("headers are lost")
		metadata = message.Metadata{}
	}
	metadata[events.MetaExchange] = d.exchange
	metadata[events.MetaRoutingKey] = d.routingKey
	return metadata
}

// watch waits for a message's fate.
func (c *consumer) watch(tok token, msg *message.Message) {
	select {
	case <-msg.Acked():
		c.t.settler.ack(tok)
		return
	case <-msg.Nacked():
	case <-c.t.closing:
		select {
		case <-msg.Acked(): // just before
			c.t.settler.ack(tok)
			return
		default:
		}
	}
	c.t.settler.release(tok, handedOut)
}

// giveBack releases what was claimed and not handed out.
func (c *consumer) giveBack(claimed []delivery) {
	for _, d := range claimed {
		c.t.settler.release(d.token, untouched)
	}
}

// consumers are a transport's open subscriptions by queue.
type consumers struct {
	mu      sync.Mutex
	byQueue map[string]map[*consumer]struct{}
}

func (cs *consumers) add(c *consumer) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.byQueue == nil {
		cs.byQueue = map[string]map[*consumer]struct{}{}
	}
	if cs.byQueue[c.queue] == nil {
		cs.byQueue[c.queue] = map[*consumer]struct{}{}
	}
	cs.byQueue[c.queue][c] = struct{}{}
	c.wake()
}

func (cs *consumers) remove(c *consumer) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.byQueue[c.queue], c)
	if len(cs.byQueue[c.queue]) == 0 {
		delete(cs.byQueue, c.queue)
	}
}

func (cs *consumers) wake(queue string) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.byQueue[queue] {
		c.wake()
	}
}

func (cs *consumers) wakeAll() {
	for _, queue := range cs.queues() {
		cs.wake(queue)
	}
}

func (cs *consumers) queues() []string {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	queues := make([]string, 0, len(cs.byQueue))
	for queue := range cs.byQueue {
		queues = append(queues, queue)
	}
	return queues
}
