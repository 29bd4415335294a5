package pgqueue_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
	"github.com/codybias9/real-estate-os/migrations"
)

const patience = 30 * time.Second

func withPatience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// owner runs statements on a test's database as its owner: what no transport would do.
func owner(t *testing.T, database string, statements ...string) {
	ctx := withPatience(t)
	conn, err := pgx.ConnectConfig(ctx, cluster.in(database))
	require.NoError(t, err)
	defer conn.Close(ctx)
	for _, statement := range statements {
		_, err := conn.Exec(ctx, statement)
		require.NoError(t, err, statement)
	}
}

// receive waits for a message and leaves it unacked.
func receive(ctx context.Context, t *testing.T, deliveries <-chan *message.Message) *message.Message {
	select {
	case msg, open := <-deliveries:
		require.True(t, open, "the subscription ended")
		return msg
	case <-ctx.Done():
		require.FailNow(t, "no message came")
		return nil
	}
}

// next waits for a message and acks it.
func next(ctx context.Context, t *testing.T, deliveries <-chan *message.Message) *message.Message {
	msg := receive(ctx, t, deliveries)
	msg.Ack()
	return msg
}

// signalWriter is a log that closes seen when a line holds the text.
type signalWriter struct {
	text string
	seen chan struct{}
}

func (w *signalWriter) Write(line []byte) (int, error) {
	if w.seen != nil && bytes.Contains(line, []byte(w.text)) {
		close(w.seen)
		w.seen = nil
	}
	return len(line), nil
}

func newSignalWriter(text string) (io.Writer, <-chan struct{}) {
	w := &signalWriter{text: text, seen: make(chan struct{})}
	return zerolog.SyncWriter(w), w.seen
}

// Invariant 1: a claim that Postgres committed without our hearing of it does not lose the message.
func TestLostClaimIsGivenBack(t *testing.T) {
	t.Parallel()
	ctx, database := withPatience(t), cluster.database(t)
	log, failed := newSignalWriter("cannot consume")
	transport, err := pgqueue.Open(ctx, cluster.pool(t, database), topologyFor(t), zerolog.New(log))
	require.NoError(t, err)
	defer func() { require.NoError(t, transport.Close()) }()
	sent := message.NewMessage(uuid.NewString(), []byte("claimed by nobody who knows of it"))
	require.NoError(t, transport.Publish("q", sent))
	owner(t, database,
		"UPDATE pgqueue.messages SET owner = (SELECT id FROM pgqueue.owners), deliveries = 1",
		"REVOKE EXECUTE ON FUNCTION pgqueue.claim FROM reos_app")
	deliveries, err := transport.Subscribe(ctx, "q")
	require.NoError(t, err)
	select {
	case <-failed:
	case <-ctx.Done():
		require.FailNow(t, "no claim failed")
	}
	owner(t, database, "GRANT EXECUTE ON FUNCTION pgqueue.claim TO reos_app")
	require.Equal(t, sent.UUID, next(ctx, t, deliveries).UUID)
}

// The delivery limit counts what was handed out, not what waited behind it in a process that died.
func TestNeighboursOfPoisonAreSpared(t *testing.T) {
	t.Parallel()
	ctx, topology := withPatience(t), topologyFor(t)
	topology.DeliveryLimit = 1
	pool := cluster.pool(t, cluster.database(t))
	transport := openOn(t, pool, topology)
	require.NoError(t, transport.Declare(ctx))
	queue := topology.StageQueue(events.Quality, "a")
	require.NoError(t, transport.Publish(queue, message.NewMessage("poison", nil), message.NewMessage("neighbour", nil)))
	for range topology.DeliveryLimit + 1 {
		victim := openOn(t, pool, topology)
		deliveries, err := victim.Subscribe(ctx, queue)
		require.NoError(t, err)
		require.Equal(t, "poison", receive(ctx, t, deliveries).UUID)
		require.NoError(t, victim.Close())
	}
	letters, err := transport.Subscribe(ctx, topology.DeadLetterQueue())
	require.NoError(t, err)
	require.Equal(t, "poison", next(ctx, t, letters).UUID)
	deliveries, err := transport.Subscribe(ctx, queue)
	require.NoError(t, err)
	for range topology.DeliveryLimit { // as often as the limit allows, it still comes
		receive(ctx, t, deliveries).Nack()
	}
	require.Equal(t, "neighbour", next(ctx, t, deliveries).UUID)
}

// A notice can be missed; a message cannot.
func TestMessageWithoutNoticeIsFound(t *testing.T) {
	t.Parallel()
	ctx, database := withPatience(t), cluster.database(t)
	transport := openOn(t, cluster.pool(t, database), topologyFor(t))
	deliveries, err := transport.Subscribe(ctx, "q")
	require.NoError(t, err)
	require.NoError(t, transport.Publish("q", message.NewMessage("first", nil)))
	require.Equal(t, "first", next(ctx, t, deliveries).UUID) // the consumer now waits
	owner(t, database, `INSERT INTO pgqueue.messages (queue, exchange, routing_key, uuid, metadata, payload)
		VALUES ('q', '', 'q', 'unannounced', '', '')`)
	require.Equal(t, "unannounced", next(ctx, t, deliveries).UUID)
}

// A binding that nobody announced is found before a message is called unroutable.
func TestUnannouncedBindingIsFound(t *testing.T) {
	t.Parallel()
	ctx, database, topology, tenant := withPatience(t), cluster.database(t), topologyFor(t), uuid.New()
	transport := openOn(t, cluster.pool(t, database), topology)
	require.NoError(t, transport.Declare(ctx))
	topic, queue := topology.IntakeTopic(tenant, "x", false), topology.StageQueue(events.Ingestion, "a")
	require.NoError(t, transport.Publish(topic, message.NewMessage("unknown", nil)))
	require.NoError(t, transport.Publish(topic, message.NewMessage("still unknown", nil)))
	owner(t, database, "INSERT INTO pgqueue.bindings VALUES ('"+topology.Intake()+"', '"+tenant.String()+".#', '"+queue+"')")
	require.NoError(t, transport.Publish(topic, message.NewMessage("known", nil)))
	deliveries, err := transport.Subscribe(ctx, queue)
	require.NoError(t, err)
	require.Equal(t, "known", next(ctx, t, deliveries).UUID)
}

// Invariant 5: a retry whose queue is gone stays where it is until there is one.
func TestExpiredMessageWithNowhereToGoStays(t *testing.T) {
	t.Parallel()
	ctx, database, topology := withPatience(t), cluster.database(t), topologyFor(t)
	topology.RetryDelays = []time.Duration{time.Millisecond}
	transport := openOn(t, cluster.pool(t, database), topology)
	require.NoError(t, transport.Declare(ctx))
	topic, _, _ := topology.RetryTopic("no-such-queue", 1)
	require.NoError(t, transport.Publish(topic, message.NewMessage("stuck", []byte("bytes"))))
	conn, err := pgx.ConnectConfig(ctx, cluster.in(database))
	require.NoError(t, err)
	defer conn.Close(ctx)
	require.Eventually(t, func() bool { // it was looked at and put off
		var later bool
		err := conn.QueryRow(ctx, `SELECT expires_at > now() + interval '1 s' FROM pgqueue.messages`).Scan(&later)
		return err == nil && later
	}, patience, 10*time.Millisecond)

	redeliver := topology.Namespace + ".redeliver"
	deliveries, err := transport.Subscribe(ctx, "no-such-queue")
	require.NoError(t, err)
	owner(t, database,
		"INSERT INTO pgqueue.bindings VALUES ('"+redeliver+"', 'no-such-queue', 'no-such-queue')",
		"UPDATE pgqueue.messages SET expires_at = now()")
	require.Equal(t, "stuck", next(ctx, t, deliveries).UUID)
}

// What Postgres would refuse must not take its neighbours with it.
func TestRefusedMessageHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	ctx := withPatience(t)
	transport := openOn(t, cluster.pool(t, cluster.database(t)), topologyFor(t))
	outgoing := func(topic string, bytes int) events.Outgoing {
		return events.Outgoing{Topic: topic, Message: message.NewMessage(uuid.NewString(), make([]byte, bytes))}
	}
	batch := []events.Outgoing{
		outgoing("q", 1),
		outgoing("nul\x00", 1),
		outgoing("not utf-8 \xff", 1),
		outgoing(strings.Repeat("x", 256), 1),
		outgoing("", 1),
		outgoing("q", 17<<20),
		outgoing("no-such-exchange/key", 1),
		outgoing("q", 9<<20), // two of these do not fit into one statement
		outgoing("q", 9<<20),
		outgoing("q", 1),
	}
	err := transport.PublishBatch(ctx, batch)
	var failures events.PublishErrors
	require.True(t, errors.As(err, &failures))
	accepted := []int{0, 7, 8, 9}
	for i, failure := range failures {
		if i > 0 && i < 7 {
			require.Error(t, failure, i)
		} else {
			require.NoError(t, failure, i)
		}
	}
	deliveries, err := transport.Subscribe(ctx, "q")
	require.NoError(t, err)
	for _, i := range accepted {
		require.Equal(t, batch[i].Message.UUID, next(ctx, t, deliveries).UUID)
	}
	_, err = transport.Subscribe(ctx, "")
	require.Error(t, err)
}

// A transport works on a pool of one connection: nothing that holds one waits for another.
func TestPoolOfOneConnection(t *testing.T) {
	t.Parallel()
	ctx, topology := withPatience(t), topologyFor(t)
	topology.DeliveryLimit = 1
	config := cluster.pool(t, cluster.database(t)).Config()
	config.MaxConns = 1
	pool, err := newPoolWith(config)
	require.NoError(t, err)
	defer pool.Close()
	transport, err := pgqueue.Open(ctx, pool, topology, logger(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, transport.Close()) }()
	require.NoError(t, transport.Declare(ctx))
	queue := topology.StageQueue(events.Quality, "a")
	deliveries, err := transport.Subscribe(ctx, queue)
	require.NoError(t, err)
	letters, err := transport.Subscribe(ctx, topology.DeadLetterQueue())
	require.NoError(t, err)
	require.NoError(t, transport.Publish(queue, message.NewMessage("poison", nil)))
	for range topology.DeliveryLimit + 1 {
		receive(ctx, t, deliveries).Nack()
	}
	require.Equal(t, "poison", next(ctx, t, letters).UUID)
}

func TestMigrationUpDownUp(t *testing.T) {
	t.Parallel()
	ctx, database := withPatience(t), cluster.database(t)
	db := stdlib.OpenDB(*cluster.in(database))
	defer db.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = provider.DownTo(ctx, queueMigration-1)
	require.NoError(t, err)
	_, err = pgqueue.Open(ctx, cluster.pool(t, database), topologyFor(t), logger(t))
	require.Error(t, err, "a database without our tables is refused")
	_, err = provider.Up(ctx)
	require.NoError(t, err)
	require.NoError(t, openOn(t, cluster.pool(t, database), topologyFor(t)).Ready(ctx))
}
