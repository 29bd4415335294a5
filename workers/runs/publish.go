package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// publishItems bounds the items whose messages are made and published at a time. Stages take together what comes together.
const publishItems = releaseItems

// publish publishes all released items of a member that are not known to be published, and marks them.
//
// Invariant 1: they are marked after the broker has confirmed them. Where a process dies between the two, they are
// published again, under the same ids.
func (e *Executor) publish(ctx context.Context, m *member) error {
	for {
		items, err := m.records.Unpublished(ctx, m.ID, publishItems)
		if errors.Is(err, store.ErrTenantDeleted) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(items) == 0 {
			e.tidy[m.RunAtWork] = true
			return nil
		}
		messages, err := e.sources[m.run.Kind].Messages(ctx, m.Tenant, m.run, items)
		if err != nil {
			return fmt.Errorf("make messages: %w", err)
		}
		if err := e.send(ctx, m, messages); err != nil {
			return err
		}
		if p := messages.Published; len(p.Confirmed)+len(p.Final)+len(p.Skipped) == 0 {
			return fmt.Errorf("nothing came of %d released items", len(items))
		}
	}
}

// send publishes messages, and marks what is true then.
func (e *Executor) send(ctx context.Context, m *member, messages workers.RunMessages) error {
	defer e.courtesy.Enter(events.BulkLane, len(messages.Out))()
	if len(messages.Out) > 0 {
		if err := e.transport.PublishBatch(ctx, messages.Out); err != nil {
			return fmt.Errorf("publish items: %w", err)
		}
	}
	return m.records.MarkPublished(ctx, m.ID, messages.Published)
}
