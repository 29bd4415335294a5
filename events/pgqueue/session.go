package pgqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// lockClass is the first key of the advisory locks on transports' ids; the second is the id.
const lockClass = 0x70677175 // "pgqu"

// The channels of NOTIFY. A queue's notice is `<owner>:<queue>`: the transport that published needs none.
const (
	queueChannel    = "pgqueue_queue"
	topologyChannel = "pgqueue_topology"
)

const connectTimeout = 10 * time.Second

var errHeld = errors.New("the lock is still with the connection that was lost")

// session is the transport's own connection: for as long as it lives, the transport's claims hold. It also hears what
// other transports announce.
type session struct {
	t      *Transport
	ctx    context.Context // ends with interrupt
	cancel context.CancelFunc

	mu   sync.Mutex
	conn *pgx.Conn // nil while down
	err  error     // why
}

func newSession(t *Transport) *session {
	ctx, cancel := context.WithCancel(context.Background())
	return &session{t: t, ctx: ctx, cancel: cancel}
}

// start makes the first connection.
func (s *session) start(ctx context.Context) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	s.conn = conn
	return nil
}

// connect takes the lock first: a row in owners whose lock is free is fair game.
func (s *session) connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, s.t.pool.Config().ConnConfig)
	if err != nil {
		return nil, err
	}
	if err := s.register(ctx, conn); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return conn, nil
}

func (s *session) register(ctx context.Context, conn *pgx.Conn) error {
	var locked bool
	err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, lockClass, s.t.owner).Scan(&locked)
	if err == nil && !locked {
		err = errHeld
	}
	if err != nil {
		return fmt.Errorf("lock the transport's id: %w", err)
	}
	if _, err := conn.Exec(ctx, `INSERT INTO pgqueue.owners VALUES ($1) ON CONFLICT DO NOTHING`, s.t.owner); err != nil {
		return fmt.Errorf("register the transport: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+queueChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if _, err := conn.Exec(ctx, "LISTEN "+topologyChannel); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// listen handles notices and connects again, until interrupt.
func (s *session) listen() {
	for s.ctx.Err() == nil {
		err := s.hear()
		if s.ctx.Err() != nil {
			return
		}
		s.t.log.Warn().Err(err).Msg("connection lost")
		s.lost(err)
		s.reconnect()
	}
}

// hear handles notices until the connection fails.
func (s *session) hear() error {
	for {
		notice, err := s.conn.WaitForNotification(s.ctx)
		if err != nil {
			return err
		}
		if notice.Channel == topologyChannel {
			s.t.router.changed()
			continue
		}
		if by, queue, ok := strings.Cut(notice.Payload, ":"); ok && by != strconv.Itoa(int(s.t.owner)) {
			s.t.consumers.wake(queue)
		}
	}
}

func (s *session) lost(err error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	_ = s.conn.Close(ctx) // it has failed already
	s.mu.Lock()
	s.conn, s.err = nil, err
	s.mu.Unlock()
}

func (s *session) reconnect() {
	for failures := 0; ; failures++ {
		conn, err := s.connect(s.ctx)
		s.mu.Lock()
		s.conn, s.err = conn, err
		s.mu.Unlock()
		if err == nil {
			break
		}
		if !s.t.pause(failures) {
			return
		}
	}
	s.t.log.Info().Msg("connected again")
	s.t.router.changed() // notices were missed
	s.t.consumers.wakeAll()
}

// down says why the session is down; nil when it is up.
func (s *session) down() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// interrupt ends listen.
func (s *session) interrupt() { s.cancel() }

// end closes the connection. A clean end says that no claim is left: nobody need look for one.
func (s *session) end(ctx context.Context, clean bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil // what is left will be found once the lock is free
	}
	var err error
	if clean {
		_, err = s.conn.Exec(ctx, `DELETE FROM pgqueue.owners WHERE id = $1`, s.t.owner)
	}
	if err = errors.Join(err, s.conn.Close(ctx)); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}
