package reconcile

import (
	"context"
	"fmt"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

// publish says events on a lane as stages do, in bundles.
func publish(ctx context.Context, transport events.Transport, topology events.Topology, lane string, said []events.Event) error {
	if len(said) == 0 {
		return nil
	}
	if err := transport.PublishBatch(ctx, workers.Outgoing(topology, lane, said)); err != nil {
		return fmt.Errorf("publish steps: %w", err)
	}
	return nil
}
