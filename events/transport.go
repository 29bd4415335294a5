package events

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
)

// ErrUnroutable says that a publish reached no queue. Nothing keeps such a message: it was not accepted.
var ErrUnroutable = errors.New("unroutable: no queue is bound for it")

// Outgoing is a message and the topic it goes to.
type Outgoing struct {
	Topic   string
	Message *message.Message
}

// PublishErrors reports a batch of which some messages were not confirmed. It is as long as the batch; nil where the
// broker confirmed.
type PublishErrors []error

func (e PublishErrors) Error() string {
	failed, first := 0, error(nil)
	for _, err := range e {
		if err != nil {
			failed++
			if first == nil {
				first = err
			}
		}
	}
	return fmt.Sprintf("publish %d of %d messages: %v", failed, len(e), first)
}

func (e PublishErrors) Unwrap() []error { return e }

// Transport is what the pipeline needs of a message broker. rabbitmq and pgqueue implement it; both pass Watermill's
// suite and ours (eventstest).
type Transport interface {
	message.Publisher
	message.Subscriber

	// PublishBatch publishes with pipelined confirms and returns when every message is confirmed or failed: nil, or
	// PublishErrors. Safe for concurrent use.
	//
	// Invariant 1: nil for a message means that it is durable in at least one queue.
	PublishBatch(ctx context.Context, batch []Outgoing) error

	// Declare builds the topology; it is idempotent and safe beside other processes doing the same.
	Declare(ctx context.Context) error
	// BindTenant lets a tenant's events into its lane.
	BindTenant(ctx context.Context, tenant uuid.UUID, lane string) error
	// MoveTenant lets a tenant's events into a lane, and then no longer into those that it leaves. At no moment is an
	// event unroutable; one that is published during the move may be in both lanes, which is harmless: it is the same
	// event (Invariant 2). Idempotent, so that a move that was cut off can be made again. When it returns, what this
	// process publishes goes to the new lane only; other processes may take a moment to see it. What is in the old
	// lane stays there.
	MoveTenant(ctx context.Context, tenant uuid.UUID, to string, from []string) error
	// RemoveTenant lets no more of a tenant's events in, by whichever of these lanes, and deletes the queues of its held
	// messages with all that is in them. What is in the queues of the topology stays there. Idempotent.
	RemoveTenant(ctx context.Context, tenant uuid.UUID, lanes []string) error
	// Held counts a tenant's held messages by queue; queues that do not exist are left out.
	Held(ctx context.Context, tenant uuid.UUID) (map[string]int, error)
	// Depths counts the messages that wait in each queue of the topology. Messages in a worker's hands may or may
	// not be in it.
	Depths(ctx context.Context) (map[string]int, error)
	// Ready reports why messages cannot flow just now; nil when they can.
	Ready(ctx context.Context) error
}
