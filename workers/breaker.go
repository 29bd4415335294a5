package workers

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// BreakerConfig says when a stage stops taking a tenant's messages by itself: when too many of them die, one cause is
// likely, and whoever mends it would have to replay them all.
type BreakerConfig struct {
	Share  float64       `env:"BREAKER_SHARE, default=0.5"` // dead share of what ended within Window that pauses; above 1 = never
	Least  int           `env:"BREAKER_LEAST, default=50"`  // dead messages below which nothing pauses
	Window time.Duration `env:"BREAKER_WINDOW, default=1m"`
}

// breaker is who paused, where nobody did.
const breaker = "breaker"

// tally counts what ended at a place since a moment.
type tally struct {
	since       time.Time
	ended, dead int
}

// ended counts what became of a tenant's messages, and pauses the tenant at the stage when too many of them died.
func (g *Gate) ended(ctx context.Context, stage events.Stage, tenant uuid.UUID, ended, dead int, last error) {
	if tenant == store.PlatformTenant {
		return // nobody's messages: there is no feed to stop
	}
	at := place{stage, tenant}
	why, pause := g.count(at, ended, dead)
	if !pause {
		return
	}
	g.log.Error().Str("stage", string(stage)).Str("tenant_id", tenant.String()).Str("error", loggable(last)).
		Msg("breaker opened: " + why)
	g.mu.Lock() // at once here; the other processes see it at their next look
	g.known[at] = store.Pause{Tenant: tenant, Stage: stage, At: time.Now(), By: breaker, Why: why}
	g.mu.Unlock()
	if err := g.pauses.Pause(ctx, tenant, stage, breaker, why); err != nil {
		g.log.Warn().Err(err).Str("stage", string(stage)).Str("tenant_id", tenant.String()).Msg("keep the breaker's pause")
	}
}

// count adds to a place's tally and says whether it is full.
func (g *Gate) count(at place, ended, dead int) (why string, pause bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	t := g.tallies[at]
	if t == nil || now.Sub(t.since) > g.config.Window {
		if dead == 0 {
			delete(g.tallies, at) // the usual case keeps nothing
			return "", false
		}
		t = &tally{since: now}
		g.tallies[at] = t
	}
	t.ended += ended
	t.dead += dead
	if t.dead < g.config.Least || float64(t.dead) < g.config.Share*float64(t.ended) {
		return "", false
	}
	delete(g.tallies, at)
	return fmt.Sprintf("%d of %d messages died within %s", t.dead, t.ended, g.config.Window), true
}
