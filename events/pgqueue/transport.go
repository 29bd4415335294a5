package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// operationTimeout bounds one statement or transaction: beyond it the connection is given up.
	operationTimeout = 15 * time.Second
	// closeTimeout bounds what Close waits for Postgres.
	closeTimeout = 10 * time.Second

	retryPauseMin = 50 * time.Millisecond
	retryPauseMax = time.Second
)

var errClosed = errors.New("the transport is closed")

// Transport is one process's access to the queues. It implements events.Transport and is safe for concurrent use.
//
// It works on the pool, which stays the caller's and must outlive it, and holds one connection beside it.
type Transport struct {
	pool     *pgxpool.Pool
	topology events.Topology
	log      zerolog.Logger
	owner    int32 // its id in pgqueue.owners

	session   *session
	router    *router
	publisher *publisher
	settler   *settler
	keeper    *keeper
	consumers consumers
	uncertain atomic.Bool // a claim may have been made that nobody here knows of

	mu      sync.Mutex // guards closed against running
	closed  bool
	closing chan struct{}
	running sync.WaitGroup // everything that ends by itself when closing is closed
	close   func() error   // once
}

var _ events.Transport = (*Transport)(nil)

// Open starts a transport on a migrated database. The context bounds opening only.
func Open(ctx context.Context, pool *pgxpool.Pool, topology events.Topology, log zerolog.Logger) (*Transport, error) {
	t := &Transport{
		pool: pool, topology: topology, log: log.With().Str("transport", "pgqueue").Logger(),
		closing: make(chan struct{}),
	}
	if err := pool.QueryRow(ctx, `SELECT nextval('pgqueue.owner_id')`).Scan(&t.owner); err != nil {
		return nil, fmt.Errorf("open the queues in Postgres: %w", err)
	}
	t.log = t.log.With().Int32("owner", t.owner).Logger()
	t.router = &router{topology: topology}
	if err := t.router.load(ctx, pool); err != nil {
		return nil, err
	}
	t.session = newSession(t)
	if err := t.session.start(ctx); err != nil {
		return nil, fmt.Errorf("open the queues in Postgres: %w", err)
	}
	t.publisher, t.settler, t.keeper = newPublisher(t), newSettler(t), newKeeper(t)
	t.close = sync.OnceValue(t.shutDown)
	t.running.Go(t.session.listen)
	t.running.Go(t.publisher.run)
	t.running.Go(t.keeper.run)
	t.settler.start()
	return t, nil
}

// Publish publishes messages to one topic; see PublishBatch.
func (t *Transport) Publish(topic string, messages ...*message.Message) error {
	batch := make([]events.Outgoing, len(messages))
	for i, msg := range messages {
		batch[i] = events.Outgoing{Topic: topic, Message: msg}
	}
	return t.PublishBatch(context.Background(), batch)
}

// PublishBatch implements events.Transport. Everything that is published at one moment shares a commit. When ctx ends
// first, messages reported as failed may still arrive.
func (t *Transport) PublishBatch(ctx context.Context, batch []events.Outgoing) error {
	return t.publisher.publish(ctx, batch)
}

// Subscribe delivers a queue's messages until ctx ends or the transport is closed; the queue is made if there is none.
// Up to prefetch messages are in flight before the first is settled. A message's context outlives ctx: it ends when
// the message is settled or the transport closed.
func (t *Transport) Subscribe(ctx context.Context, queue string) (<-chan *message.Message, error) {
	if err := checkName(queue); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	if err := t.ensureQueue(ctx, queue); err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", queue, err)
	}
	c := newConsumer(ctx, t, queue)
	t.consumers.add(c)
	if !t.start(c.run) {
		t.consumers.remove(c)
		return nil, errClosed
	}
	return c.out, nil
}

func (t *Transport) isClosing() bool {
	select {
	case <-t.closing:
		return true
	default:
		return false
	}
}

// start runs work that ends by itself when closing is closed. It reports false when that has happened.
func (t *Transport) start(work func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.running.Go(work)
	return true
}

// Ready implements events.Transport.
func (t *Transport) Ready(ctx context.Context) error {
	if t.isClosing() {
		return errClosed
	}
	if err := t.session.down(); err != nil {
		return fmt.Errorf("the connection to Postgres is down: %w", err)
	}
	if err := t.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping Postgres: %w", err)
	}
	return nil
}

// Close ends all subscriptions, settles what was acked or nacked, and gives back what was not. It is idempotent. An
// error means that Postgres could not be told; it will find out by itself.
func (t *Transport) Close() error { return t.close() }

func (t *Transport) shutDown() error {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	close(t.closing)
	t.session.interrupt()
	t.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := t.settler.finish(ctx)
	return errors.Join(err, t.session.end(ctx, err == nil && !t.uncertain.Load()))
}

// wake makes the consumers of queues look for messages.
func (t *Transport) wake(queues []string) {
	for _, queue := range queues {
		t.consumers.wake(queue)
	}
}

// pause waits before a failed operation is tried again, longer each time. It reports false when the transport closes.
func (t *Transport) pause(failures int) bool {
	timer := time.NewTimer(min(retryPauseMin<<min(failures, 8), retryPauseMax))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.closing:
		return false
	}
}

// operation bounds a call of Postgres. It does not end with the transport: what was begun is brought to an end that
// is known.
func operation() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), operationTimeout)
}
