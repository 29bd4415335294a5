package pgqueue

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// pollInterval is how soon a dead process's messages and missed notices are found.
	pollInterval = time.Second
	// expireAtOnce bounds the messages that one transaction takes out of retry queues.
	expireAtOnce = 1000
)

// keeper does what a broker does by itself: it moves what expired, and releases what dead processes held. Every
// transport has one; they do not get in each other's way.
type keeper struct {
	t     *Transport
	early chan struct{} // holds one token when due has moved nearer

	mu  sync.Mutex
	due time.Time // when the next message expires, as far as is known here
}

func newKeeper(t *Transport) *keeper {
	return &keeper{t: t, early: make(chan struct{}, 1)}
}

// run works until the transport closes.
func (k *keeper) run() {
	var polled time.Time
	for {
		if wait := k.wait(polled); wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-k.early:
				timer.Stop()
				continue
			case <-k.t.closing:
				timer.Stop()
				return
			}
		}
		poll := time.Since(polled) >= pollInterval
		if poll {
			polled = time.Now()
		}
		if err := k.round(poll); err != nil {
			k.t.log.Warn().Err(err).Msg("cannot keep the queues")
			k.expect(time.Now().Add(pollInterval))
		}
	}
}

// wait is how long there is nothing to do.
func (k *keeper) wait(polled time.Time) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return min(time.Until(polled.Add(pollInterval)), time.Until(k.due))
}

func (k *keeper) expect(due time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.due = due
}

// expireAfter notes messages that will expire; a TTL of 0 is none.
func (k *keeper) expireAfter(ttls []int64) {
	var shortest int64
	for _, ttl := range ttls {
		if ttl > 0 && (shortest == 0 || ttl < shortest) {
			shortest = ttl
		}
	}
	if shortest == 0 {
		return
	}
	due := time.Now().Add(time.Duration(shortest) * time.Millisecond)
	k.mu.Lock()
	nearer := due.Before(k.due)
	if nearer {
		k.due = due
	}
	k.mu.Unlock()
	if nearer {
		select {
		case k.early <- struct{}{}:
		default:
		}
	}
}

// round moves what expired and, when polling, looks for what nobody announced.
func (k *keeper) round(poll bool) error {
	ctx, cancel := operation()
	defer cancel()
	k.expect(time.Now().Add(pollInterval)) // before looking: what is published from now on is noted by expireAfter
	if err := k.expire(ctx); err != nil {
		return err
	}
	if !poll {
		return nil
	}
	if err := k.reap(ctx); err != nil {
		return err
	}
	return k.look(ctx)
}

const (
	sqlExpired = `
SELECT queue, id, deliveries, routing_key FROM pgqueue.messages
WHERE expires_at <= now() AND owner IS NULL
ORDER BY expires_at, id LIMIT $1
FOR UPDATE SKIP LOCKED`

	sqlNextExpiry = `
SELECT extract(epoch FROM expires_at - now())::float8 FROM pgqueue.messages
WHERE expires_at IS NOT NULL AND owner IS NULL
ORDER BY expires_at LIMIT 1`
)

// expire moves expired messages to where their queue dead-letters them, and notes when the next one expires.
func (k *keeper) expire(ctx context.Context) error {
	for taken := expireAtOnce; taken == expireAtOnce; {
		err := k.t.move(ctx, func(tx pgx.Tx) ([]leaving, error) {
			rows, err := tx.Query(ctx, sqlExpired, pgx.QueryExecModeCacheDescribe, expireAtOnce)
			if err != nil {
				return nil, err
			}
			expired, err := collectLeaving(rows, true)
			taken = len(expired)
			return expired, err
		})
		if err != nil {
			return fmt.Errorf("move expired messages: %w", err)
		}
	}
	rows, err := k.t.pool.Query(ctx, sqlNextExpiry, pgx.QueryExecModeCacheDescribe)
	if err != nil {
		return fmt.Errorf("find the next message to expire: %w", err)
	}
	seconds, err := pgx.CollectRows(rows, pgx.RowTo[float64])
	if err != nil {
		return fmt.Errorf("find the next message to expire: %w", err)
	}
	if len(seconds) == 1 {
		k.expectWithin(time.Duration(seconds[0]*float64(time.Second)) + time.Millisecond)
	}
	return nil
}

// expectWithin moves due nearer, never away.
func (k *keeper) expectWithin(wait time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if due := time.Now().Add(max(wait, time.Millisecond)); due.Before(k.due) {
		k.due = due
	}
}

const (
	// Whoever gets a lock that a living transport would hold may bury it. CASE keeps us from our own, which is free
	// for a moment while our session connects again.
	sqlDead = `
SELECT id FROM pgqueue.owners WHERE CASE WHEN id = $2 THEN false ELSE pg_try_advisory_xact_lock($1, id) END`

	// The row goes first: a claim of the dead that is under way locks it and is waited for.
	sqlBury = `DELETE FROM pgqueue.owners WHERE id = ANY($1)`

	sqlOrphans = `
UPDATE pgqueue.messages SET owner = NULL WHERE owner = ANY($1) RETURNING queue, id, deliveries, routing_key`
)

// reap releases what transports held whose session is gone.
func (k *keeper) reap(ctx context.Context) error {
	err := k.t.move(ctx, func(tx pgx.Tx) ([]leaving, error) {
		rows, err := tx.Query(ctx, sqlDead, lockClass, k.t.owner)
		if err != nil {
			return nil, err
		}
		dead, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil || len(dead) == 0 {
			return nil, err
		}
		if _, err := tx.Exec(ctx, sqlBury, dead); err != nil {
			return nil, err
		}
		if rows, err = tx.Query(ctx, sqlOrphans, pgx.QueryExecModeCacheDescribe, dead); err != nil {
			return nil, err
		}
		orphans, err := collectLeaving(rows, false)
		k.t.log.Info().Ints32("dead", dead).Int("messages", len(orphans)).Msg("released what dead processes held")
		return orphans, err
	})
	if err != nil {
		return fmt.Errorf("release dead processes' messages: %w", err)
	}
	return nil
}

const sqlWaiting = `
SELECT name FROM unnest($1::text[]) AS name
WHERE EXISTS (SELECT FROM pgqueue.messages WHERE queue = name AND owner IS NULL)`

// look wakes consumers whose queue has messages, in case that a notice was missed.
func (k *keeper) look(ctx context.Context) error {
	queues := k.t.consumers.queues()
	if len(queues) == 0 {
		return nil
	}
	rows, err := k.t.pool.Query(ctx, sqlWaiting, pgx.QueryExecModeCacheDescribe, queues)
	if err != nil {
		return fmt.Errorf("look for messages: %w", err)
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for messages: %w", err)
	}
	k.t.wake(waiting)
	return nil
}
