package freshness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Platform is what the tracker needs of Postgres, across tenants.
type Platform interface {
	store.FreshnessReader
	// LanesWaiting notes which lanes hold messages before ingestion, and returns those that stand still.
	LanesWaiting(ctx context.Context, lanes []store.WaitingLane, gap time.Duration) ([]store.LaneBlock, error)
	// Evaluated notes that a tracker has looked.
	Evaluated(ctx context.Context) error
	// SaveSLIs adds rows to the SLI history.
	SaveSLIs(ctx context.Context, rows []store.SLI) error
}

const (
	// Unfinished work is read at every look. The rest changes slowly, or matters little within minutes: of many
	// tenants, a part of them is read at each look.
	readAtOnce = 1000
	readParts  = 8

	// A broker that is busy answers late for dozens of queues; short intervals leave it this long all the same.
	leastForDepths = 3 * time.Second

	// What is encoded, and written, at a time.
	publishAtOnce = 200
	saveAtOnce    = 2000
)

// Watch is one leadership: what the tracker remembers from look to look. Look is not safe for concurrent use.
type Watch struct {
	tracker   *Tracker
	turn      int // of readParts
	known     map[uuid.UUID]known
	saved     map[uuid.UUID]saved
	unsaved   []unsaved
	published map[uuid.UUID]store.FreshnessState
	publishAt time.Time // when all tenants are published again
	endings   endings

	mu    sync.Mutex
	facts store.FreshnessFacts    // of the last look, for keepUp
	kept  map[uuid.UUID]time.Time // when keepUp last tended a tenant
}

// known is what was read of a tenant at an earlier look.
type known struct {
	sources    []store.SourceSigns
	ended      []store.StageCount
	before     []store.EndedBefore
	searchable []store.SearchableTimes
	coverage   *store.Coverage
	runs       map[store.RunState]int
}

// Look judges every tenant once and says what it found. It also returns when to look again: after the interval, or
// earlier where a state is going to change by itself. What is found is said as far as possible: a broker that is away
// stops neither gauges nor history.
func (w *Watch) Look(ctx context.Context) (facts store.FreshnessFacts, next time.Duration, err error) {
	next = w.tracker.Config.Interval
	began := time.Now()
	if facts, err = w.read(ctx); err != nil {
		return facts, next, fmt.Errorf("read freshness: %w", err)
	}
	depths, queueErr := w.lanes(ctx, &facts)
	picture := newPicture(w.tracker.Config.TenantLabels)
	for i := range facts.Tenants { // one at a time: ten thousand answers are many megabytes
		tenant := facts.Tenants[i].Judge(facts.At)
		picture.add(tenant)
		w.note(tenant)
		if worse := tenant.WorseAt(); !worse.IsZero() {
			next = min(next, max(worse.Sub(facts.At), w.tracker.Config.Interval/3))
		}
	}
	w.endings.count(facts, w.tracker.Metrics)
	w.tracker.Metrics.show(picture.draw(facts, placesOf(depths, w.tracker.Topology), time.Since(began)))
	w.tracker.touch()
	w.mu.Lock()
	w.facts = facts
	w.mu.Unlock()
	return facts, next, errors.Join(queueErr, w.noted(ctx), w.save(ctx), w.publish(ctx, facts))
}

func (w *Watch) noted(ctx context.Context) error {
	if err := w.tracker.Platform.Evaluated(ctx); err != nil {
		return fmt.Errorf("note the look: %w", err)
	}
	return nil
}

// read reads all facts: those of some tenants anew, the slow ones of the others as they were.
func (w *Watch) read(ctx context.Context) (store.FreshnessFacts, error) {
	facts, err := w.tracker.Platform.Freshness(ctx)
	if err != nil {
		return facts, err
	}
	facts.Tenants = slices.DeleteFunc(facts.Tenants, func(t store.TenantFacts) bool { return t.Tenant.Canary() != "" })
	tenants := facts.Tenants
	from, to := 0, len(tenants)
	if to > readAtOnce {
		from, to = w.turn*len(tenants)/readParts, (w.turn+1)*len(tenants)/readParts
		w.turn = (w.turn + 1) % readParts
	}
	var unknown []int
	for i := range tenants {
		if i >= from && i < to {
			continue
		}
		if before, ok := w.known[tenants[i].Tenant.ID]; ok {
			before.give(&tenants[i])
		} else {
			unknown = append(unknown, i)
		}
	}
	if err := w.fill(ctx, tenants[from:to]); err != nil {
		return facts, err
	}
	news := make([]store.TenantFacts, len(unknown))
	for n, i := range unknown {
		news[n] = tenants[i]
	}
	if err := w.fill(ctx, news); err != nil {
		return facts, err
	}
	for n, i := range unknown {
		tenants[i] = news[n]
	}
	w.remember(tenants)
	return facts, nil
}

// fill reads the slow facts of tenants, some at a time.
func (w *Watch) fill(ctx context.Context, tenants []store.TenantFacts) error {
	for len(tenants) > 0 {
		n := min(len(tenants), 2*readAtOnce)
		if err := w.tracker.Platform.FreshnessSigns(ctx, tenants[:n]); err != nil {
			return err
		}
		if err := w.tracker.Platform.FreshnessRates(ctx, tenants[:n]); err != nil {
			return err
		}
		tenants = tenants[n:]
	}
	return nil
}

func (w *Watch) remember(tenants []store.TenantFacts) {
	clear(w.known)
	for i := range tenants {
		t := &tenants[i]
		w.known[t.Tenant.ID] = known{t.Sources, t.Ended, t.Before, t.Searchable, t.Coverage, t.Runs}
	}
}

func (k known) give(t *store.TenantFacts) {
	t.Sources, t.Ended, t.Before, t.Searchable, t.Coverage, t.Runs = k.sources, k.ended, k.before, k.searchable, k.coverage, k.runs
}

// lanes finds the lanes that stand still before ingestion. While the broker does not answer, they are as they were last
// known, and depths is nil.
func (w *Watch) lanes(ctx context.Context, facts *store.FreshnessFacts) (depths map[string]int, err error) {
	bounded, cancel := context.WithTimeout(ctx, max(w.tracker.Config.Interval/3, leastForDepths))
	defer cancel()
	depths, err = w.tracker.Transport.Depths(bounded)
	if err != nil {
		return nil, fmt.Errorf("read queue depths: %w", err)
	}
	accepted := map[string]time.Time{}
	for _, tenant := range facts.Tenants {
		for _, source := range tenant.Sources {
			accepted[tenant.Tenant.Lane] = later(accepted[tenant.Tenant.Lane], source.LastLive)
			accepted[events.BulkLane] = later(accepted[events.BulkLane], source.LastBulk)
		}
	}
	var waiting []store.WaitingLane
	for _, lane := range w.tracker.Topology.AllLanes() {
		if n := depths[w.tracker.Topology.StageQueue(events.Ingestion, lane)]; n > 0 {
			waiting = append(waiting, store.WaitingLane{Lane: lane, Messages: n, LastAccepted: accepted[lane]})
		}
	}
	blocks, err := w.tracker.Platform.LanesWaiting(ctx, waiting, overdueAfter*w.tracker.Config.Interval)
	if err != nil {
		return depths, fmt.Errorf("note waiting lanes: %w", err)
	}
	facts.Stand(blocks)
	return depths, nil
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
