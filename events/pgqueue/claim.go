package pgqueue

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// token names one delivery of one message.
type token struct {
	queue      string
	id         int64
	deliveries int32
}

// delivery is a claimed message.
type delivery struct {
	token
	uuid, metadata, payload []byte
	exchange, routingKey    string
}

const sqlClaim = `
SELECT queue, id, deliveries, uuid, metadata, payload, exchange, routing_key FROM pgqueue.claim($1, $2, $3)`

// claim takes up to limit messages from the head of a queue, in order. They stay the transport's until the settler is
// told of them.
func (t *Transport) claim(queue string, limit int) ([]delivery, error) {
	ctx, cancel := operation()
	defer cancel()
	t.settler.claims.RLock()
	defer t.settler.claims.RUnlock()
	rows, err := t.pool.Query(ctx, sqlClaim, queue, limit, t.owner)
	if err != nil {
		return nil, fmt.Errorf("claim messages of %s: %w", queue, err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d delivery, err error) {
		return d, row.Scan(&d.queue, &d.id, &d.deliveries, &d.uuid, &d.metadata, &d.payload, &d.exchange, &d.routingKey)
	})
	if err != nil {
		return nil, fmt.Errorf("claim messages of %s: %w", queue, err)
	}
	slices.SortFunc(claimed, func(a, b delivery) int { return cmp.Compare(a.id, b.id) })
	t.settler.hold(claimed)
	return claimed, nil
}

const sqlForgotten = `
UPDATE pgqueue.messages m SET owner = NULL, deliveries = m.deliveries - 1
WHERE queue = $1 AND owner = $2 AND NOT EXISTS (
    SELECT FROM unnest($3::bigint[], $4::int[]) AS held(id, deliveries)
    WHERE held.id = m.id AND held.deliveries = m.deliveries
)`

// releaseForgotten gives back what a failed claim may have claimed after all: Postgres can commit it and lose the
// connection before it says so.
func (t *Transport) releaseForgotten(queue string) error {
	ctx, cancel := operation()
	defer cancel()
	t.settler.claims.Lock()
	defer t.settler.claims.Unlock()
	ids, deliveries := t.settler.held(queue)
	_, err := t.pool.Exec(ctx, sqlForgotten, pgx.QueryExecModeCacheDescribe, queue, t.owner, ids, deliveries)
	if err != nil {
		return fmt.Errorf("release forgotten claims of %s: %w", queue, err)
	}
	return nil
}
