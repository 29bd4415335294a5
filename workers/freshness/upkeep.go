package freshness

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/codybias9/real-estate-os/store"
)

// Records is what the tracker needs of a tenant's part of Postgres.
type Records interface {
	// MeasureCoverage looks through the tenant's properties.
	MeasureCoverage(ctx context.Context, ended int) error
	// LearnSilence notes how long sources have been silent at the longest.
	LearnSilence(ctx context.Context, sources, lanes []string) error
	// ThinHistory removes and thins out what is old.
	ThinHistory(ctx context.Context) error
}

const (
	// A tenant is tended at most so often, and one of which nothing has changed so seldom.
	tendEvery    = time.Hour
	tendEveryOld = 24 * time.Hour
)

// keepUp tends the tenants one by one, whoever has waited longest first: what changes slowly, or costs much, is measured
// here, beside the looks. It works until ctx ends.
func (w *Watch) keepUp(ctx context.Context) {
	for ctx.Err() == nil {
		for _, tenant := range w.untended() {
			if ctx.Err() != nil {
				return
			}
			if err := w.Tend(ctx, tenant); errors.Is(err, store.ErrUnavailable) {
				break
			}
		}
		wait(ctx, w.tracker.Config.Interval)
	}
}

// untended lists the tenants whose turn it is.
func (w *Watch) untended() []store.TenantFacts {
	w.mu.Lock()
	defer w.mu.Unlock()
	var due []store.TenantFacts
	for _, tenant := range w.facts.Tenants {
		age := tendEveryOld
		if tenant.Coverage != nil {
			age = w.facts.At.Sub(tenant.Coverage.MeasuredAt)
		}
		changed := tenant.Coverage == nil || tenant.Coverage.Ended != endedOf(tenant)
		tried := w.facts.At.Sub(w.kept[tenant.Tenant.ID]) < tendEvery
		if !tried && (age >= tendEveryOld || age >= tendEvery && changed) {
			due = append(due, tenant)
		}
	}
	slices.SortStableFunc(due, func(a, b store.TenantFacts) int { return cmp.Compare(measured(a), measured(b)) })
	return due
}

func measured(t store.TenantFacts) int64 {
	if t.Coverage == nil {
		return 0
	}
	return t.Coverage.MeasuredAt.Unix()
}

func endedOf(t store.TenantFacts) (n int) {
	for _, count := range t.Ended {
		n += count.Count
	}
	return n
}

// Tend learns how long the tenant's sources are silent, measures its records' coverage and thins out its history.
func (w *Watch) Tend(ctx context.Context, tenant store.TenantFacts) error {
	now := w.now()
	w.mu.Lock()
	w.kept[tenant.Tenant.ID] = now
	w.mu.Unlock()
	records := w.tracker.Records(tenant.Tenant.ID)
	var sources []string
	for _, source := range tenant.Sources {
		if !source.LastLive.IsZero() {
			sources = append(sources, source.Source)
		}
	}
	err := records.LearnSilence(ctx, sources, w.tracker.Topology.TenantLanes())
	if err == nil && (tenant.Coverage == nil || tenant.Coverage.MeasuredAt.UTC().YearDay() != now.UTC().YearDay()) {
		err = records.ThinHistory(ctx) // once a day
	}
	if err == nil {
		err = records.MeasureCoverage(ctx, endedOf(tenant))
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrTenantDeleted) {
		w.tracker.Log.Warn().Err(err).Stringer("tenant_id", tenant.Tenant.ID).Msg("tenant not measured")
	}
	return err
}

// now is the moment of the last look.
func (w *Watch) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.facts.At
}
