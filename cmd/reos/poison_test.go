package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// poisonKey is the record that a trigger makes fail. It is one of backlog's.
const poisonKey = "B-00123"

// poison has a table refuse one record, or take its time over it.
func (w *world) poison(table, statement string) {
	w.t.Helper()
	w.exec(w.admin, fmt.Sprintf(`CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $poison$ BEGIN
		IF NEW.record_key = '%s' THEN %s; END IF; RETURN NEW; END $poison$`, poisonKey, statement))
	w.exec(w.admin, `CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON `+table+` FOR EACH ROW EXECUTE FUNCTION poison()`)
}

// hurryRetries sends what waits for its retry back to its stage at once, as the broker does when its time has come: the
// real delays add up to more than 11 minutes.
func (w *world) hurryRetries() {
	channel, done := w.channel()
	stop, stopped := make(chan struct{}), make(chan struct{})
	w.t.Cleanup(func() { close(stop); <-stopped; done() })
	require.NoError(w.t, channel.Confirm(false))
	redeliver := w.topology.Namespace + ".redeliver"
	hurry := func(queue string) {
		got, ok, err := channel.Get(queue, false)
		if !assert.NoError(w.t, err) || !ok {
			return
		}
		confirm, err := channel.PublishWithDeferredConfirm(redeliver, got.RoutingKey, true, false, amqp.Publishing{
			Headers: got.Headers, ContentType: got.ContentType, MessageId: got.MessageId, Timestamp: got.Timestamp,
			DeliveryMode: amqp.Persistent, Body: got.Body,
		})
		if assert.NoError(w.t, err) && assert.True(w.t, confirm.Wait()) {
			assert.NoError(w.t, got.Ack(false))
		}
	}
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(20 * time.Millisecond)
		defer ticker.Stop()
		for {
			for _, delay := range w.topology.RetryDelays {
				hurry(w.topology.Namespace + ".retry." + events.DelayName(delay))
			}
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
	}()
}

// A batch in which one record fails harms only that record, whatever the stage and the failure.
func TestAPoisonRecordHarmsOnlyItself(t *testing.T) {
	t.Parallel()
	const homes = 400
	for _, poison := range []struct {
		name, table, statement string
		stage                  events.Stage
		reason                 events.Reason
		mention                string
	}{
		{"ingestion violates a constraint", "properties", "RAISE check_violation USING MESSAGE = 'too ugly'", events.Ingestion, events.StageError, "too ugly"},
		{"quality violates a constraint", "verdicts", "RAISE check_violation USING MESSAGE = 'too ugly'", events.Quality, events.StageError, "too ugly"},
		{"embedding takes too long", "embeddings", "PERFORM pg_sleep(60)", events.Embedding, events.StageTimeout, "timed out"},
		{"indexing violates a constraint", "index_entries", "RAISE unique_violation USING MESSAGE = 'there twice'", events.Indexing, events.StageError, "there twice"},
	} {
		t.Run(poison.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.env = w.with("WORKER_STAGE_TIMEOUT=1500ms")
			w.poison(poison.table, poison.statement)
			w.backlog(w.tenant, homes)
			w.hurryRetries()
			w.start("worker", "all")
			w.settled()

			require.Equal(t, homes-1, w.number("SELECT count(*) FROM index_entries WHERE present"), "all others are searchable")
			require.Zero(t, w.number("SELECT count(*) FROM index_entries WHERE record_key = $1", poisonKey))
			require.Zero(t, w.number("SELECT count(*) FROM progress WHERE finished_at IS NULL"))
			var listed struct {
				DeadLetters []letter `json:"dead_letters"`
			}
			w.okJSON(&listed, "dlq", "list")
			require.Len(t, listed.DeadLetters, 1)
			dead := listed.DeadLetters[0]
			require.Equal(t, []any{poisonKey, poison.stage, poison.reason, len(w.topology.RetryDelays) + 1},
				[]any{dead.Key, dead.Stage, dead.Reason, dead.Attempts}, dead.Error)
			require.True(t, strings.Contains(dead.Error, poison.mention), dead.Error)
		})
	}
}
