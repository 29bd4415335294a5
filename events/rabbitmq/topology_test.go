package rabbitmq

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestDeclareSaysWhichQueueDiffers(t *testing.T) {
	transport := open(t)
	name := transport.topology.StageQueue(events.Ingestion, "a")
	conn, err := amqp.Dial(sharedBroker(t))
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	_, err = channel.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	require.NoError(t, err)
	err = transport.Declare(within(t))
	require.ErrorContains(t, err, `declare queue "`+name+`": it exists with other settings`)
	require.NoError(t, transport.Ready(within(t)), "the refusal harms nobody else")
}

// Invariant 5: no queue may drop a message at the broker's own delivery limit, nor dead-letter at most once.
func TestInvariant5QueuesDropNothing(t *testing.T) {
	for _, queue := range events.DefaultTopology().Queues() {
		arguments := queueArguments(queue)
		require.Equal(t, "quorum", arguments["x-queue-type"], queue.Name)
		require.Contains(t, arguments, "x-delivery-limit", queue.Name)
		require.NotContains(t, arguments, "x-max-length", queue.Name)
		if queue.DeadLetterTo != "" {
			require.Equal(t, "at-least-once", arguments["x-dead-letter-strategy"], queue.Name)
			require.Equal(t, "reject-publish", arguments["x-overflow"], queue.Name)
		} else {
			require.Equal(t, int64(unlimited), arguments["x-delivery-limit"], queue.Name)
		}
	}
}

func TestDepthsNameAMissingQueue(t *testing.T) {
	transport := open(t)
	_, err := transport.Depths(within(t))
	require.ErrorContains(t, err, `count the messages of queue "`+transport.topology.Unroutable())
}
