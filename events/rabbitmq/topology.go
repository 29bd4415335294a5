package rabbitmq

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/codybias9/real-estate-os/events"
)

// unlimited is a delivery limit that no message reaches. It must be said: RabbitMQ 4 has a limit of its own, beyond
// which a queue without a dead-letter exchange drops the message, and 3.10 has no word for "none".
//
// Invariant 5: nothing is dropped by a default.
const unlimited = 1 << 30

// Declare implements events.Transport. An exchange or queue that exists with other settings is an error that names
// it and says what can be done.
func (t *Transport) Declare(ctx context.Context) error {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = control(ctx, t.consume, func(channel *amqp.Channel) (struct{}, error) {
		return struct{}{}, declare(channel, t.topology)
	})
	return err
}

func declare(channel *amqp.Channel, topology events.Topology) error {
	for _, exchange := range topology.Exchanges() {
		if err := declareExchange(channel, exchange); err != nil {
			return err
		}
	}
	for _, queue := range topology.Queues() {
		if err := declareQueue(channel, queue); err != nil {
			return err
		}
	}
	for _, queue := range topology.Retired() {
		if _, err := channel.QueueDelete(queue, false, false, false); err != nil && !notFound(err) {
			return fmt.Errorf("delete queue %q, which is no longer used: %w", queue, err)
		}
	}
	return bind(channel, topology.Bindings())
}

func declareExchange(channel *amqp.Channel, exchange events.Exchange) error {
	arguments := amqp.Table{}
	if exchange.Alternate != "" {
		arguments["alternate-exchange"] = exchange.Alternate
	}
	err := channel.ExchangeDeclare(exchange.Name, string(exchange.Kind), true, false, false, false, arguments)
	return explain("exchange", exchange.Name, err)
}

func declareQueue(channel *amqp.Channel, queue events.Queue) error {
	_, err := channel.QueueDeclare(queue.Name, true, false, false, false, queueArguments(queue))
	return explain("queue", queue.Name, err)
}

// queueArguments are the same on every RabbitMQ from 3.10 on.
func queueArguments(queue events.Queue) amqp.Table {
	arguments := amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int64(unlimited)}
	if queue.DeliveryLimit > 0 {
		arguments["x-delivery-limit"] = int64(queue.DeliveryLimit)
	}
	if queue.TTL > 0 {
		arguments[amqp.QueueMessageTTLArg] = queue.TTL.Milliseconds()
	}
	if queue.DeadLetterTo != "" {
		// Invariant 1: at-least-once needs reject-publish; without it the broker falls back to at-most-once, silently.
		arguments["x-dead-letter-exchange"] = queue.DeadLetterTo
		arguments["x-dead-letter-strategy"] = "at-least-once"
		arguments[amqp.QueueOverflowArg] = amqp.QueueOverflowRejectPublish
	}
	if queue.DeadLetterKey != "" {
		arguments["x-dead-letter-routing-key"] = queue.DeadLetterKey
	}
	return arguments
}

// explain says what to do about a declaration that the broker refuses.
func explain(kind, name string, err error) error {
	var refusal *amqp.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refusal) && refusal.Code == amqp.PreconditionFailed:
		return fmt.Errorf("declare %s %q: it exists with other settings; empty it and delete it, or keep its settings "+
			"and change them by a policy: %w", kind, name, err)
	case errors.As(err, &refusal) && refusal.Code == amqp.AccessRefused:
		return fmt.Errorf("declare %s %q: the user of RABBITMQ_URL may not configure it: %w", kind, name, err)
	}
	return fmt.Errorf("declare %s %q: %w", kind, name, err)
}

func bind(channel *amqp.Channel, bindings []events.Binding) error {
	for _, b := range bindings {
		if err := channel.QueueBind(b.Queue, b.Pattern, b.Exchange, false, nil); err != nil {
			return fmt.Errorf("bind queue %q to exchange %q by %q: %w", b.Queue, b.Exchange, b.Pattern, err)
		}
	}
	return nil
}

// BindTenant implements events.Transport.
func (t *Transport) BindTenant(ctx context.Context, tenant uuid.UUID, lane string) error {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = control(ctx, t.consume, func(channel *amqp.Channel) (struct{}, error) {
		return struct{}{}, bind(channel, t.topology.TenantBindings(tenant, lane))
	})
	return err
}

// MoveTenant implements events.Transport.
func (t *Transport) MoveTenant(ctx context.Context, tenant uuid.UUID, to string, from []string) error {
	if err := t.BindTenant(ctx, tenant, to); err != nil {
		return err
	}
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	for _, lane := range from {
		if lane == to {
			continue
		}
		_, err := control(ctx, t.consume, func(channel *amqp.Channel) (struct{}, error) {
			return struct{}{}, unbind(channel, t.topology.LaneBinding(tenant, lane))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RemoveTenant implements events.Transport.
func (t *Transport) RemoveTenant(ctx context.Context, tenant uuid.UUID, lanes []string) error {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	bindings := t.topology.TenantBindings(tenant, events.BulkLane)
	for _, lane := range lanes {
		bindings = append(bindings, t.topology.LaneBinding(tenant, lane))
	}
	for _, b := range bindings {
		if _, err := control(ctx, t.consume, func(channel *amqp.Channel) (struct{}, error) {
			return struct{}{}, unbind(channel, b)
		}); err != nil {
			return err
		}
	}
	for _, queue := range t.topology.HeldQueues(tenant) {
		t.targets.forget("", queue)
		if _, err := control(ctx, t.consume, func(channel *amqp.Channel) (int, error) {
			return channel.QueueDelete(queue, false, false, false)
		}); err != nil && !notFound(err) {
			return fmt.Errorf("delete queue %q: %w", queue, err)
		}
	}
	return nil
}

// Held implements events.Transport. Messages in a worker's hands are not counted.
func (t *Transport) Held(ctx context.Context, tenant uuid.UUID) (map[string]int, error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	held := map[string]int{}
	for _, queue := range t.topology.HeldQueues(tenant) {
		state, err := control(ctx, t.consume, func(channel *amqp.Channel) (amqp.Queue, error) {
			return channel.QueueDeclarePassive(queue, true, false, false, false, nil)
		})
		switch {
		case err == nil:
			held[queue] = state.Messages
		case !notFound(err):
			return nil, fmt.Errorf("count the messages of queue %q: %w", queue, err)
		}
	}
	return held, nil
}

// unbind takes a binding away. One that does not exist is no error, nor is a queue that does not.
func unbind(channel *amqp.Channel, b events.Binding) error {
	err := channel.QueueUnbind(b.Queue, b.Pattern, b.Exchange, nil)
	if err != nil && !notFound(err) {
		return fmt.Errorf("unbind queue %q from exchange %q by %q: %w", b.Queue, b.Exchange, b.Pattern, err)
	}
	return nil
}

// Depths implements events.Transport. Messages in a worker's hands are not counted. A queue that does not exist is
// an error.
func (t *Transport) Depths(ctx context.Context) (map[string]int, error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return control(ctx, t.consume, func(channel *amqp.Channel) (map[string]int, error) {
		depths := map[string]int{}
		for _, queue := range t.topology.Queues() {
			state, err := channel.QueueDeclarePassive(queue.Name, true, false, false, false, nil)
			if err != nil {
				return nil, fmt.Errorf("count the messages of queue %q: %w", queue.Name, err)
			}
			depths[queue.Name] = state.Messages
		}
		return depths, nil
	})
}
