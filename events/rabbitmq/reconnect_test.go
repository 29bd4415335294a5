package rabbitmq

import (
	"context"
	"strconv"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Two restarts under a hundred publishers of single messages. This stands for Watermill's TestReconnect, which tells
// the same story but compares with a list of published messages that its goroutines still append to: it fails now
// and then with all messages received.
func TestReconnect(t *testing.T) {
	t.Parallel()
	broker := newPrivateBroker(t)
	publisher, subscriber := openAt(t, broker.url, newTopology()), openAt(t, broker.url, newTopology())
	const topic, count, publishers = "reconnect", 10_000, 100
	require.NoError(t, subscriber.SubscribeInitialize(topic))
	messages, err := subscriber.Subscribe(context.Background(), topic)
	require.NoError(t, err)

	ctx, next := within(t), make(chan int)
	var running sync.WaitGroup
	running.Go(func() {
		defer close(next)
		for i := range count {
			next <- i
			if i == count/3 || i == count/2 {
				running.Go(broker.restart)
			}
		}
	})
	for range publishers {
		running.Go(func() {
			for i := range next {
				publishUntilConfirmed(ctx, t, publisher, topic, strconv.Itoa(i))
			}
		})
	}
	seen := map[string]bool{}
	for len(seen) < count {
		msg := receive(t, messages)
		seen[msg.UUID] = true
		msg.Ack()
	}
	running.Wait()
}

func publishUntilConfirmed(ctx context.Context, t testing.TB, publisher *Transport, topic, id string) {
	for publisher.Publish(topic, message.NewMessage(id, []byte("x"))) != nil {
		if !assert.NoError(t, ctx.Err()) {
			return
		}
	}
}
