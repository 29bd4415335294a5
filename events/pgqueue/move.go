package pgqueue

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// leaving is a message that may have to leave its queue. Its row is locked by the transaction at work.
type leaving struct {
	queue      string
	id         int64
	deliveries int
	routingKey string
	expired    bool
}

// collectLeaving reads rows of queue, id, deliveries and routing key.
func collectLeaving(rows pgx.Rows, expired bool) ([]leaving, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (leaving, error) {
		l := leaving{expired: expired}
		return l, row.Scan(&l.queue, &l.id, &l.deliveries, &l.routingKey)
	})
}

const sqlRelease = `
UPDATE pgqueue.messages m SET owner = NULL, deliveries = m.deliveries - given.back
FROM unnest($1::text[], $2::bigint[], $3::int[], $4::int[]) AS given(queue, id, deliveries, back)
WHERE m.queue = given.queue AND m.id = given.id AND m.deliveries = given.deliveries AND m.owner = $5
RETURNING m.queue, m.id, m.deliveries, m.routing_key`

// release gives messages back to their queues, or to the dead letters those that were handed out too often.
func (t *Transport) release(ctx context.Context, releases map[token]fate) error {
	if len(releases) == 0 {
		return nil
	}
	tokens := slices.Collect(maps.Keys(releases))
	queues, ids, deliveries := columns(tokens)
	back := make([]int32, len(tokens))
	for i, tok := range tokens {
		back[i] = int32(releases[tok])
	}
	err := t.move(ctx, func(tx pgx.Tx) ([]leaving, error) {
		rows, err := tx.Query(ctx, sqlRelease, pgx.QueryExecModeCacheDescribe, queues, ids, deliveries, back, t.owner)
		if err != nil {
			return nil, err
		}
		return collectLeaving(rows, false)
	})
	if err != nil {
		return fmt.Errorf("release %d messages: %w", len(releases), err)
	}
	return nil
}

// move finds messages and sends on those that must not stay, in one transaction. The queues that gained messages are
// woken after it, those that found kept theirs in included.
func (t *Transport) move(ctx context.Context, find func(pgx.Tx) ([]leaving, error)) error {
	var gained []string
	err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error {
		found, err := find(tx)
		if err != nil || len(found) == 0 {
			return err
		}
		moves := moves{}
		lookup := &lookup{router: t.router, db: tx}
		for _, l := range found {
			if err := moves.add(ctx, lookup, l); err != nil {
				return err
			}
		}
		gained, err = moves.write(ctx, tx, t.owner)
		return err
	})
	if err != nil {
		return err
	}
	t.wake(gained)
	return nil
}

// moves are the rows to write, as columns.
type moves struct {
	queues        []string
	ids           []int64
	targets       []string
	exchanges     []string
	keys          []string
	ttls          []int64
	stuckQueues   []string // messages that have expired and have nowhere to go
	stuckIDs      []int64
	stayingQueues []string
}

// add decides whether a message leaves its queue, and where to.
//
// Invariant 5: a message that has nowhere to go stays.
func (m *moves) add(ctx context.Context, lookup *lookup, l leaving) error {
	queue, err := lookup.queue(ctx, l.queue)
	if err != nil {
		return err
	}
	if !l.expired && (queue.DeliveryLimit == 0 || l.deliveries <= queue.DeliveryLimit) {
		m.stayingQueues = append(m.stayingQueues, l.queue)
		return nil
	}
	key := queue.DeadLetterKey
	if key == "" {
		key = l.routingKey
	}
	way, err := lookup.route(ctx, address{queue.DeadLetterTo, key})
	if err != nil {
		return err
	}
	for _, target := range way.queues {
		definition, err := lookup.queue(ctx, target)
		if err != nil {
			return err
		}
		m.queues, m.ids, m.targets = append(m.queues, l.queue), append(m.ids, l.id), append(m.targets, target)
		m.exchanges, m.keys = append(m.exchanges, queue.DeadLetterTo), append(m.keys, key)
		m.ttls = append(m.ttls, definition.TTL.Milliseconds())
	}
	switch {
	case len(way.queues) > 0:
	case l.expired:
		m.stuckQueues, m.stuckIDs = append(m.stuckQueues, l.queue), append(m.stuckIDs, l.id)
	default:
		m.stayingQueues = append(m.stayingQueues, l.queue)
	}
	return nil
}

const (
	sqlMove = `
WITH moves AS (
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[])
        AS v(queue, id, target, exchange, routing_key, ttl_ms)
), gone AS (
    DELETE FROM pgqueue.messages m USING (SELECT DISTINCT queue, id FROM moves) v
    WHERE m.queue = v.queue AND m.id = v.id
    RETURNING m.queue, m.id, m.uuid, m.metadata, m.payload
)
INSERT INTO pgqueue.messages (queue, expires_at, exchange, routing_key, uuid, metadata, payload)
SELECT v.target, CASE WHEN v.ttl_ms > 0 THEN now() + v.ttl_ms * interval '1 ms' END, v.exchange, v.routing_key,
    gone.uuid, gone.metadata, gone.payload
FROM gone JOIN moves v ON v.queue = gone.queue AND v.id = gone.id
ORDER BY gone.id`

	// An expired message that has nowhere to go is tried again later.
	sqlPostpone = `
UPDATE pgqueue.messages m SET expires_at = now() + interval '10 s'
FROM unnest($1::text[], $2::bigint[]) AS v(queue, id)
WHERE m.queue = v.queue AND m.id = v.id`

	sqlNotify = `SELECT pg_notify('` + queueChannel + `', $2::int || ':' || queue) FROM unnest($1::text[]) AS queue`
)

// write moves the messages and announces the queues that have something to deliver.
func (m *moves) write(ctx context.Context, tx pgx.Tx, owner int32) ([]string, error) {
	if len(m.ids) > 0 {
		_, err := tx.Exec(ctx, sqlMove, pgx.QueryExecModeCacheDescribe,
			m.queues, m.ids, m.targets, m.exchanges, m.keys, m.ttls)
		if err != nil {
			return nil, fmt.Errorf("move %d messages: %w", len(m.ids), err)
		}
	}
	if len(m.stuckIDs) > 0 {
		if _, err := tx.Exec(ctx, sqlPostpone, pgx.QueryExecModeCacheDescribe, m.stuckQueues, m.stuckIDs); err != nil {
			return nil, fmt.Errorf("postpone %d messages: %w", len(m.stuckIDs), err)
		}
	}
	gained := distinct(append(slices.Clone(m.targets), m.stayingQueues...))
	if len(gained) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, sqlNotify, gained, owner); err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	return gained, nil
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
