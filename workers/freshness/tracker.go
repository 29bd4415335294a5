package freshness

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Config is how the tracker works.
type Config struct {
	Interval     time.Duration `env:"FRESHNESS_INTERVAL, default=15s"`     // between two looks; publishing waits no longer
	History      time.Duration `env:"FRESHNESS_HISTORY, default=5m"`       // between two rows of a tenant in the SLI history
	TenantLabels int           `env:"FRESHNESS_TENANT_LABELS, default=50"` // tenants with metrics of their own, the worst
}

// Leadership lets one process of many work.
type Leadership interface {
	// LeadTracking runs work while no other process leads, and returns when work does; false at once when another one
	// leads. work's context ends when the leadership is lost.
	LeadTracking(ctx context.Context, work func(context.Context)) (led bool, err error)
}

// Parts are what a tracker works with.
type Parts struct {
	Leadership Leadership
	Platform   Platform
	Records    func(tenant uuid.UUID) Records // hands out tenant-bound handles
	Transport  events.Transport
	Topology   events.Topology
	Config     Config
	Metrics    *Metrics
	Log        zerolog.Logger
}

// Tracker looks at intervals how fresh every tenant's data is, and says it: as gauges, as events and as history. Of all
// processes that share a database one tracks; the others stand by.
//
// It keeps nothing that a state depends on: what it remembers spares it reading.
type Tracker struct {
	Parts
	seen atomic.Int64 // when it last looked, or found another at work, as Unix time in ns; at first, when it was made
}

// NewTracker makes a tracker; Run starts it.
func NewTracker(parts Parts) *Tracker {
	parts.Log = parts.Log.With().Str("stage", string(events.Freshness)).Logger()
	t := &Tracker{Parts: parts}
	t.touch()
	return t
}

func (t *Tracker) touch() { t.seen.Store(time.Now().UnixNano()) }

// overdueAfter is how many intervals may pass without a look.
const overdueAfter = 4

// Ready says that looks have stopped coming; nil while they come, here or in the process that leads.
func (t *Tracker) Ready(context.Context) error {
	if since := time.Since(time.Unix(0, t.seen.Load())); since > overdueAfter*t.Config.Interval {
		return fmt.Errorf("freshness was last evaluated %s ago", since.Round(time.Second))
	}
	return nil
}

// Run tracks whenever no other process does, until ctx ends.
func (t *Tracker) Run(ctx context.Context) {
	failed := false
	for ctx.Err() == nil {
		led, err := t.Leadership.LeadTracking(ctx, t.track)
		switch {
		case err != nil && ctx.Err() == nil && !failed:
			t.Log.Warn().Err(err).Msg("not tracking freshness")
		case err == nil && !led:
			t.touch()
		}
		failed = err != nil
		wait(ctx, t.Config.Interval)
	}
}

// track looks at once and then at intervals, until ctx ends. A look that fails is logged and made again at the next.
func (t *Tracker) track(ctx context.Context) {
	t.Log.Debug().Msg("tracking freshness")
	t.Metrics.lead(true)
	defer t.Metrics.lead(false)
	watch := t.Watch()
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { watch.keepUp(ctx) })
	for ctx.Err() == nil {
		_, next, err := watch.Look(ctx)
		if err != nil && ctx.Err() == nil {
			t.Log.Warn().Err(err).Msg("freshness not evaluated")
		}
		wait(ctx, next)
	}
}

// Watch begins to watch, with nothing remembered. Run does it by itself; tests look when they like.
func (t *Tracker) Watch() *Watch {
	return &Watch{
		tracker: t, known: map[uuid.UUID]known{}, saved: map[uuid.UUID]saved{}, published: map[uuid.UUID]store.FreshnessState{},
		kept: map[uuid.UUID]time.Time{},
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
