package runs

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// lookEvery is the time between two looks at the runs at work.
const lookEvery = 200 * time.Millisecond

// executorName is who stops a run, in the audit log.
const executorName = "runs"

// Platform is what an Executor needs of Postgres across tenants.
type Platform interface {
	// RunsAtWork lists the runs with items for which there is something to do, the oldest first.
	RunsAtWork(ctx context.Context) ([]store.RunAtWork, error)
	// Runs lists the parts of a run, those that are finished among them.
	Runs(ctx context.Context, id string, filter store.RunFilter, limit int, after store.RunCursor) ([]store.TenantRun, error)
}

// Records is what an Executor needs of a tenant's part of Postgres.
type Records interface {
	// SettleRun notes which events of a run have ended, and finishes it where that is all.
	SettleRun(ctx context.Context, id string) (store.Settled, error)
	// ReleaseRun accepts up to limit further items, unless the run does not run any more.
	ReleaseRun(ctx context.Context, id string, limit int) (released, skipped int, err error)
	// Unpublished lists items that are accepted and not known to be published.
	Unpublished(ctx context.Context, id string, limit int) ([]store.ReleasedItem, error)
	// MarkPublished notes what became of released items.
	MarkPublished(ctx context.Context, id string, published store.Published) error
	// StopRun ends a run that must not go on; store.ErrConflict where it has ended.
	StopRun(ctx context.Context, id, why string, act store.Act) (store.Run, bool, error)
}

// Executor works through the runs of all tenants. Only one process should do so at a time: two are harmless, and publish
// some messages twice. It is not safe for concurrent use.
type Executor struct {
	platform  Platform
	records   func(tenant uuid.UUID) Records
	sources   map[store.RunKind]Source
	transport Publisher
	courtesy  *workers.Courtesy
	metrics   *Metrics
	log       zerolog.Logger

	paces   map[string]*pace         // by run id
	tidy    map[store.RunAtWork]bool // tenants' runs of which nothing is known to be unpublished
	failing map[string]string        // runs that could not be looked at the last time, and why
}

// Publisher is the part of a transport that an Executor needs.
type Publisher interface {
	PublishBatch(ctx context.Context, batch []events.Outgoing) error
}

// NewExecutor makes an executor; records hands out tenant-bound handles. A run whose kind has no source is left alone. What
// goes out takes its turn with the heavy parts of the process's stages.
func NewExecutor(
	platform Platform, records func(uuid.UUID) Records, sources map[store.RunKind]Source, transport Publisher, courtesy *workers.Courtesy,
	metrics *Metrics, log zerolog.Logger,
) *Executor {
	return &Executor{
		platform: platform, records: records, sources: sources, transport: transport, courtesy: courtesy, metrics: metrics, log: log,
		paces: map[string]*pace{}, tidy: map[store.RunAtWork]bool{}, failing: map[string]string{},
	}
}

// Run works until no run has anything to do, or ctx ends. The error is one of finding the runs; what goes wrong with a
// single run is logged, once for as long as it stays the same, and tried again at the next look.
func (e *Executor) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		at, err := e.platform.RunsAtWork(ctx)
		if err != nil {
			return err
		}
		released := e.look(ctx, at)
		if len(at) == 0 {
			return nil
		}
		if released >= releaseItems && ctx.Err() == nil {
			continue // a full part went out: there is room for the next
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Retire forgets what this process knew and shows: it does not lead any more.
func (e *Executor) Retire() {
	clear(e.paces)
	clear(e.tidy)
	clear(e.failing)
	e.metrics.retire()
}

// look looks at every run once, and returns how many items it released.
func (e *Executor) look(ctx context.Context, at []store.RunAtWork) (released int) {
	var order []string
	groups := map[string][]*member{}
	known := map[store.RunAtWork]bool{}
	for _, run := range at {
		if groups[run.ID] == nil {
			order = append(order, run.ID)
		}
		groups[run.ID] = append(groups[run.ID], &member{RunAtWork: run, records: e.records(run.Tenant)})
		known[run] = e.tidy[run]
	}
	e.tidy = known
	for id := range e.paces {
		if groups[id] == nil {
			delete(e.paces, id)
			delete(e.failing, id)
		}
	}
	for _, id := range order {
		n, err := e.advance(ctx, groups[id])
		released += n
		e.report(id, err)
		if ctx.Err() != nil {
			return released
		}
	}
	e.metrics.show(groups)
	return released
}

// report logs what went wrong with a run, unless it is the same as before.
func (e *Executor) report(id string, err error) {
	switch {
	case err == nil:
		delete(e.failing, id)
	case e.failing[id] != err.Error():
		e.failing[id] = err.Error()
		e.log.Warn().Err(err).Str("run_id", id).Msg("run does not go on")
	}
}

// member is one tenant's part of a run.
type member struct {
	store.RunAtWork
	records Records
	run     store.Run
}

// advance looks at one run, of however many tenants, and returns how many items it released.
func (e *Executor) advance(ctx context.Context, members []*member) (released int, err error) {
	id, before := members[0].ID, len(members)
	members, err = e.settle(ctx, members)
	if err != nil || len(members) == 0 {
		return 0, err
	}
	if e.paces[id] == nil || len(members) < before {
		if err := e.recount(ctx, id, members); err != nil {
			return 0, err
		}
	}
	if why := e.paces[id].verdict(members); why != "" {
		return 0, e.stop(ctx, members, why)
	}
	for _, m := range members {
		if !e.tidy[m.RunAtWork] {
			if err := e.publish(ctx, m); err != nil {
				return 0, err
			}
		}
	}
	for _, share := range e.paces[id].shares(members, time.Now()) {
		n, err := e.release(ctx, share.member, share.items)
		released += n
		if err != nil {
			return released, err
		}
	}
	return released, nil
}

// maxParts bounds the tenants of one run.
const maxParts = 10_000

// recount reads what is finished of a run. It counts as much as what is at work: the canary, and the share that may die, are
// over all tenants.
func (e *Executor) recount(ctx context.Context, id string, members []*member) error {
	parts, err := e.platform.Runs(ctx, id, store.RunFilter{}, maxParts, store.RunCursor{})
	if err != nil {
		return err
	}
	if e.paces[id] == nil {
		e.paces[id] = newPace(members[0].run.Rate, time.Now())
	}
	e.paces[id].finished = store.RunWork{}
	for _, part := range parts {
		if !slices.ContainsFunc(members, func(m *member) bool { return m.Tenant == part.Tenant }) {
			add(&e.paces[id].finished, part.RunWork)
		}
	}
	return nil
}

// settle reads how far each member is. One whose tenant was deleted meanwhile is left out, as is one that is finished.
func (e *Executor) settle(ctx context.Context, members []*member) ([]*member, error) {
	var at []*member
	for _, m := range members {
		settled, err := m.records.SettleRun(ctx, m.ID)
		switch {
		case errors.Is(err, store.ErrTenantDeleted):
			continue
		case err != nil:
			return nil, err
		}
		m.run = settled.Run
		if settled.Forgotten > 0 {
			e.tidy[m.RunAtWork] = false
		}
		e.metrics.ended(m.run.Kind, settled.Ended)
		if !m.run.SettledAt.IsZero() {
			e.log.Info().Str("run_id", m.ID).Stringer("tenant_id", m.Tenant).Str("state", string(m.run.State)).
				Int64("events", m.run.Ended).Int64("dead", m.run.Dead).Msg("run finished")
			continue
		}
		if e.sources[m.run.Kind] != nil {
			at = append(at, m)
		}
	}
	return at, nil
}

// stop ends a run of which too many events died, for all its tenants.
func (e *Executor) stop(ctx context.Context, members []*member, why string) error {
	for _, m := range members {
		_, _, err := m.records.StopRun(ctx, m.ID, why, store.Act{By: executorName, Why: why})
		if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrTenantDeleted) {
			return err
		}
	}
	e.metrics.stopped(members[0].run.Kind)
	e.log.Error().Str("run_id", members[0].ID).Str("why", why).Msg("run stopped by itself")
	return nil
}

// release lets further items of a member go, and returns how many went.
func (e *Executor) release(ctx context.Context, m *member, items int) (released int, err error) {
	leave := e.courtesy.Enter(events.BulkLane, items)
	released, _, err = m.records.ReleaseRun(ctx, m.ID, items)
	leave()
	if err != nil || released == 0 {
		return 0, err
	}
	e.paces[m.ID].spend(released, time.Now())
	e.metrics.released(m.run.Kind, released)
	e.tidy[m.RunAtWork] = false
	return released, e.publish(ctx, m)
}
