package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
)

// ErrClosed is what a closed Transport answers.
var ErrClosed = errors.New("the RabbitMQ transport is closed")

// openTimeout is how long Open waits for the broker.
const openTimeout = 15 * time.Second

var (
	_ events.Transport             = (*Transport)(nil)
	_ message.SubscribeInitializer = (*Transport)(nil)
)

// Transport implements events.Transport on RabbitMQ. It is safe for concurrent use.
type Transport struct {
	config   Config
	topology events.Topology
	log      zerolog.Logger

	publish   *link
	consume   *link
	publisher *publisher
	targets   *targets

	running context.Context // ends when Close has waited for what is in hand
	stop    context.CancelFunc
	workers sync.WaitGroup

	mu            sync.Mutex
	closing       chan struct{} // closed when Close begins
	closed        chan struct{} // closed when Close is done
	calls         int           // callers inside the transport
	idle          chan struct{} // while Close waits for calls: closed when there are none
	subscriptions map[*subscription]struct{}
}

// Open connects to the broker, and declares nothing yet. It waits for the broker as long as ctx lasts, at most 15 s;
// a refusal (wrong password, no such vhost) is reported at once. From then on the transport reconnects by itself,
// for ever, until Close.
func Open(ctx context.Context, config Config, topology events.Topology, log zerolog.Logger) (*Transport, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	log = log.With().Str("component", "rabbitmq").Logger()
	t := &Transport{
		config: config, topology: topology, log: log,
		closing: make(chan struct{}), closed: make(chan struct{}), subscriptions: map[*subscription]struct{}{},
	}
	t.publish, t.consume = newLinks(config.URL, log)
	t.running, t.stop = context.WithCancel(context.Background())
	t.targets = newTargets(t.consume, topology)
	t.publisher = &publisher{link: t.publish, log: log, targets: t.targets, chunks: make(chan *chunk)}
	t.workers.Go(func() { t.publish.run(t.running) })
	t.workers.Go(func() { t.consume.run(t.running) })
	t.workers.Go(func() { t.publisher.run(t.running) })

	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	for _, l := range []*link{t.publish, t.consume} {
		if err := l.first(ctx); err != nil {
			_ = t.Close()
			return nil, fmt.Errorf("connect to RABBITMQ_URL (%s): %w", config.redacted(), err)
		}
	}
	return t, nil
}

// enter counts a caller in. Its context ends with the transport's. leave must be called.
func (t *Transport) enter(ctx context.Context) (inside context.Context, leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle != nil || t.running.Err() != nil {
		return nil, nil, ErrClosed
	}
	t.calls++
	inside, cancel := context.WithCancelCause(ctx)
	release := context.AfterFunc(t.running, func() { cancel(ErrClosed) })
	return inside, func() {
		release()
		cancel(nil)
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.calls--; t.calls == 0 && t.idle != nil {
			close(t.idle)
		}
	}, nil
}

// Ready implements events.Transport.
func (t *Transport) Ready(context.Context) error {
	select {
	case <-t.closing:
		return ErrClosed
	default:
	}
	return errors.Join(t.publish.ready(), t.consume.ready())
}

// Close ends all subscriptions and closes the transport. It first waits, up to the configured time, until the
// messages in hand are acked and the publishes in hand confirmed: both still work meanwhile. Messages that nobody
// took are given back to the broker at once, messages that are not acked in time when the connection closes. Close
// is idempotent; a second call waits for the first.
func (t *Transport) Close() error {
	t.mu.Lock()
	select {
	case <-t.closing:
		t.mu.Unlock()
		<-t.closed
		return nil
	default:
	}
	close(t.closing)
	subscriptions := make([]*subscription, 0, len(t.subscriptions))
	for s := range t.subscriptions {
		subscriptions = append(subscriptions, s)
	}
	t.mu.Unlock()
	defer close(t.closed)

	deadline := time.NewTimer(t.config.CloseTimeout)
	defer deadline.Stop()
	settled := make(chan struct{})
	go func() {
		for _, s := range subscriptions {
			s.giveBack()
		}
		for _, s := range subscriptions {
			<-s.settled
		}
		<-t.refuseCalls()
		close(settled)
	}()
	select {
	case <-settled:
	case <-deadline.C:
		t.log.Warn().Msg("closed with messages in hand: the broker will deliver them again")
	}
	t.stop()
	<-settled
	t.workers.Wait()
	t.publisher.late.Wait()
	return nil
}

// refuseCalls lets no new caller in; the channel is closed when the last one has left.
func (t *Transport) refuseCalls() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.idle = make(chan struct{})
	if t.calls == 0 {
		close(t.idle)
	}
	return t.idle
}
