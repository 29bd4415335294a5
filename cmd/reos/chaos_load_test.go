package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

const (
	inFlightAtFault = 5000 // events that are published and not finished when a fault strikes
	inFlightAim     = 8000
	confirmPatience = 30 * time.Second
)

// load publishes a stream as an upstream should, until every event is confirmed, and keeps so many events in flight. It
// counts in progress what is finished, with a connection of its own.
type load struct {
	world  *world
	stream *stream

	turn      sync.Mutex // held while a block is published
	mu        sync.Mutex
	confirmed map[uuid.UUID]bool
	messages  int // confirmed ones, duplicates too
	finished  int
	paused    bool
	failure   error // a defect of the run, not an outage

	conn    *amqp.Connection
	channel *amqp.Channel
	returns chan amqp.Return
}

func newLoad(w *world, s *stream) *load {
	return &load{world: w, stream: s, confirmed: map[uuid.UUID]bool{}, paused: true}
}

// start publishes and counts until the test ends.
func (l *load) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	both.Go(func() { l.publishFor(ctx) })
	both.Go(func() { l.countFor(ctx) })
	l.world.t.Cleanup(func() {
		cancel()
		both.Wait()
	})
}

func (l *load) publishFor(ctx context.Context) {
	defer l.hangUp()
	for ctx.Err() == nil {
		l.turn.Lock()
		wanted := l.wanted()
		if wanted > 0 {
			l.publish(ctx, l.stream.blocks(wanted))
		}
		l.turn.Unlock()
		if wanted <= 0 {
			pause(ctx, 20*time.Millisecond)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// wanted is how many events are missing in flight. They are all sent before the first confirm is waited for: a publisher
// that waits more often is slower than the workers.
func (l *load) wanted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused {
		return 0
	}
	return inFlightAim - (len(l.confirmed) - l.finished)
}

// resume lets the load publish.
func (l *load) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = false
}

// finish ends publishing: everything that was made is confirmed when it returns.
func (l *load) finish() {
	l.mu.Lock()
	l.paused = true
	l.mu.Unlock()
	l.turn.Lock()
	defer l.turn.Unlock()
	l.publish(context.Background(), l.stream.rest())
}

// publish sends events until each is confirmed. What was not may be in its queue all the same: it is sent twice then.
func (l *load) publish(ctx context.Context, block []*fact) {
	for len(block) > 0 && ctx.Err() == nil {
		if err := l.connect(); err != nil {
			pause(ctx, 200*time.Millisecond)
			continue
		}
		block = l.send(block)
		if len(block) > 0 {
			l.hangUp()
		}
	}
}

func (l *load) connect() error {
	if l.channel != nil {
		return nil
	}
	conn, err := amqp.DialConfig(l.world.rabbit, amqp.Config{Heartbeat: 10 * time.Second, Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		_ = conn.Close()
		return err
	}
	l.conn, l.channel, l.returns = conn, channel, channel.NotifyReturn(make(chan amqp.Return, 2*inFlightAim))
	return nil
}

func (l *load) hangUp() {
	if l.conn != nil {
		_ = l.conn.CloseDeadline(time.Now().Add(time.Second))
	}
	l.conn, l.channel = nil, nil
}

// send publishes events on the open channel and returns those that were not confirmed.
func (l *load) send(block []*fact) (rest []*fact) {
	confirms := make([]*amqp.DeferredConfirmation, len(block))
	for i, event := range block {
		confirm, err := l.channel.PublishWithDeferredConfirm(l.world.topology.Intake(),
			event.tenant.String()+"."+event.eventType(), true, false, event.publishing())
		if err != nil {
			break // the connection is lost
		}
		confirms[i] = confirm
	}
	patience, cancel := context.WithTimeout(context.Background(), confirmPatience)
	defer cancel()
	for i, confirm := range confirms {
		if confirm == nil {
			rest = append(rest, block[i])
			continue
		}
		select {
		case <-confirm.Done():
		case <-patience.Done():
		}
		if !confirm.Acked() {
			rest = append(rest, block[i])
			continue
		}
		l.accept(block[i])
	}
	select {
	case returned, ok := <-l.returns:
		if ok {
			l.fail(fmt.Errorf("the broker returned an event for %s: %s", returned.RoutingKey, returned.ReplyText))
		}
	default:
	}
	return rest
}

func (f *fact) publishing() amqp.Publishing {
	return amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: f.id.String(), Body: f.body,
		Headers: amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": f.id.String(), "cloudEvents:source": "chaos",
			"cloudEvents:type": f.eventType(), "cloudEvents:tenantid": f.tenant.String(), "cloudEvents:subject": f.key,
			"cloudEvents:sequence": strconv.FormatInt(f.version.Sequence, 10),
		},
	}
}

func (l *load) accept(event *fact) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed[event.id] = true
	l.messages++
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = errors.Join(l.failure, err)
}

// countFor counts finished events. While Postgres is away, the last count stands.
func (l *load) countFor(ctx context.Context) {
	var conn *pgx.Conn
	for ctx.Err() == nil {
		pause(ctx, 200*time.Millisecond)
		var err error
		if conn == nil {
			if conn, err = pgx.Connect(ctx, l.world.admin); err != nil {
				conn = nil
				continue
			}
		}
		var finished int
		if err = conn.QueryRow(ctx, "SELECT count(*) FROM progress WHERE finished_at IS NOT NULL").Scan(&finished); err != nil {
			_ = conn.Close(ctx)
			conn = nil
			continue
		}
		l.mu.Lock()
		l.finished = finished
		l.mu.Unlock()
	}
	if conn != nil {
		_ = conn.Close(context.Background())
	}
}

// state tells how many different events are confirmed, and how many of them are finished.
func (l *load) state() (confirmed, finished int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.confirmed), l.finished
}

// inFlight counts what is confirmed and not finished.
func (l *load) inFlight() int {
	confirmed, finished := l.state()
	return confirmed - finished
}

// awaitProgress waits until so many more events are finished.
func (l *load) awaitProgress(t *testing.T, more int) {
	t.Helper()
	_, before := l.state()
	require.Eventually(t, func() bool {
		_, now := l.state()
		return now >= before+more
	}, recoveryPatience, 50*time.Millisecond, "the workers do not go on")
}

// awaitInFlight waits until enough events are in flight for a fault.
func (l *load) awaitInFlight(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recoveryPatience)
	defer cancel()
	for l.inFlight() < inFlightAtFault {
		pause(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("%d events in flight after %s, not %d", l.inFlight(), recoveryPatience, inFlightAtFault)
		}
	}
	return nil
}
