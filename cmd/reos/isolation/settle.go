package isolation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/codybias9/real-estate-os/store"
)

// settle makes the canaries, or finds those that were kept, and plants what can be stolen.
func (w *World) settle(ctx context.Context, keep bool) error {
	kept, err := w.canaries(ctx, keep)
	if err != nil {
		return err
	}
	if !keep { // a run that was killed has left them
		if err := w.remove(ctx, kept); err != nil {
			return fmt.Errorf("clean up after an earlier run: %w", err)
		}
		kept = nil
	}
	for _, canary := range []**Canary{&w.Attacker, &w.Victim} {
		tenant := store.NewCanary(purpose(keep))
		if len(kept) > 0 {
			tenant, kept = kept[0], kept[1:]
		} else if tenant, err = w.Tenants.Create(ctx, tenant); err != nil {
			return fmt.Errorf("create a canary: %w", err)
		}
		*canary = newCanary(tenant, w.Dimension)
		if err := w.plant(ctx, *canary); err != nil {
			return err
		}
	}
	if w.Attacker.Connection, err = w.Tenants.Connect(ctx, w.Attacker.Tenant); err != nil {
		return fmt.Errorf("make the attacker's broker user: %w", err)
	}
	return nil
}

func purpose(keep bool) string {
	if keep {
		return store.CanaryProbe
	}
	return store.CanaryVerify
}

// canaries lists the tenants that runs of the kind have made, by name. Of kept ones, only those that can be used.
func (w *World) canaries(ctx context.Context, keep bool) ([]store.Tenant, error) {
	tenants, err := w.Tenants.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("list canaries: %w", err)
	}
	return slices.DeleteFunc(tenants, func(t store.Tenant) bool {
		return t.Canary() != purpose(keep) || t.State == store.TenantDeleted || keep && t.State != store.TenantActive
	}), nil
}

// leave removes the canaries, or what must not stay of those that are kept.
func (w *World) leave(ctx context.Context, keep bool) error {
	var errs []error
	for _, c := range []*Canary{w.Attacker, w.Victim} {
		if c != nil && keep {
			errs = append(errs, w.reap(ctx, c))
		}
	}
	if keep {
		return errors.Join(errs...)
	}
	left, err := w.canaries(ctx, keep) // one that was made, and of which this run was never told, is among them
	return errors.Join(append(errs, err, w.remove(ctx, left))...)
}

// remove removes canaries, all at once: most of it is waiting.
func (w *World) remove(ctx context.Context, tenants []store.Tenant) error {
	errs := make([]error, len(tenants))
	var wait sync.WaitGroup
	for i, tenant := range tenants {
		wait.Go(func() {
			if err := w.Tenants.Remove(ctx, tenant); err != nil {
				errs[i] = fmt.Errorf("remove canary %s: %w", tenant.ID, err)
			}
		})
	}
	wait.Wait()
	return errors.Join(errs...)
}
