package pgqueue

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
)

// database is a pool or a transaction.
type database interface {
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// router keeps the newest table that this process has read. Other processes' changes are announced by NOTIFY, and a
// message that finds no binding has the table read again before it is called unroutable.
type router struct {
	topology events.Topology

	table atomic.Pointer[table]
	stale atomic.Bool
}

// changed has the table read again before it is next used.
func (r *router) changed() { r.stale.Store(true) }

// load reads exchanges, queues and bindings.
func (r *router) load(ctx context.Context, db database) error {
	r.stale.Store(false) // before reading: a change from now on has it read again
	loaded, err := readTable(ctx, db, r.topology)
	if err != nil {
		r.stale.Store(true)
		return fmt.Errorf("read the topology: %w", err)
	}
	r.table.Store(loaded)
	return nil
}

// lookup is the routing for one group of messages: it reads the table again at most once. Not safe for concurrent use.
type lookup struct {
	router *router
	db     database
	fresh  bool
	err    error // of reading
}

// route finds the queues of an address.
func (l *lookup) route(ctx context.Context, to address) (route, error) {
	if l.router.stale.Load() {
		if err := l.refresh(ctx); err != nil {
			return route{}, err
		}
	}
	found := l.router.table.Load().route(to)
	if !found.detour {
		return found, nil
	}
	if err := l.refresh(ctx); err != nil {
		return route{}, err
	}
	return l.router.table.Load().route(to), nil
}

// queue finds a queue's definition; a zero Name says that there is none.
func (l *lookup) queue(ctx context.Context, name string) (events.Queue, error) {
	if queue, ok := l.router.table.Load().queues[name]; ok {
		return queue, nil
	}
	if err := l.refresh(ctx); err != nil {
		return events.Queue{}, err
	}
	return l.router.table.Load().queues[name], nil
}

func (l *lookup) refresh(ctx context.Context) error {
	if !l.fresh && l.err == nil {
		l.err = l.router.load(ctx, l.db)
		l.fresh = true
	}
	return l.err
}

func readTable(ctx context.Context, db database, topology events.Topology) (*table, error) {
	batch := &pgx.Batch{}
	batch.Queue(`SELECT name, kind, alternate FROM pgqueue.exchanges`)
	batch.Queue(`SELECT name, ttl_ms, dead_letter_to, dead_letter_key, delivery_limit FROM pgqueue.queues`)
	batch.Queue(`SELECT exchange, pattern, queue FROM pgqueue.bindings`)
	results := db.SendBatch(ctx, batch)
	defer results.Close()
	exchanges, err := collect(results, func(row pgx.CollectableRow) (e events.Exchange, err error) {
		err = row.Scan(&e.Name, &e.Kind, &e.Alternate)
		return e, err
	})
	if err != nil {
		return nil, err
	}
	queues, err := collect(results, func(row pgx.CollectableRow) (q events.Queue, err error) {
		var ttl int64
		err = row.Scan(&q.Name, &ttl, &q.DeadLetterTo, &q.DeadLetterKey, &q.DeliveryLimit)
		q.TTL = time.Duration(ttl) * time.Millisecond
		return q, err
	})
	if err != nil {
		return nil, err
	}
	bindings, err := collect(results, func(row pgx.CollectableRow) (b events.Binding, err error) {
		err = row.Scan(&b.Exchange, &b.Pattern, &b.Queue)
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return newTable(exchanges, queues, bindings, topology.Optional), results.Close()
}

func collect[T any](results pgx.BatchResults, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := results.Query()
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}
