package pgqueue

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// Declaring transports take turns.
	sqlDeclareLock = `SELECT pg_advisory_xact_lock($1, 0)`

	sqlExchanges = `
INSERT INTO pgqueue.exchanges (name, kind, alternate)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT (name) DO UPDATE SET kind = EXCLUDED.kind, alternate = EXCLUDED.alternate`

	sqlQueues = `
INSERT INTO pgqueue.queues (name, ttl_ms, dead_letter_to, dead_letter_key, delivery_limit)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::int[])
ON CONFLICT (name) DO UPDATE SET ttl_ms = EXCLUDED.ttl_ms, dead_letter_to = EXCLUDED.dead_letter_to,
    dead_letter_key = EXCLUDED.dead_letter_key, delivery_limit = EXCLUDED.delivery_limit`

	sqlBindings = `
INSERT INTO pgqueue.bindings (exchange, pattern, queue)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING`

	sqlUnbind = `
DELETE FROM pgqueue.bindings b USING unnest($1::text[], $2::text[], $3::text[]) AS gone(exchange, pattern, queue)
WHERE (b.exchange, b.pattern, b.queue) = (gone.exchange, gone.pattern, gone.queue)`

	sqlUnbindQueues = `DELETE FROM pgqueue.bindings WHERE queue = ANY ($1)`

	sqlQueue = `INSERT INTO pgqueue.queues (name) VALUES ($1) ON CONFLICT DO NOTHING`

	sqlAnnounce = `SELECT pg_notify('` + topologyChannel + `', '')`
)

// Declare implements events.Transport.
func (t *Transport) Declare(ctx context.Context) error {
	err := t.change(ctx, func(batch *pgx.Batch) {
		batch.Queue(sqlDeclareLock, lockClass)
		queueExchanges(batch, t.topology.Exchanges())
		queueQueues(batch, t.topology.Queues())
		queueBindings(batch, sqlBindings, t.topology.Bindings())
		retired := t.topology.Retired()
		batch.Queue(sqlUnbindQueues, retired)
		batch.Queue(sqlRemoveQueues, retired)
		batch.Queue(sqlRemoveMessages, retired)
	})
	if err != nil {
		return fmt.Errorf("declare the topology: %w", err)
	}
	return nil
}

// BindTenant implements events.Transport. The topology must have been declared.
func (t *Transport) BindTenant(ctx context.Context, tenant uuid.UUID, lane string) error {
	err := t.change(ctx, func(batch *pgx.Batch) { queueBindings(batch, sqlBindings, t.topology.TenantBindings(tenant, lane)) })
	if err != nil {
		return fmt.Errorf("bind tenant %s to lane %s: %w", tenant, lane, err)
	}
	return nil
}

// MoveTenant implements events.Transport. It is one transaction: nobody sees the tenant in two lanes.
func (t *Transport) MoveTenant(ctx context.Context, tenant uuid.UUID, to string, from []string) error {
	var gone []events.Binding
	for _, lane := range from {
		if lane != to {
			gone = append(gone, t.topology.LaneBinding(tenant, lane))
		}
	}
	err := t.change(ctx, func(batch *pgx.Batch) {
		queueBindings(batch, sqlBindings, t.topology.TenantBindings(tenant, to))
		queueBindings(batch, sqlUnbind, gone)
	})
	if err != nil {
		return fmt.Errorf("move tenant %s to lane %s: %w", tenant, to, err)
	}
	return nil
}

const (
	sqlRemoveQueues   = `DELETE FROM pgqueue.queues WHERE name = ANY ($1)`
	sqlRemoveMessages = `DELETE FROM pgqueue.messages WHERE queue = ANY ($1)`
)

// RemoveTenant implements events.Transport.
func (t *Transport) RemoveTenant(ctx context.Context, tenant uuid.UUID, lanes []string) error {
	gone := t.topology.TenantBindings(tenant, events.BulkLane)
	for _, lane := range lanes {
		gone = append(gone, t.topology.LaneBinding(tenant, lane))
	}
	held := t.topology.HeldQueues(tenant)
	err := t.change(ctx, func(batch *pgx.Batch) {
		queueBindings(batch, sqlUnbind, gone)
		batch.Queue(sqlRemoveQueues, held)
		batch.Queue(sqlRemoveMessages, held)
	})
	if err != nil {
		return fmt.Errorf("remove tenant %s: %w", tenant, err)
	}
	return nil
}

const sqlHeld = `
SELECT q.name, (SELECT count(*) FROM pgqueue.messages m WHERE m.queue = q.name) FROM pgqueue.queues q WHERE q.name = ANY ($1)`

// Held implements events.Transport. Messages in a worker's hands are counted.
func (t *Transport) Held(ctx context.Context, tenant uuid.UUID) (map[string]int, error) {
	rows, err := t.pool.Query(ctx, sqlHeld, t.topology.HeldQueues(tenant))
	if err != nil {
		return nil, fmt.Errorf("count held messages: %w", err)
	}
	held, err := countsByQueue(rows)
	if err != nil {
		return nil, fmt.Errorf("count held messages: %w", err)
	}
	return held, nil
}

func countsByQueue(rows pgx.Rows) (map[string]int, error) {
	counts := map[string]int{}
	var queue string
	var count int
	_, err := pgx.ForEachRow(rows, []any{&queue, &count}, func() error {
		counts[queue] = count
		return nil
	})
	return counts, err
}

// ensureQueue makes a queue that is not known.
func (t *Transport) ensureQueue(ctx context.Context, name string) error {
	if _, known := t.router.table.Load().queues[name]; known {
		return nil
	}
	return t.insertQueue(ctx, name)
}

func (t *Transport) insertQueue(ctx context.Context, name string) error {
	err := t.change(ctx, func(batch *pgx.Batch) { batch.Queue(sqlQueue, name) })
	if err != nil {
		return fmt.Errorf("make queue %s: %w", name, err)
	}
	return nil
}

// change writes to the topology in one transaction and tells every transport.
func (t *Transport) change(ctx context.Context, fill func(*pgx.Batch)) error {
	if t.isClosing() {
		return errClosed
	}
	batch := &pgx.Batch{}
	fill(batch)
	batch.Queue(sqlAnnounce)
	err := pgx.BeginFunc(ctx, t.pool, func(tx pgx.Tx) error { return tx.SendBatch(ctx, batch).Close() })
	t.router.changed()
	return err
}

func queueExchanges(batch *pgx.Batch, exchanges []events.Exchange) {
	var names, kinds, alternates []string
	for _, e := range exchanges {
		names, kinds = append(names, e.Name), append(kinds, string(e.Kind))
		alternates = append(alternates, e.Alternate)
	}
	batch.Queue(sqlExchanges, names, kinds, alternates)
}

func queueQueues(batch *pgx.Batch, queues []events.Queue) {
	var names, to, keys []string
	var ttls []int64
	var limits []int32
	for _, q := range queues {
		names, to, keys = append(names, q.Name), append(to, q.DeadLetterTo), append(keys, q.DeadLetterKey)
		ttls, limits = append(ttls, q.TTL.Milliseconds()), append(limits, int32(q.DeliveryLimit))
	}
	batch.Queue(sqlQueues, names, ttls, to, keys, limits)
}

// queueBindings adds a statement over bindings to a batch.
func queueBindings(batch *pgx.Batch, sql string, bindings []events.Binding) {
	var exchanges, patterns, queues []string
	for _, b := range bindings {
		exchanges, patterns = append(exchanges, b.Exchange), append(patterns, b.Pattern)
		queues = append(queues, b.Queue)
	}
	batch.Queue(sql, exchanges, patterns, queues)
}

const sqlDepths = `SELECT queue, count(*) FROM pgqueue.messages WHERE queue = ANY($1) GROUP BY queue`

// Depths implements events.Transport. Messages in a worker's hands are counted.
func (t *Transport) Depths(ctx context.Context) (map[string]int, error) {
	var names []string
	for _, queue := range t.topology.Queues() {
		names = append(names, queue.Name)
	}
	rows, err := t.pool.Query(ctx, sqlDepths, names)
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	depths, err := countsByQueue(rows)
	if err != nil {
		return nil, fmt.Errorf("count messages: %w", err)
	}
	for _, name := range names {
		depths[name] += 0 // an empty queue has no rows
	}
	return depths, nil
}
