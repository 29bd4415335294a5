package pgqueue

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// fate says how far a released message had come.
type fate int32

const (
	handedOut fate = 0 // the delivery counts
	untouched fate = 1 // nobody saw it: the delivery is taken back
)

// settler tells Postgres what became of claims, everything at once that came up meanwhile.
type settler struct {
	t       *Transport
	claims  sync.RWMutex // held for reading from a claim to hold, so that a writer knows of every claim
	changed chan struct{}
	stop    chan struct{}
	stopped chan struct{}

	mu       sync.Mutex
	open     map[token]struct{} // claims that Postgres was told nothing of
	acks     []token
	releases map[token]fate
}

func newSettler(t *Transport) *settler {
	return &settler{
		t: t, changed: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
		open: map[token]struct{}{}, releases: map[token]fate{},
	}
}

func (s *settler) start() {
	go func() {
		defer close(s.stopped)
		s.run()
	}()
}

// run settles until finish. It outlives closing: what ends by it is settled last.
func (s *settler) run() {
	for {
		select {
		case <-s.changed:
		case <-s.stop:
			return
		}
		for failures := 0; ; failures++ {
			ctx, cancel := operation()
			err := s.flush(ctx)
			cancel()
			if err == nil {
				break
			}
			s.t.log.Warn().Err(err).Msg("cannot settle")
			if !s.t.pause(failures) {
				break // finish tries once more
			}
		}
	}
}

// finish settles what is left.
func (s *settler) finish(ctx context.Context) error {
	close(s.stop)
	<-s.stopped
	return s.flush(ctx)
}

// hold notes claims.
func (s *settler) hold(claimed []delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range claimed {
		s.open[d.token] = struct{}{}
	}
}

// held lists a queue's claims that Postgres was told nothing of.
func (s *settler) held(queue string) (ids []int64, deliveries []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for tok := range s.open {
		if tok.queue == queue {
			ids, deliveries = append(ids, tok.id), append(deliveries, tok.deliveries)
		}
	}
	return ids, deliveries
}

// ack has a message deleted.
func (s *settler) ack(tok token) {
	s.mu.Lock()
	s.acks = append(s.acks, tok)
	s.mu.Unlock()
	s.signal()
}

// release has a message delivered again.
func (s *settler) release(tok token, how fate) {
	s.mu.Lock()
	s.releases[tok] = how
	s.mu.Unlock()
	s.signal()
}

func (s *settler) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// flush writes what has come up; on an error it comes up again. It is called by one goroutine at a time.
func (s *settler) flush(ctx context.Context) error {
	s.mu.Lock()
	acks, releases := s.acks, s.releases
	s.acks, s.releases = nil, map[token]fate{}
	s.mu.Unlock()
	if err := s.t.delete(ctx, acks); err != nil {
		s.again(acks, releases)
		return err
	}
	s.forget(acks)
	if err := s.t.release(ctx, releases); err != nil {
		s.again(nil, releases)
		return err
	}
	for tok := range releases {
		s.forget([]token{tok})
	}
	return nil
}

func (s *settler) again(acks []token, releases map[token]fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acks = append(acks, s.acks...)
	for tok, how := range releases {
		s.releases[tok] = how
	}
}

func (s *settler) forget(settled []token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, tok := range settled {
		delete(s.open, tok)
	}
}

const sqlDelete = `
DELETE FROM pgqueue.messages m
USING unnest($1::text[], $2::bigint[], $3::int[]) AS acked(queue, id, deliveries)
WHERE m.queue = acked.queue AND m.id = acked.id AND m.deliveries = acked.deliveries`

// delete deletes acked messages. An ack that comes after the message was given to somebody else does nothing.
func (t *Transport) delete(ctx context.Context, acked []token) error {
	if len(acked) == 0 {
		return nil
	}
	queues, ids, deliveries := columns(acked)
	_, err := t.pool.Exec(ctx, sqlDelete, pgx.QueryExecModeCacheDescribe, queues, ids, deliveries)
	if err != nil {
		return fmt.Errorf("ack %d messages: %w", len(acked), err)
	}
	return nil
}

func columns(tokens []token) (queues []string, ids []int64, deliveries []int32) {
	for _, tok := range tokens {
		queues, ids, deliveries = append(queues, tok.queue), append(ids, tok.id), append(deliveries, tok.deliveries)
	}
	return queues, ids, deliveries
}
