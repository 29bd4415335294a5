package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/events"
)

// publish sends messages as fast as the broker confirms them and returns when all are confirmed.
func (w *world) publish(ctx context.Context, out []events.Outgoing) error {
	chunks := make(chan []events.Outgoing)
	group, ctx := errgroup.WithContext(ctx)
	for range w.options.Sizes.Publishers {
		group.Go(func() error {
			for chunk := range chunks {
				if err := w.transport.PublishBatch(ctx, chunk); err != nil {
					return fmt.Errorf("publish: %w", err)
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(chunks)
		for chunk := range slices.Chunk(out, w.options.Sizes.PublisherWindow) {
			select {
			case chunks <- chunk:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	return group.Wait()
}

const (
	lookEvery = 10 * time.Millisecond // how exactly the end of a run is seen
	stallTime = 2 * time.Minute       // in which nothing ends: something is broken
)

// ended counts the events that came to their end, in Postgres: of the tenants given, or of all.
func (w *world) ended(ctx context.Context, tenants ...uuid.UUID) (n int, err error) {
	var asked [][16]byte // NULL where none is given
	for _, tenant := range tenants {
		asked = append(asked, tenant)
	}
	err = w.admin.QueryRow(ctx, "SELECT coalesce(sum(events), 0)::bigint FROM endings WHERE $1::uuid[] IS NULL OR tenant_id = ANY ($1)",
		asked).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count what ended: %w", err)
	}
	return n, nil
}

// awaitEnded waits until n events have come to their end, and returns when it saw that.
func (w *world) awaitEnded(ctx context.Context, p *worker, n int) (time.Time, error) {
	last, moved := -1, time.Now()
	for {
		asked := time.Now()
		count, err := w.ended(ctx)
		now := time.Now()
		switch {
		case err != nil:
			return now, err
		case count >= n:
			return now, nil
		case !p.running():
			return now, p.failure("ended")
		case count != last:
			last, moved = count, now
		case now.Sub(moved) > stallTime:
			return now, p.failure(fmt.Sprintf("finished %d of %d events and stands still", count, n))
		}
		// Looking must not become work of its own when there are many rows to add up.
		select {
		case <-time.After(max(lookEvery, 10*now.Sub(asked))):
		case <-ctx.Done():
			return now, context.Cause(ctx)
		}
	}
}

// verify makes sure that a run did what it was timed for: nothing dead, nothing unfinished, and search in step.
func (w *world) verify(ctx context.Context) error {
	var unfinished, dead, indexed int
	err := w.admin.QueryRow(ctx, `SELECT (SELECT count(*) FROM progress WHERE finished_at IS NULL),
		(SELECT count(*) FROM dead_letters), (SELECT count(*) FROM index_entries WHERE present)`).Scan(&unfinished, &dead, &indexed)
	if err != nil {
		return fmt.Errorf("verify the run: %w", err)
	}
	if unfinished > 0 || dead > 0 || indexed == 0 {
		return fmt.Errorf("the run is void: %d events unfinished, %d dead letters, %d records searchable", unfinished, dead, indexed)
	}
	return nil
}
