package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// control runs an idempotent operation on a channel of its own: an error closes the channel, which must not be one
// that carries messages. It uses the consuming connection, which the broker never blocks. A lost connection is
// waited for, as long as ctx lasts; a refusal is final.
func control[T any](ctx context.Context, l *link, operate func(*amqp.Channel) (T, error)) (T, error) {
	var pause backoff
	for {
		result, err := inChannel(ctx, l, operate)
		if err == nil || refused(err) || ctx.Err() != nil {
			return result, err
		}
		pause.sleep(ctx)
	}
}

// refused says whether the broker answered, and will answer the same again.
func refused(err error) bool {
	var refusal *amqp.Error
	return errors.As(err, &refusal) && refusal.Server && slices.Contains([]int{
		amqp.AccessRefused, amqp.NotFound, amqp.PreconditionFailed, amqp.NotAllowed, amqp.NotImplemented,
		amqp.CommandInvalid,
	}, refusal.Code)
}

func notFound(err error) bool {
	var refusal *amqp.Error
	return errors.As(err, &refusal) && refusal.Code == amqp.NotFound
}

// inChannel bounds the operation by ctx, which amqp091-go knows nothing of. An operation that is given up ends with
// its connection at the latest.
func inChannel[T any](ctx context.Context, l *link, operate func(*amqp.Channel) (T, error)) (T, error) {
	type answer struct {
		result T
		err    error
	}
	conn, err := l.connection(ctx)
	if err != nil {
		return *new(T), err
	}
	answers := make(chan answer, 1)
	go func() {
		channel, err := conn.Channel()
		if err != nil {
			answers <- answer{err: fmt.Errorf("open a channel: %w", err)}
			return
		}
		result, err := operate(channel)
		_ = channel.Close()
		answers <- answer{result, err}
	}()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-ctx.Done():
		return *new(T), fmt.Errorf("wait for the broker's answer: %w", context.Cause(ctx))
	}
}
