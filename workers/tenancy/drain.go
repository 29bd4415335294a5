package tenancy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// look is how often the queues are looked at.
const look = 250 * time.Millisecond

// drainage knows which queues may still hold messages of a tenant that is being deleted. No broker can count one tenant's
// messages in a queue that it shares. But nothing of the tenant's is added any more, and a queue is first in first out:
// once it was empty, the tenant's have passed, and workers have ended them. So what others add is no matter.
//
// Queues are watched in the order in which a message can go from one to another: what waits for a retry comes back to a
// stage, and what a stage gives up comes to the dead letters.
type drainage struct {
	topology events.Topology
	steps    [][]string // queues not known to be empty yet; a step begins when the one before it is done
	began    time.Time  // of the first step
	depths   map[string]int
}

func newDrainage(topology events.Topology) *drainage {
	d := &drainage{topology: topology, steps: make([][]string, 3)}
	for _, queue := range topology.Queues() {
		switch {
		case queue.Name == topology.Unroutable(): // what comes there belongs to no tenant, and is kept
		case queue.TTL > 0:
			d.steps[0] = append(d.steps[0], queue.Name)
		case queue.Name == topology.DeadLetterQueue():
			d.steps[2] = append(d.steps[2], queue.Name)
		default:
			d.steps[1] = append(d.steps[1], queue.Name)
		}
	}
	return d
}

// look takes away what is empty. A retry queue that others keep busy is done when its delay has passed: what was in it has
// left by then.
func (d *drainage) look(depths map[string]int, now time.Time) {
	if d.began.IsZero() {
		d.began = now
	}
	d.depths = depths
	for i, step := range d.steps {
		if len(step) == 0 {
			continue
		}
		d.steps[i] = slices.DeleteFunc(step, func(queue string) bool {
			return depths[queue] == 0 || i == 0 && now.Sub(d.began) > d.delayOf(queue)
		})
		return // the next step begins with the next look
	}
}

// delayOf is how long a message stays in a retry queue at most.
func (d *drainage) delayOf(queue string) time.Duration {
	for _, one := range d.topology.Queues() {
		if one.Name == queue {
			return one.TTL
		}
	}
	return 0
}

// rest lists the queues that are not done.
func (d *drainage) rest() []store.QueueRest {
	rest := []store.QueueRest{}
	for _, step := range d.steps {
		for _, queue := range step {
			rest = append(rest, store.QueueRest{Queue: queue, Messages: d.depths[queue]})
		}
	}
	slices.SortFunc(rest, func(a, b store.QueueRest) int { return strings.Compare(a.Queue, b.Queue) })
	return rest
}

// awaitQueues looks until no queue can hold a message of the tenant, or ctx ends: then it returns what is left.
func (l *Lifecycle) awaitQueues(ctx context.Context, progress Progress) ([]store.QueueRest, error) {
	d := newDrainage(l.topology)
	all := len(d.rest())
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		depths, err := l.Broker.Depths(ctx)
		switch {
		case err == nil:
			d.look(depths, time.Now())
		case ctx.Err() == nil:
			return d.rest(), atBroker("read queue depths", err)
		}
		left := d.rest()
		progress.tell("queues without messages of it", all-len(left), all)
		if len(left) == 0 || ctx.Err() != nil {
			return left, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// settle waits until nothing is at work any more that began before the tenant was marked as deleted: every transaction of
// Postgres, and what workers had in their hands without one, for which there is only time.
func (l *Lifecycle) settle(ctx context.Context, records Records, atLeast time.Duration) error {
	marked, err := records.Now(ctx)
	if err != nil {
		return err
	}
	until := time.Now().Add(atLeast)
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		older, err := records.OlderWork(ctx, marked)
		if err != nil {
			return err
		}
		if older == 0 && !time.Now().Before(until) {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d transactions that began before the deletion: %w", older, context.Cause(ctx))
		}
	}
}
