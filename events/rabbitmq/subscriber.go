package rabbitmq

import (
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
)

// SubscribeInitialize declares the topic's queue where the topology does not have it.
func (t *Transport) SubscribeInitialize(topic string) error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	queue, err := queueOf(topic)
	if err != nil {
		return err
	}
	return t.targets.queue(ctx, queue)
}

func queueOf(topic string) (string, error) {
	exchange, queue := events.SplitTopic(topic)
	if exchange != "" {
		return "", fmt.Errorf("subscribe to %q: messages are consumed from a queue, not from an exchange", topic)
	}
	return queue, nil
}

// Subscribe consumes a queue. Up to Prefetch messages are handed out before the first must be acked, in the queue's
// order. A nacked message is requeued. When the broker goes away or cancels the consumer, Subscribe consumes again by
// itself; messages in hand then come a second time, and acking their first copy does nothing. They come a third time only
// when the first copies are settled: a subscriber that stands still, whom the broker gives up every half hour, shall
// neither fill the memory nor use up the messages' delivery limit.
//
// When ctx ends, no more messages are asked for; what the broker has sent already is still handed out, then the
// channel is closed. What was handed out can be acked until Close. A message's context has ctx's values, and ends
// when the message is settled or at Close, not with ctx.
func (t *Transport) Subscribe(ctx context.Context, topic string) (<-chan *message.Message, error) {
	inside, leave, err := t.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	queue, err := queueOf(topic)
	if err != nil {
		return nil, err
	}
	s := newSubscription(ctx, t, queue)
	first, err := s.open(inside)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("subscribe to %q: %w", topic, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.closing:
		s.cancel()
		_ = first.channel.Close()
		return nil, ErrClosed
	default:
	}
	t.subscriptions[s] = struct{}{}
	t.workers.Go(func() { s.run(first) })
	return s.out, nil
}

// subscription feeds one output channel from one consumer after the other.
type subscription struct {
	transport *Transport
	queue     string
	log       zerolog.Logger
	out       chan *message.Message

	intake   context.Context // ends with the subscriber's context or at Close
	cancel   context.CancelFunc
	messages context.Context // parent of the messages' contexts; ends when Close waits no longer

	settlers sync.WaitGroup
	ended    chan struct{} // closed after out
	settled  chan struct{} // closed when nothing is in hand any more
}

func newSubscription(ctx context.Context, t *Transport, queue string) *subscription {
	s := &subscription{
		transport: t, queue: queue, log: t.log.With().Str("queue", queue).Logger(),
		out: make(chan *message.Message, t.config.Prefetch), ended: make(chan struct{}), settled: make(chan struct{}),
	}
	intake, cancelIntake := context.WithCancel(ctx)
	messages, cancelMessages := context.WithCancel(context.WithoutCancel(ctx))
	release := context.AfterFunc(t.running, cancelMessages)
	s.intake, s.messages = intake, messages
	s.cancel = func() {
		cancelIntake()
		release()
		cancelMessages()
	}
	return s
}

// run outlives out: it ends when everything that was handed out is settled, or at Close.
func (s *subscription) run(c *consumer) {
	intake, stopIntake := context.WithCancel(s.intake)
	defer stopIntake()
	go func() {
		select {
		case <-s.transport.closing:
			stopIntake()
		case <-intake.Done():
		}
	}()
	var before *settler // of the consumer before c
	for c != nil {
		s.settlers.Go(c.settle)
		s.pump(intake, c)
		if before != nil {
			before.await(intake)
		}
		before = c.settler
		c = s.reopen(intake)
	}
	close(s.out)
	close(s.ended)
	s.settlers.Wait()
	s.cancel()
	close(s.settled)
	s.transport.mu.Lock()
	defer s.transport.mu.Unlock()
	delete(s.transport.subscriptions, s)
}

// pump hands out what a consumer gets, until the consumer or the intake ends.
func (s *subscription) pump(intake context.Context, c *consumer) {
	defer close(c.settler.fresh)
	for {
		select {
		case d, ok := <-c.deliveries:
			if !ok {
				s.log.Warn().Msg("lost the consumer")
				return
			}
			s.hand(c, &d)
		case <-intake.Done():
			if err := c.channel.Cancel(c.tag, false); err != nil {
				_ = c.channel.Close()
			}
			for d := range c.deliveries { // amqp091-go closes it after what had arrived
				s.hand(c, &d)
			}
			return
		}
	}
}

// hand gives a message to the subscriber, or back to the broker when Close has begun. The settler knows of it
// first, so that tags reach it in order.
func (s *subscription) hand(c *consumer, d *amqp.Delivery) {
	msg := fromDelivery(d, c.frame)
	ctx, cancel := context.WithCancel(s.messages)
	msg.SetContext(ctx)
	select {
	case c.settler.fresh <- &delivery{tag: d.DeliveryTag, msg: msg, cancel: cancel}:
	case <-c.settler.done:
		cancel()
		return
	}
	select {
	case <-s.transport.closing:
		msg.Nack()
		return
	default:
	}
	select {
	case s.out <- msg:
	case <-s.transport.closing:
		msg.Nack()
	}
}

// giveBack waits for the end of the intake and requeues what nobody took from out.
func (s *subscription) giveBack() {
	<-s.ended
	for msg := range s.out {
		msg.Nack()
	}
}

// reopen consumes again after a loss. It returns nil when the intake has ended.
func (s *subscription) reopen(intake context.Context) *consumer {
	var pause backoff
	for ; intake.Err() == nil; pause.sleep(intake) {
		c, err := s.open(intake)
		if err == nil {
			return c
		}
		if intake.Err() == nil {
			s.log.Warn().Err(err).Msg("consume again")
		}
	}
	return nil
}

// consumer is one consumer on a channel of its own. Its delivery tags mean nothing on any other.
type consumer struct {
	channel    *amqp.Channel
	tag        string
	deliveries <-chan amqp.Delivery
	settler    *settler
	frame      int // bytes; 0 = no limit
}

func (s *subscription) open(ctx context.Context) (*consumer, error) {
	if err := s.transport.targets.queue(ctx, s.queue); err != nil {
		return nil, err
	}
	conn, err := s.transport.consume.connection(ctx)
	if err != nil {
		return nil, err
	}
	channel, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a consuming channel: %w", err)
	}
	c, err := s.consume(channel)
	if err != nil {
		_ = channel.Close()
		if notFound(err) {
			s.transport.targets.forget("", s.queue)
		}
		return nil, err
	}
	c.frame = conn.Config.FrameSize
	return c, nil
}

func (s *subscription) consume(channel *amqp.Channel) (*consumer, error) {
	gone := channel.NotifyClose(make(chan *amqp.Error, 1))
	if err := channel.Qos(s.transport.config.Prefetch, 0, false); err != nil {
		return nil, fmt.Errorf("set the prefetch: %w", err)
	}
	tag := "reos-" + uuid.NewString()
	deliveries, err := channel.Consume(s.queue, tag, false, false, false, false, nil)
	switch {
	case notFound(err):
		return nil, fmt.Errorf("queue %q does not exist; is the topology declared? %w", s.queue, err)
	case err != nil:
		return nil, fmt.Errorf("consume queue %q: %w", s.queue, err)
	}
	settler := newSettler(channel, s.transport.config.Prefetch, gone, s.transport.running.Done())
	return &consumer{channel: channel, tag: tag, deliveries: deliveries, settler: settler}, nil
}

// settle runs the settler to its end, then closes the channel: nothing on it is open any more.
func (c *consumer) settle() {
	c.settler.run()
	_ = c.channel.Close()
}
