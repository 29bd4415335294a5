package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// requireTruth compares what was published and confirmed with what the stores hold. Nothing of it comes from a counter
// of reos, and nothing is read through its adapters.
func (c *chaos) requireTruth() {
	c.t.Helper()
	conn, err := pgx.Connect(context.Background(), c.world.admin)
	require.NoError(c.t, err)
	defer conn.Close(context.Background())
	wrong := &findings{}
	c.compareProgress(conn, wrong)
	c.compareRecords(conn, wrong)
	vectors := c.compareIndex(conn, wrong)
	c.comparePoints(vectors, wrong)
	c.compareArchive(conn, wrong)
	c.lookForDead(conn, wrong)
	c.lookForRetried(wrong)
	require.Empty(c.t, wrong.list(), "seed %d", c.seed)
	c.note("%d events and %d records are as they were published", len(c.stream.facts), len(c.stream.newest))
}

// findings are what is wrong, by kind.
type findings struct {
	kinds map[string][]string
}

func (f *findings) add(kind, format string, arguments ...any) {
	if f.kinds == nil {
		f.kinds = map[string][]string{}
	}
	f.kinds[kind] = append(f.kinds[kind], fmt.Sprintf(format, arguments...))
}

// list shows each kind with its number and some examples.
func (f *findings) list() string {
	var text strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(f.kinds)) {
		all := f.kinds[kind]
		fmt.Fprintf(&text, "\n%s: %d\n  %s", kind, len(all), strings.Join(all[:min(len(all), 8)], "\n  "))
	}
	return text.String()
}

// query reads rows as the owner, who is a superuser here and so sees every tenant.
func query[T any](c *chaos, conn *pgx.Conn, sql string) []T {
	c.t.Helper()
	rows, err := conn.Query(context.Background(), sql)
	require.NoError(c.t, err)
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	require.NoError(c.t, err)
	return list
}

// compareProgress: every confirmed event is there once, and is finished.
func (c *chaos) compareProgress(conn *pgx.Conn, wrong *findings) {
	c.t.Helper()
	type row struct {
		Tenant, Event [16]byte
		Outcome       *string
	}
	found := map[uuid.UUID]bool{}
	for _, r := range query[row](c, conn, "SELECT tenant_id, event_uid, outcome FROM progress") {
		made := c.stream.facts[r.Event]
		found[r.Event] = true
		switch {
		case made == nil:
			wrong.add("unknown event", "%s", uuid.UUID(r.Event))
		case made.tenant != r.Tenant:
			wrong.add("wrong tenant", "event %s", made.id)
		case r.Outcome == nil:
			wrong.add("unfinished", "event %s of %s", made.id, made.key)
		case *r.Outcome == string(events.Dead):
			wrong.add("dead event", "%s of %s", made.id, made.key)
		}
	}
	for id, made := range c.stream.facts {
		if !found[id] {
			wrong.add("lost", "event %s of %s %s", id, made.tenant, made.key)
		}
	}
	if confirmed, _ := c.load.state(); confirmed != len(c.stream.facts) {
		wrong.add("defect of the test", "%d of %d events are confirmed", confirmed, len(c.stream.facts))
	}
}

// compareRecords: Postgres holds the newest version of every record, and no other record.
func (c *chaos) compareRecords(conn *pgx.Conn, wrong *findings) {
	c.t.Helper()
	found := map[recordID]bool{}
	for _, r := range query[versionedRow](c, conn, `SELECT tenant_id, record_key, version_at, version_seq, NOT deleted,
		coalesce(list_price, 0)::bigint FROM properties`) {
		newest := c.newest(r, "record", wrong)
		if newest == nil {
			continue
		}
		found[r.id()] = true
		if r.Present == newest.deleted || !newest.deleted && r.Number != int64(newest.price) {
			wrong.add("wrong record", "%s: deleted %t, price %d; published: %t, %d", r, !r.Present, r.Number, newest.deleted, newest.price)
		}
	}
	for id := range c.stream.newest {
		if !found[id] {
			wrong.add("lost", "record %s %s", id.tenant, id.key)
		}
	}
	for _, r := range query[versionedRow](c, conn, `SELECT tenant_id, record_key, version_at, version_seq, passed, 0::bigint FROM verdicts`) {
		newest := c.stream.newest[r.id()]
		if newest != nil && newest.deleted { // nobody judges a tombstone
			continue
		}
		if newest = c.newest(r, "verdict", wrong); newest != nil && newest.sound != r.Present {
			wrong.add("wrong verdict", "%s: passed %t", r, r.Present)
		}
	}
}

// compareIndex: the index entries say what search must find, and there is a vector for it. It returns these vectors.
func (c *chaos) compareIndex(conn *pgx.Conn, wrong *findings) map[recordID][]byte {
	c.t.Helper()
	found := map[recordID]bool{}
	for _, r := range query[versionedRow](c, conn, `SELECT tenant_id, record_key, version_at, version_seq, present, 0::bigint FROM index_entries`) {
		newest := c.newest(r, "index entry", wrong)
		if newest == nil {
			continue
		}
		found[r.id()] = true
		if newest.searchable() != r.Present {
			wrong.add("wrong index entry", "%s: present %t", r, r.Present)
		}
	}
	type row struct {
		Tenant  [16]byte
		Key     string
		Version string
		Vector  []byte
	}
	vectors := map[recordID][]byte{}
	for _, r := range query[row](c, conn, `SELECT tenant_id, record_key, extract(epoch FROM version_at) || ' ' || version_seq, vector FROM embeddings`) {
		id := recordID{r.Tenant, r.Key}
		if newest := c.stream.newest[id]; newest != nil && newest.searchable() && r.Version == epoch(newest.version) {
			vectors[id] = r.Vector
		}
	}
	for id, newest := range c.stream.newest {
		if !found[id] {
			wrong.add("lost", "index entry %s %s", id.tenant, id.key)
		}
		if newest.searchable() && vectors[id] == nil {
			wrong.add("lost", "vector of %s %s at its newest version", id.tenant, id.key)
		}
	}
	return vectors
}

// epoch writes a version as the query above does.
func epoch(v events.Version) string {
	return fmt.Sprintf("%d.%06d %d", v.At.Unix(), v.At.Nanosecond()/1000, v.Sequence)
}

// lookForDead: nothing died, for every fault was a transient one.
func (c *chaos) lookForDead(conn *pgx.Conn, wrong *findings) {
	c.t.Helper()
	type row struct{ Stage, Reason, Key, Error string }
	for _, r := range query[row](c, conn, "SELECT stage, reason, record_key, left(error, 300) FROM dead_letters") {
		wrong.add("dead letter", "%s in %s, of %s: %s", r.Reason, r.Stage, r.Key, r.Error)
	}
}

func (c *chaos) retriedQueue() string { return c.world.topology.Namespace + ".tap.retried" }

// tapRetries has the broker keep a copy of everything that goes into the retry queues.
func (c *chaos) tapRetries() {
	c.t.Helper()
	channel, done := c.world.channel()
	defer done()
	_, err := channel.QueueDeclare(c.retriedQueue(), true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
	require.NoError(c.t, err)
	for attempt := range c.world.topology.RetryDelays {
		topic, _, _ := c.world.topology.RetryTopic("", attempt+1)
		exchange, _ := events.SplitTopic(topic)
		require.NoError(c.t, channel.QueueBind(c.retriedQueue(), "", exchange, false, nil))
	}
}

// lookForRetried: no fault of a dependency cost a message an attempt.
func (c *chaos) lookForRetried(wrong *findings) {
	c.t.Helper()
	channel, done := c.world.channel()
	defer done()
	for {
		message, ok, err := channel.Get(c.retriedQueue(), true)
		require.NoError(c.t, err)
		if !ok {
			return
		}
		wrong.add("attempt burned", "to %s as attempt %v: %v", message.RoutingKey, message.Headers["reos-attempt"], message.Headers["cloudEvents:subject"])
	}
}
