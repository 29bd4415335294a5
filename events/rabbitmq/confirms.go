package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// window is how many confirms may be open on the publishing channel.
const window = 1000

// errUnwritten marks a message that never left this process: it may be tried on the next channel at once.
var errUnwritten = errors.New("not sent")

// pending is a message on its way to being confirmed.
type pending struct {
	index         int // in the caller's batch
	exchange, key string
	mandatory     bool
	publishing    amqp.Publishing
	headerBytes   int

	sequence uint64
	confirm  *amqp.DeferredConfirmation
	err      error // of writing it
	returned error // why the broker gave it back; guarded by confirms.mu
}

// chunk is what a caller hands to the goroutine that owns the channel: at most window messages.
type chunk struct {
	ctx     context.Context
	pending []*pending
	channel *confirms     // where it is written; set by the writer
	written chan struct{} // closed when every message has been written or has got its err
}

// confirms is one publishing channel in confirm mode, and the messages open on it. write is called by one goroutine;
// every other method by any.
type confirms struct {
	conn    *connection
	channel *amqp.Channel
	closed  chan struct{} // closed at the end of the channel
	cause   error         // why it ended; set before closed is closed
	slots   chan struct{} // holds one element per open confirm

	mu        sync.Mutex
	sequence  uint64
	open      map[uint64]*pending
	abandoned int // confirms that are still to come and that nobody waits for
	returns   <-chan amqp.Return
	served    bool          // nothing more will be written: the channel can be closed when nothing is open
	retired   chan struct{} // closed when too many confirms are abandoned
}

func openConfirms(conn *connection) (*confirms, error) {
	channel, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a publishing channel: %w", err)
	}
	if err := channel.Confirm(false); err != nil {
		_ = channel.Close()
		return nil, fmt.Errorf("turn on publisher confirms: %w", err)
	}
	c := &confirms{
		conn: conn, channel: channel, closed: make(chan struct{}), slots: make(chan struct{}, window),
		open: make(map[uint64]*pending, window), retired: make(chan struct{}),
		// A return waits here until a confirm is read. It has room for every message that is open or abandoned, so
		// that amqp091-go never waits for us, and never gives up waiting.
		returns: channel.NotifyReturn(make(chan amqp.Return, 2*window)),
	}
	go c.watch(channel.NotifyClose(make(chan *amqp.Error, 1)))
	return c, nil
}

func (c *confirms) watch(closes <-chan *amqp.Error) {
	c.cause = errors.New("publishing channel closed by this process")
	if err := <-closes; err != nil {
		c.cause = fmt.Errorf("publishing channel closed: %w", err)
	}
	close(c.closed)
}

// serve writes chunks until the channel is closed or retired, or ctx ends.
func (c *confirms) serve(ctx context.Context, chunks <-chan *chunk) {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.served = true
		c.closeIdle()
	}()
	for {
		select {
		case <-c.closed:
			return
		case <-c.retired:
			return
		case <-ctx.Done():
			return
		case next := <-chunks:
			c.write(next)
		}
	}
}

func (c *confirms) write(next *chunk) {
	defer close(next.written)
	next.channel = c
	for _, p := range next.pending {
		if p.err = c.admit(next.ctx); p.err == nil {
			p.err = c.publish(p)
		}
	}
}

// admit waits until the broker takes messages and a confirm may be opened.
func (c *confirms) admit(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-c.retired:
		return errUnwritten
	default:
	}
	if reason, unblocked := c.conn.blocked(); reason != "" {
		select {
		case <-unblocked:
		case <-c.closed:
			return errUnwritten
		case <-ctx.Done():
			return fmt.Errorf("the broker blocks publishers: %s: %w", reason, context.Cause(ctx))
		}
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-c.closed:
		return errUnwritten
	case <-ctx.Done():
		return fmt.Errorf("wait for earlier confirms: %w", context.Cause(ctx))
	}
}

func (c *confirms) publish(p *pending) error {
	if limit := c.conn.Config.FrameSize; limit > 0 && p.headerBytes > limit {
		<-c.slots
		return fmt.Errorf("headers of %d bytes: the broker takes at most %d", p.headerBytes, limit)
	}
	c.mu.Lock() // the message must be known before its return can come
	c.sequence++
	p.sequence = c.sequence
	c.open[p.sequence] = p
	c.mu.Unlock()
	confirm, err := c.channel.PublishWithDeferredConfirm(p.exchange, p.key, p.mandatory, false, p.publishing)
	if err == nil {
		p.confirm = confirm
		return nil
	}
	c.mu.Lock()
	delete(c.open, p.sequence)
	c.sequence--
	c.mu.Unlock()
	<-c.slots
	return errUnwritten // amqp091-go closes the connection over it; part of the message may have left, which is no harm
}

// outcome waits for the confirm of a written message.
func (c *confirms) outcome(ctx context.Context, p *pending) error {
	select {
	case <-p.confirm.Done():
	default:
		select {
		case <-p.confirm.Done():
		case <-ctx.Done():
			c.abandon(p)
			return fmt.Errorf("wait for the broker's confirm: %w", context.Cause(ctx))
		}
	}
	switch returned := c.settle(p); {
	case returned != nil: // it is acked all the same
		return returned
	case p.confirm.Acked():
		return nil
	case c.channel.IsClosed():
		<-c.closed
		return fmt.Errorf("not confirmed: %w", c.cause)
	}
	return errors.New("nacked by the broker")
}

// settle closes a message's account and says whether it was returned.
//
// Invariant 1: the broker acks what it returns, and returns it first. So the returns are read before an ack is
// believed.
func (c *confirms) settle(p *pending) error {
	<-c.slots
	c.mu.Lock()
	defer c.mu.Unlock()
	c.takeReturns()
	delete(c.open, p.sequence)
	c.closeIdle()
	return p.returned
}

// closeIdle closes a channel that was served to its end and owes nobody a confirm. Not earlier: a message written
// beside the close would cost the whole connection. The caller holds mu.
func (c *confirms) closeIdle() {
	if c.served && len(c.open) == 0 {
		go func() { _ = c.channel.Close() }()
	}
}

// takeReturns marks the returned messages. Messages with the same id, exchange and key are the same message sent
// twice: the earlier one is marked. The caller holds mu.
func (c *confirms) takeReturns() {
	for {
		select {
		case r, ok := <-c.returns:
			if !ok {
				return
			}
			var match *pending
			for _, p := range c.open {
				if p.publishing.MessageId == r.MessageId && p.exchange == r.Exchange && p.key == r.RoutingKey &&
					p.returned == nil && (match == nil || p.sequence < match.sequence) {
					match = p
				}
			}
			if match != nil {
				match.returned = fmt.Errorf("%w (%s)", events.ErrUnroutable, r.ReplyText)
			}
		default:
			return
		}
	}
}

// abandon gives up on a written message whose caller waits no longer. A channel with too many of them is retired, so
// that confirms which never come cannot use up the window.
func (c *confirms) abandon(p *pending) {
	<-c.slots
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, p.sequence)
	if c.abandoned++; c.abandoned == window {
		close(c.retired)
	}
	c.closeIdle()
}
