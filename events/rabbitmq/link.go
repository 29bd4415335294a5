package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"
)

const (
	firstPause = 100 * time.Millisecond
	longPause  = 10 * time.Second
	steadyTime = 30 * time.Second // a connection that lasted this long was a success
)

// link holds a connection to the broker and replaces it whenever it is lost, until run's context ends.
type link struct {
	purpose string // publish or consume
	url     string
	log     zerolog.Logger

	mu      sync.Mutex
	current *connection   // nil while there is none
	since   time.Time     // of there being none
	cause   error         // of there being none
	changed chan struct{} // closed, and made anew, at every change of the above

	hint  chan struct{} // holds a sign that the broker is there: it ends the pause before the next attempt
	other *link         // gets a hint from every success of this one
}

// newLinks makes a link for publishing and one for consuming.
func newLinks(url string, log zerolog.Logger) (publish, consume *link) {
	publish, consume = newLink("publish", url, log), newLink("consume", url, log)
	publish.other, consume.other = consume, publish
	return publish, consume
}

func newLink(purpose, url string, log zerolog.Logger) *link {
	return &link{
		purpose: purpose, url: url, log: log.With().Str("connection", purpose).Logger(),
		since: time.Now(), cause: errors.New("not connected yet"), changed: make(chan struct{}),
		hint: make(chan struct{}, 1),
	}
}

// run connects, for ever again, and hangs up when ctx ends.
func (l *link) run(ctx context.Context) {
	var pause backoff
	for ctx.Err() == nil {
		conn, err := dial(ctx, l.url, connectionName(l.purpose))
		if err != nil {
			l.set(nil, err)
			l.log.Warn().Err(err).Msg("connect to the broker")
		} else {
			began := time.Now()
			l.set(conn, nil)
			l.log.Debug().Msg("connected to the broker")
			select {
			case l.other.hint <- struct{}{}:
			default:
			}
			l.follow(ctx, conn)
			if time.Since(began) > steadyTime {
				pause = backoff{}
			}
		}
		pause.sleepUnless(ctx, l.hint)
	}
}

// follow waits for the end of a connection, or brings it about.
func (l *link) follow(ctx context.Context, conn *connection) {
	select {
	case <-conn.lost:
		l.set(nil, conn.cause)
		l.log.Warn().Err(conn.cause).Msg("lost the connection to the broker")
	case <-ctx.Done():
		l.set(nil, ErrClosed)
		conn.hangUp()
	}
}

func (l *link) set(conn *connection, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && conn == nil {
		l.since = time.Now()
	}
	l.current, l.cause = conn, cause
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *link) state() (conn *connection, changed <-chan struct{}, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.changed, l.cause
}

// connection waits for a connection as long as ctx lasts. The connection may be lost again at any time.
func (l *link) connection(ctx context.Context) (*connection, error) {
	for {
		conn, changed, _ := l.state()
		if conn != nil {
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", l.down(), context.Cause(ctx))
		}
	}
}

// first waits for the first connection; it gives up early where the broker says that trying again is no use.
func (l *link) first(ctx context.Context) error {
	for {
		conn, changed, cause := l.state()
		var refusal *amqp.Error
		if conn != nil {
			return nil
		}
		if errors.As(cause, &refusal) && (refusal.Code == amqp.AccessRefused || refusal.Code == amqp.NotAllowed) {
			return cause
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cause
		}
	}
}

// ready is nil where there is a connection and the broker takes messages from it.
func (l *link) ready() error {
	conn, _, _ := l.state()
	if conn == nil {
		return l.down()
	}
	if reason, _ := conn.blocked(); reason != "" {
		return fmt.Errorf("the broker blocks publishers: %s", reason)
	}
	return nil
}

// down describes the lack of a connection.
func (l *link) down() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Errorf("no %s connection to the broker since %s: %w", l.purpose,
		l.since.UTC().Format(time.RFC3339), l.cause)
}

// backoff paces attempts: from firstPause, doubling up to longPause, with jitter so that workers do not come back
// in step.
type backoff struct{ attempts int }

// sleep pauses, or returns early when ctx ends.
func (b *backoff) sleep(ctx context.Context) { b.sleepUnless(ctx, nil) }

// sleepUnless also returns early on a hint.
func (b *backoff) sleepUnless(ctx context.Context, hint <-chan struct{}) {
	pause := min(firstPause<<min(b.attempts, 10), longPause)
	b.attempts++
	timer := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // jitter needs no secrecy
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hint:
	case <-ctx.Done():
	}
}
