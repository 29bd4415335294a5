package workers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Pauses is where pauses are kept, so that they outlive every process.
type Pauses interface {
	// Pauses lists those of all tenants, the ending ones among them.
	Pauses(ctx context.Context) ([]store.Pause, error)
	// Pause begins one; one that is there stays as it is.
	Pause(ctx context.Context, tenant uuid.UUID, stage events.Stage, by, why string) error
	// EndPause forgets one that ended.
	EndPause(ctx context.Context, pause store.Pause) error
	// Gone lists the tenants that are being deleted, or were not long ago.
	Gone(ctx context.Context) ([]uuid.UUID, error)
}

// look is how often a process looks for pauses: what an operator says is heeded within a second.
const look = 500 * time.Millisecond

// place is a stage of a tenant's pipeline.
type place struct {
	stage  events.Stage
	tenant uuid.UUID
}

// Gate holds the messages of paused tenants, for the runners of one process, and lets them go when a pause ends; those of
// deleted tenants end here, stale. It pauses a tenant itself when its messages die in numbers: see breaker.go.
type Gate struct {
	pauses    Pauses
	transport events.Transport
	topology  events.Topology
	config    BreakerConfig
	log       zerolog.Logger
	open      *prometheus.GaugeVec

	looked chan struct{} // closed after the first look: before it nobody knows who is paused
	once   sync.Once

	mu       sync.RWMutex
	known    map[place]store.Pause
	gone     map[uuid.UUID]bool
	tallies  map[place]*tally
	releases map[place]*release
	holding  map[place]time.Time // when this process last held a message there, until it is let go
}

// NewGate makes a gate; Run keeps it up to date.
func NewGate(pauses Pauses, transport events.Transport, topology events.Topology, config BreakerConfig, registry prometheus.Registerer, log zerolog.Logger) *Gate {
	g := &Gate{
		pauses: pauses, transport: transport, topology: topology, config: config, log: log,
		open: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_pauses", Help: "Tenants whose messages a stage holds, by who paused them: the breaker or an operator.",
		}, []string{"stage", "by"}),
		looked: make(chan struct{}), known: map[place]store.Pause{}, tallies: map[place]*tally{}, releases: map[place]*release{},
		holding: map[place]time.Time{},
	}
	registry.MustRegister(g.open)
	return g
}

// Run looks for pauses until intake ends, then waits until what is being let go is. When work ends first it returns at once.
func (g *Gate) Run(intake, work context.Context) {
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	var releases sync.WaitGroup
	defer releases.Wait()
	for {
		if err := g.look(intake); err == nil {
			g.once.Do(func() { close(g.looked) })
			g.letGo(intake, work, &releases)
		} else if intake.Err() == nil {
			g.log.Warn().Err(err).Msg("look for pauses")
		}
		select {
		case <-ticker.C:
		case <-intake.Done():
			return
		}
	}
}

// look replaces what is known.
func (g *Gate) look(ctx context.Context) error {
	list, err := g.pauses.Pauses(ctx)
	if err != nil {
		return err
	}
	ids, err := g.pauses.Gone(ctx)
	if err != nil {
		return err
	}
	gone := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	list = slices.DeleteFunc(list, func(p store.Pause) bool { return gone[p.Tenant] }) // nothing is held for it, nor let go
	known := make(map[place]store.Pause, len(list))
	g.open.Reset()
	for _, pause := range list {
		known[place{pause.Stage, pause.Tenant}] = pause
		if pause.ResumedAt.IsZero() {
			g.open.WithLabelValues(string(pause.Stage), pausedBy(pause)).Inc()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.holding, func(at place, _ time.Time) bool { return gone[at.tenant] })
	g.strays(known)
	g.known, g.gone = known, gone
	return nil
}

// deleted says whether a tenant is deleted, as far as this process has heard. The stores know better: what slips through
// ends there, with store.ErrTenantDeleted.
func (g *Gate) deleted(tenant uuid.UUID) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.gone[tenant]
}

func pausedBy(pause store.Pause) string {
	if pause.By == breaker {
		return breaker
	}
	return "operator"
}

// await waits for the first look. It reports false when ctx ended first.
func (g *Gate) await(ctx context.Context) bool {
	select {
	case <-g.looked:
		return true
	case <-ctx.Done():
		return false
	}
}

// holds says why the stage takes no messages of a tenant; nil when it does.
func (g *Gate) holds(stage events.Stage, tenant uuid.UUID) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	pause, ok := g.known[place{stage, tenant}]
	if !ok || !pause.ResumedAt.IsZero() {
		return nil
	}
	return fmt.Errorf("paused by %s: %s", pause.By, pause.Why)
}
