package tenancy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// Deletion is how a tenant is deleted.
type Deletion struct {
	// Timeout bounds the wait for what is under way. When it has passed, the tenant stays marked as being deleted, and
	// Delete goes on with it when it is called again.
	Timeout time.Duration
	// Settle is how long what workers have in their hands may take to end. It should be longer than one call of a store.
	Settle   time.Duration
	Progress Progress
}

// rounds is how often what is left is removed: what was written late is removed by the next.
const rounds = 3

// Delete removes a tenant for good: its bindings and its user at the broker, what is held of it, its points, its objects
// and its rows in every table but the audit log. What is still in the queues is ended by the workers, as stale, by order of this
// call: see docs/decisions/0014. It verifies that nothing is left, waits until nothing can come any more, and verifies
// again. A deletion that was cut off, or whose report is not complete, is finished by deleting again.
//
// An error means that it could not go on; the report then says what was done.
func (l *Lifecycle) Delete(ctx context.Context, tenant store.Tenant, act store.Act, how Deletion) (store.Erasure, error) {
	report := store.Erasure{Tenant: tenant, Removed: map[string]int{}, Left: []store.Leftover{}, Queues: []store.QueueRest{}}
	if err := l.usersOf(tenant); err != nil {
		return report, err
	}
	if err := l.shutOut(ctx, tenant, act); err != nil {
		return report, err
	}
	waiting, cancel := context.WithTimeout(ctx, how.Timeout)
	defer cancel()
	err := l.erase(ctx, tenant, &report, how.Progress) // most of it, while the rest settles
	if err == nil {
		how.Progress.tell("waiting for what is under way", 0, 0)
		err = l.settle(waiting, l.Records(tenant.ID), how.Settle)
	}
	if err == nil {
		report.Queues, err = l.awaitQueues(waiting, how.Progress)
	}
	for round := 0; err == nil && round < rounds; round++ {
		if err = l.erase(ctx, tenant, &report, how.Progress); err == nil {
			report.Left, err = l.leftovers(ctx, tenant)
		}
		if len(report.Left) == 0 {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("delete tenant %s: not at its end after %s: delete it again to go on: %w", tenant.ID, how.Timeout, err)
	}
	if err != nil || len(report.Left)+len(report.Queues) > 0 {
		return report, err
	}
	if tenant.State != store.TenantDeleted {
		if _, err := l.Register.Bury(ctx, tenant, act, report.Removed); err != nil {
			return report, err
		}
	}
	report.Complete = true
	return report, nil
}

// shutOut lets nothing more of a tenant in, and has nothing more written for it. All of it is done again for a tenant that
// is being deleted already. No worker that starts meanwhile binds the tenant again: it waits, and finds it marked.
func (l *Lifecycle) shutOut(ctx context.Context, tenant store.Tenant, act store.Act) error {
	err := l.Register.ChangingBindings(ctx, func(ctx context.Context) error {
		if _, err := l.Register.BeginDeletion(ctx, tenant.ID, act); err != nil {
			return err
		}
		return atBroker("unbind the tenant", l.Broker.RemoveTenant(ctx, tenant.ID, l.lanesOf(tenant)))
	})
	if err != nil || !tenant.BrokerUser {
		return err
	}
	return atBroker("remove the tenant's broker user", l.Users.Remove(ctx, tenant.ID))
}

// erase removes what there is at this moment, wherever it is.
func (l *Lifecycle) erase(ctx context.Context, tenant store.Tenant, report *store.Erasure, progress Progress) error {
	held, err := l.Broker.Held(ctx, tenant.ID)
	if err == nil {
		err = l.Broker.RemoveTenant(ctx, tenant.ID, l.lanesOf(tenant))
	}
	if err != nil {
		return atBroker("remove held messages", err)
	}
	for _, n := range held {
		add(report, "held messages", n)
	}
	done := 0
	removed := func(place string) func(int) {
		return func(n int) {
			add(report, place, n)
			done += n
			progress.tell("removed", done, 0)
		}
	}
	if err := l.Points(tenant.ID).Purge(ctx, removed("points")); err != nil {
		return err
	}
	if err := l.Objects(tenant.ID).Purge(ctx, removed("objects")); err != nil {
		return err
	}
	return l.Records(tenant.ID).Purge(ctx, func(table string, rows int) { removed(table)(rows) })
}

func add(report *store.Erasure, place string, n int) {
	if n > 0 {
		report.Removed[place] += n
	}
}

// leftovers counts what is left, wherever it is.
func (l *Lifecycle) leftovers(ctx context.Context, tenant store.Tenant) ([]store.Leftover, error) {
	held, err := l.Broker.Held(ctx, tenant.ID)
	if err != nil {
		return nil, atBroker("count held messages", err)
	}
	left := []store.Leftover{}
	for _, queue := range slices.Sorted(maps.Keys(held)) {
		left = append(left, store.Leftover{Place: queue, Count: held[queue]})
	}
	for _, count := range []func(context.Context) ([]store.Leftover, error){
		l.Points(tenant.ID).Leftovers, l.Objects(tenant.ID).Leftovers, l.Records(tenant.ID).Leftovers,
	} {
		found, err := count(ctx)
		if err != nil {
			return left, err
		}
		left = append(left, found...)
	}
	return left, nil
}
