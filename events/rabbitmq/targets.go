package rabbitmq

import (
	"context"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// targets knows what can be published to and consumed from. Publishing to an exchange that does not exist would
// close the channel under everybody else's messages, so it is asked for first, once.
type targets struct {
	link     *link
	topology events.Topology
	queues   map[string]bool // of the topology

	known sync.Map // name of a queue outside the topology, or exchange + "/"
}

func newTargets(l *link, topology events.Topology) *targets {
	t := &targets{link: l, topology: topology, queues: map[string]bool{}}
	for _, queue := range topology.Queues() {
		t.queues[queue.Name] = true
	}
	return t
}

// prepare makes a topic fit to be published to: a queue outside the topology is declared, an exchange must exist.
func (t *targets) prepare(ctx context.Context, exchange, key string) error {
	if exchange == "" {
		return t.queue(ctx, key)
	}
	if _, ok := t.known.Load(exchange + "/"); ok {
		return nil
	}
	_, err := control(ctx, t.link, func(channel *amqp.Channel) (struct{}, error) {
		// The kind is not compared: RabbitMQ answers a passive declaration by the name.
		return struct{}{}, channel.ExchangeDeclarePassive(exchange, string(events.TopicExchange), true, false, false, false, nil)
	})
	switch {
	case notFound(err):
		return fmt.Errorf("%w: exchange %q does not exist", events.ErrUnroutable, exchange)
	case err != nil:
		return fmt.Errorf("look for exchange %q: %w", exchange, err)
	}
	t.known.Store(exchange+"/", true)
	return nil
}

// queue declares a queue outside the topology as a durable quorum queue. The topology's are left to Declare, and
// the broker's own (amq.…) to the broker.
func (t *targets) queue(ctx context.Context, name string) error {
	if _, ok := t.known.Load(name); ok || t.queues[name] || strings.HasPrefix(name, "amq.") {
		return nil
	}
	if name == "" || len(name) > maxShortString {
		return fmt.Errorf("queue name of %d bytes: from 1 to %d", len(name), maxShortString)
	}
	_, err := control(ctx, t.link, func(channel *amqp.Channel) (struct{}, error) {
		return struct{}{}, declareQueue(channel, events.Queue{Name: name})
	})
	if err != nil {
		return err
	}
	t.known.Store(name, true)
	return nil
}

// forget makes the next prepare look again.
func (t *targets) forget(exchange, key string) {
	if exchange == "" {
		t.known.Delete(key)
		return
	}
	t.known.Delete(exchange + "/")
}

func (t *targets) forgetAll() { t.known.Clear() }
