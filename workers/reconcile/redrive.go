package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

const (
	redriveBatch = 500  // events of a tenant at a time
	redriveRound = 2000 // events between two looks at the queues
	roundPause   = 200 * time.Millisecond
	runTimeout   = time.Minute // a broker that is away is waited for no longer

	// hopeless is how often an event is driven again without moving before somebody is told.
	hopeless = 5
)

// OverduePlatform is what a Redriver needs of Postgres across tenants.
type OverduePlatform interface {
	// Behind lists the tenants that have unfinished events which were accepted longer ago than after.
	Behind(ctx context.Context, after time.Duration) ([]uuid.UUID, error)
}

// OverdueRecords is what a Redriver needs of a tenant's part of Postgres.
type OverdueRecords interface {
	// Redrive marks events that do not move as driven again, and returns them. An event that is marked is not returned
	// again before q.After has passed.
	Redrive(ctx context.Context, q store.Overdue) ([]store.Unmoved, error)
}

// Redriver publishes again what unfinished events wait for, where it must have been lost: the event has not moved for
// long, and the queue that it waits in is empty.
//
// Invariant 6: no accepted record is forgotten, even if the broker lost its disk.
type Redriver struct {
	platform  OverduePlatform
	records   func(tenant uuid.UUID) OverdueRecords
	transport events.Transport
	topology  events.Topology
	config    Config
	metrics   *Metrics
	log       zerolog.Logger
}

// NewRedriver makes a redriver; records hands out tenant-bound handles.
func NewRedriver(
	platform OverduePlatform, records func(uuid.UUID) OverdueRecords, transport events.Transport, topology events.Topology,
	config Config, metrics *Metrics, log zerolog.Logger,
) *Redriver {
	return &Redriver{
		platform: platform, records: records, transport: transport, topology: topology, config: config, metrics: metrics, log: log,
	}
}

// Run drives on what is overdue, in rounds: before each it looks at the queues again, so that it never adds to a
// backlog. It returns when nothing more is overdue, or the queues are no longer empty.
func (r *Redriver) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	for {
		more, err := r.round(ctx)
		if err != nil {
			return err
		}
		if !more {
			r.metrics.redrove(time.Now())
			return nil
		}
		select {
		case <-time.After(roundPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// round drives on at most redriveRound events, and says whether there are more.
func (r *Redriver) round(ctx context.Context) (more bool, err error) {
	places, err := r.drained(ctx)
	if err != nil || len(places) == 0 {
		return false, err
	}
	tenants, err := r.platform.Behind(ctx, r.config.RedriveAfter)
	if err != nil {
		return false, err
	}
	left := redriveRound
	for _, tenant := range tenants {
		if left <= 0 {
			return true, nil // those who had their turn are marked: it is the others' next
		}
		limit := min(left, redriveBatch)
		unmoved, err := r.records(tenant).Redrive(ctx, store.Overdue{
			After: r.config.RedriveAfter, Places: places, Lanes: r.topology.AllLanes(), Limit: limit,
		})
		if err != nil {
			return false, err
		}
		if err := r.say(ctx, tenant, unmoved); err != nil {
			return false, err
		}
		left -= len(unmoved)
		more = more || len(unmoved) == limit
	}
	return more, nil
}

// drained lists the places whose queue is empty. Where messages wait, the missing one may be among them.
func (r *Redriver) drained(ctx context.Context) ([]store.Place, error) {
	depths, err := r.transport.Depths(ctx)
	if err != nil {
		return nil, fmt.Errorf("read queue depths: %w", err)
	}
	var places []store.Place
	for _, stage := range []events.Stage{events.Quality, events.Embedding, events.Indexing} {
		for _, source := range r.topology.Sources(stage) {
			if depth, known := depths[source.Queue]; known && depth == 0 {
				places = append(places, store.Place{Stage: stage, Lane: source.Lane})
			}
		}
	}
	return places, nil
}

// say publishes what events of one tenant wait for, each on its own lane.
func (r *Redriver) say(ctx context.Context, tenant uuid.UUID, unmoved []store.Unmoved) error {
	byLane := map[string][]events.Event{}
	for _, event := range unmoved {
		byLane[event.Place.Lane] = append(byLane[event.Place.Lane], workers.WaitsFor(tenant, event))
	}
	for lane, steps := range byLane {
		if err := publish(ctx, r.transport, r.topology, lane, steps); err != nil {
			return fmt.Errorf("drive events of tenant %s: %w", tenant, err)
		}
	}
	for _, event := range unmoved {
		r.metrics.redriven(event.Place.Stage)
	}
	r.report(tenant, unmoved)
	return nil
}

// report tells of events that are driven again and again and do not move: it is not for want of a message.
func (r *Redriver) report(tenant uuid.UUID, unmoved []store.Unmoved) {
	if len(unmoved) > 0 {
		r.log.Info().Stringer("tenant_id", tenant).Int("events", len(unmoved)).Msg("unfinished events driven again")
	}
	stuck := slices.DeleteFunc(slices.Clone(unmoved), func(u store.Unmoved) bool { return u.Redrives < hopeless })
	for _, event := range stuck {
		r.metrics.stuck(event.Place.Stage)
	}
	if len(stuck) > 0 {
		first := stuck[0]
		r.log.Error().Stringer("tenant_id", tenant).Str("event_id", first.ID).Str("stage", string(first.Place.Stage)).
			Str("record_key", first.Ref.Key).Int("redrives", first.Redrives).Int("events", len(stuck)).
			Msg("events do not move however often they are driven again")
	}
}
