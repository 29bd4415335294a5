package rabbitmq

import (
	"context"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// Adopt lets a queue be consumed that somebody else has made, however it is declared. Without it, a queue outside the
// topology is declared by whoever consumes it. events.ErrUnroutable: there is no such queue.
func (t *Transport) Adopt(ctx context.Context, queue string) error {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = control(ctx, t.consume, func(channel *amqp.Channel) (amqp.Queue, error) {
		return channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	})
	switch {
	case notFound(err):
		return fmt.Errorf("%w: queue %q does not exist", events.ErrUnroutable, queue)
	case err != nil:
		return fmt.Errorf("look for queue %q: %w", queue, err)
	}
	t.targets.known.Store(queue, true)
	return nil
}
