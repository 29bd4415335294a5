package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
)

// publishTimeout bounds Publish, which gets no context.
const publishTimeout = 30 * time.Second

// publisher sends messages through one channel, owned by one goroutine, and replaces the channel when it ends.
type publisher struct {
	link    *link
	log     zerolog.Logger
	targets *targets
	chunks  chan *chunk    // to the goroutine
	late    sync.WaitGroup // for chunks whose callers have left
}

func (p *publisher) run(ctx context.Context) {
	var pause backoff
	for ctx.Err() == nil {
		conn, err := p.link.connection(ctx)
		if err != nil {
			return
		}
		channel, err := openConfirms(conn)
		if err != nil {
			p.log.Warn().Err(err).Msg("cannot publish")
			pause.sleep(ctx)
			continue
		}
		pause = backoff{}
		channel.serve(ctx, p.chunks)
		p.channelEnded(channel)
	}
}

func (p *publisher) channelEnded(channel *confirms) {
	select {
	case <-channel.closed:
	default: // it is retired and closes when its confirms are in, or goes with its connection at Close
		return
	}
	p.targets.forgetAll()
	var refusal *amqp.Error
	if errors.As(channel.cause, &refusal) && refusal.Server {
		p.log.Warn().Err(channel.cause).Msg("open the publishing channel again")
	}
}

// publish publishes a batch as Transport.PublishBatch says.
func (p *publisher) publish(ctx context.Context, batch []events.Outgoing) error {
	errs := make(events.PublishErrors, len(batch))
	todo := make([]*pending, 0, len(batch))
	for i, outgoing := range batch {
		next, err := p.pending(ctx, outgoing)
		if err != nil {
			errs[i] = err
			continue
		}
		next.index = i
		todo = append(todo, next)
	}
	for part := range slices.Chunk(todo, window) {
		p.send(ctx, part, errs)
	}
	if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
		return errs
	}
	return nil
}

func (p *publisher) pending(ctx context.Context, outgoing events.Outgoing) (*pending, error) {
	exchange, key := events.SplitTopic(outgoing.Topic)
	if len(exchange) > maxShortString || len(key) > maxShortString {
		return nil, fmt.Errorf("topic of %d bytes: exchange and routing key hold at most %d each", len(outgoing.Topic),
			maxShortString)
	}
	publishing, size, err := toPublishing(outgoing.Message)
	if err != nil {
		return nil, err
	}
	if err := p.targets.prepare(ctx, exchange, key); err != nil {
		return nil, err
	}
	return &pending{
		exchange: exchange, key: key, mandatory: !p.targets.topology.Optional(exchange, key), publishing: publishing,
		headerBytes: size,
	}, nil
}

// send publishes at most window messages and fills in their errors. What never left the process is sent again on
// the next channel; what left it and was not confirmed is the caller's to publish again.
func (p *publisher) send(ctx context.Context, part []*pending, errs events.PublishErrors) {
	for len(part) > 0 {
		next := &chunk{ctx: ctx, pending: part, written: make(chan struct{})}
		if err := p.hand(ctx, next); err != nil {
			for _, message := range part {
				errs[message.index] = err
			}
			return
		}
		part = p.collect(ctx, next, errs)
	}
}

// hand gives a chunk to the channel's goroutine and waits until it is written.
func (p *publisher) hand(ctx context.Context, next *chunk) error {
	select {
	case p.chunks <- next:
	case <-ctx.Done():
		if err := p.link.ready(); err != nil {
			return fmt.Errorf("%w: %w", err, context.Cause(ctx))
		}
		return fmt.Errorf("wait for the publishing channel: %w", context.Cause(ctx))
	}
	select {
	case <-next.written:
		return nil
	case <-ctx.Done(): // the goroutine can be held up by the network, where no context reaches it
		p.late.Go(func() {
			<-next.written
			for _, message := range next.pending {
				if message.err == nil {
					next.channel.abandon(message)
				}
			}
		})
		return fmt.Errorf("write to the broker: %w", context.Cause(ctx))
	}
}

// collect waits for the confirms of a written chunk and returns what was not written.
func (p *publisher) collect(ctx context.Context, sent *chunk, errs events.PublishErrors) (unwritten []*pending) {
	for _, message := range sent.pending {
		err := message.err
		if errors.Is(err, errUnwritten) {
			unwritten = append(unwritten, message)
			continue
		}
		if err == nil {
			err = sent.channel.outcome(ctx, message)
		}
		if errors.Is(err, events.ErrUnroutable) {
			p.targets.forget(message.exchange, message.key)
		}
		errs[message.index] = err
	}
	return unwritten
}

// Publish is PublishBatch to one topic, within 30 seconds: nil means that every message is confirmed.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	batch := make([]events.Outgoing, len(messages))
	for i, msg := range messages {
		batch[i] = events.Outgoing{Topic: topic, Message: msg}
	}
	return t.PublishBatch(ctx, batch)
}

// PublishBatch implements events.Transport. While the broker is away or blocks publishers it waits, as long as ctx
// lasts. A message whose confirm did not come may be in its queue all the same: publish it again.
func (t *Transport) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		errs := make(events.PublishErrors, len(batch))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
	defer leave()
	return t.publisher.publish(ctx, batch)
}
