package pgqueue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/codybias9/real-estate-os/events"
)

const (
	// maxPayloadBytes is RabbitMQ's own default. Headers do not count: a copy of what was delivered has some more of them,
	// and must not be refused for it.
	maxPayloadBytes = 16 << 20
	// maxNameBytes bounds names and routing keys, as AMQP does.
	maxNameBytes = 255

	// One INSERT takes up to so many rows and bytes, but for its first row.
	insertRows  = 2000
	insertBytes = 16 << 20
)

// publisher writes what callers publish, everything at once that they bring while it writes.
type publisher struct {
	t        *Transport
	requests chan *request
}

// request is one caller's batch. errs belongs to the publisher until done is closed.
type request struct {
	ctx   context.Context
	items []item
	errs  events.PublishErrors
	done  chan struct{}
}

// item is a message, encoded.
type item struct {
	to                      address
	uuid, metadata, payload []byte
}

func newPublisher(t *Transport) *publisher {
	return &publisher{t: t, requests: make(chan *request)}
}

// publish implements events.Transport.PublishBatch.
func (p *publisher) publish(ctx context.Context, batch []events.Outgoing) error {
	if len(batch) == 0 {
		return nil
	}
	r := newRequest(ctx, batch)
	select {
	case p.requests <- r:
	case <-ctx.Done():
		return failAll(len(batch), context.Cause(ctx))
	case <-p.t.closing:
		return failAll(len(batch), errClosed)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return failAll(len(batch), context.Cause(ctx))
	}
	if slices.ContainsFunc(r.errs, func(err error) bool { return err != nil }) {
		return r.errs
	}
	return nil
}

func failAll(n int, err error) events.PublishErrors {
	return slices.Repeat(events.PublishErrors{err}, n)
}

func newRequest(ctx context.Context, batch []events.Outgoing) *request {
	r := &request{
		ctx: ctx, items: make([]item, len(batch)), errs: make(events.PublishErrors, len(batch)),
		done: make(chan struct{}),
	}
	for i, out := range batch {
		r.items[i], r.errs[i] = encode(out)
	}
	return r
}

// encode also refuses what would fail others' messages in the same statement.
func encode(out events.Outgoing) (item, error) {
	exchange, key := events.SplitTopic(out.Topic)
	for _, name := range []string{exchange, key} {
		if err := checkText(name); err != nil {
			return item{}, fmt.Errorf("publish to %s: %w", events.Shorten(out.Topic, maxNameBytes), err)
		}
	}
	encoded := item{
		to: address{exchange, key}, uuid: []byte(out.Message.UUID), metadata: encodeMetadata(out.Message.Metadata),
		payload: out.Message.Payload,
	}
	if encoded.payload == nil {
		encoded.payload = []byte{}
	}
	if size := len(encoded.payload); size > maxPayloadBytes {
		return item{}, fmt.Errorf("publish %d bytes: at most %d are accepted", size, maxPayloadBytes)
	}
	return encoded, nil
}

func (i item) size() int { return len(i.uuid) + len(i.metadata) + len(i.payload) }

// checkName refuses what cannot be a queue's name.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("a queue's name must not be empty")
	}
	return checkText(name)
}

// checkText refuses what a column of text cannot hold, and what RabbitMQ would not take.
func checkText(name string) error {
	if len(name) > maxNameBytes || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return fmt.Errorf("names and routing keys must be UTF-8 without NUL, of at most %d bytes", maxNameBytes)
	}
	return nil
}

// run writes until the transport closes.
func (p *publisher) run() {
	for {
		select {
		case first := <-p.requests:
			p.write(p.gather(first))
		case <-p.t.closing:
			return
		}
	}
}

// gather takes what callers wait with.
func (p *publisher) gather(first *request) []*request {
	group, size := []*request{first}, len(first.items)
	for size < insertRows {
		select {
		case next := <-p.requests:
			group = append(group, next)
			size += len(next.items)
		default:
			return group
		}
	}
	return group
}

// write routes and inserts a group, and answers every request in it.
//
// Invariant 1: a message's error is nil only if the transaction with all its rows was committed, or if its exchange
// needs no queue.
func (p *publisher) write(group []*request) {
	ctx, cancel := operation()
	defer cancel()
	w := writer{p: p, lookup: lookup{router: p.t.router, db: p.t.pool}}
	for _, r := range group {
		if r.ctx.Err() != nil { // its caller is about to go, or sees the answer first
			copy(r.errs, failAll(len(r.items), context.Cause(r.ctx)))
			continue
		}
		for i := range r.items {
			if r.errs[i] == nil {
				w.add(ctx, r, i)
			}
		}
	}
	w.flush(ctx)
	for _, r := range group {
		close(r.done)
	}
}

// writer collects rows, as columns, up to what one statement may take.
type writer struct {
	p      *publisher
	lookup lookup

	queues, exchanges, keys   []string
	ttls                      []int64
	uuids, metadata, payloads [][]byte
	bytes                     int
	results                   []*error // per row: where its message's error goes
}

func (w *writer) add(ctx context.Context, r *request, i int) {
	it := r.items[i]
	queues, err := w.route(ctx, it.to)
	if err != nil {
		r.errs[i] = err
		return
	}
	for _, queue := range queues {
		definition, err := w.lookup.queue(ctx, queue)
		if err != nil {
			r.errs[i] = err
			return
		}
		if len(w.queues) >= insertRows || w.bytes+it.size() > insertBytes {
			w.flush(ctx)
		}
		w.queues, w.exchanges, w.keys = append(w.queues, queue), append(w.exchanges, it.to.exchange), append(w.keys, it.to.key)
		w.ttls = append(w.ttls, definition.TTL.Milliseconds())
		w.uuids, w.metadata = append(w.uuids, it.uuid), append(w.metadata, it.metadata)
		w.payloads = append(w.payloads, it.payload)
		w.bytes += it.size()
		w.results = append(w.results, &r.errs[i])
	}
}

// route finds a message's queues: none where nobody need listen. A queue that is named and does not exist is made.
func (w *writer) route(ctx context.Context, to address) ([]string, error) {
	way, err := w.lookup.route(ctx, to)
	switch {
	case err != nil:
		return nil, err
	case len(way.queues) > 0 || way.accepted:
		return way.queues, nil
	case to.exchange == "" && to.key != "":
		return []string{to.key}, w.p.t.insertQueue(ctx, to.key)
	}
	return nil, fmt.Errorf("exchange %q, routing key %q: %w", to.exchange, to.key, events.ErrUnroutable)
}

const sqlPublish = `
WITH published AS (
    INSERT INTO pgqueue.messages (queue, expires_at, exchange, routing_key, uuid, metadata, payload)
    SELECT queue, CASE WHEN ttl_ms > 0 THEN now() + ttl_ms * interval '1 ms' END, exchange, routing_key, uuid, metadata, payload
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[])
        AS v(queue, ttl_ms, exchange, routing_key, uuid, metadata, payload)
)
SELECT pg_notify('` + queueChannel + `', $9::int || ':' || queue) FROM unnest($8::text[]) AS queue`

// flush inserts the rows in one transaction and wakes their consumers.
func (w *writer) flush(ctx context.Context) {
	if len(w.queues) == 0 {
		return
	}
	gained := distinct(slices.Clone(w.queues))
	_, err := w.p.t.pool.Exec(ctx, sqlPublish, w.queues, w.ttls, w.exchanges, w.keys, w.uuids, w.metadata, w.payloads,
		gained, w.p.t.owner)
	if err != nil {
		err = fmt.Errorf("insert messages: %w", err)
		for _, result := range w.results {
			*result = err
		}
	} else {
		w.p.t.wake(gained)
		w.p.t.keeper.expireAfter(w.ttls)
	}
	*w = writer{p: w.p, lookup: w.lookup}
}
