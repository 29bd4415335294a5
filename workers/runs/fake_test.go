package runs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePart is one tenant's part of a run in a Postgres that does what the real one does, and may fail.
type fakePart struct {
	tenant  uuid.UUID
	run     store.Run
	items   []store.RunItem
	ends    map[uuid.UUID]events.Outcome // finished rows in progress
	active  bool
	deleted bool
	fail    map[string]error // by method
}

func (p *fakePart) failing(method string) error {
	if p.deleted {
		return store.ErrTenantDeleted
	}
	return p.fail[method]
}

func (p *fakePart) SettleRun(context.Context, string) (store.Settled, error) {
	settled := store.Settled{Ended: map[events.Outcome]int{}}
	if err := p.failing("SettleRun"); err != nil {
		return settled, err
	}
	for i := range p.items {
		item := &p.items[i]
		switch outcome, ended := p.ends[item.Event]; {
		case item.State == store.ItemPublished && ended:
			item.State, item.Outcome = store.ItemEnded, outcome
			p.run.Ended++
			settled.Ended[outcome]++
			if outcome == events.Dead {
				p.run.Dead++
			}
		case item.State == store.ItemSelected && (p.run.State == store.RunCancelled || p.run.State == store.RunStopped):
			item.State = store.ItemCancelled
			p.run.Cancelled++
		}
	}
	if p.run.State != store.RunPaused && p.run.InFlight() == 0 && p.run.Left() == 0 {
		if p.run.State == store.RunRunning {
			p.run.State = store.RunDone
		}
		p.run.SettledAt = time.Now()
	}
	settled.Run = p.run
	return settled, nil
}

func (p *fakePart) ReleaseRun(_ context.Context, _ string, limit int) (released, skipped int, err error) {
	if err := p.failing("ReleaseRun"); err != nil || p.run.State != store.RunRunning {
		return 0, 0, err
	}
	for i := range p.items {
		if released < limit && p.items[i].State == store.ItemSelected {
			p.items[i].State = store.ItemReleased
			released++
		}
	}
	p.run.Released += int64(released)
	return released, 0, nil
}

func (p *fakePart) Unpublished(_ context.Context, _ string, limit int) ([]store.ReleasedItem, error) {
	if err := p.failing("Unpublished"); err != nil {
		return nil, err
	}
	var found []store.ReleasedItem
	for _, item := range p.items {
		if item.State != store.ItemReleased || len(found) == limit {
			continue
		}
		released := store.ReleasedItem{RunItem: item}
		if item.Stage == events.Ingestion {
			released.Origin = &store.RunOrigin{ID: "1", Source: "mls", Type: events.Type(item.Ref.Type, events.Upserted), OccurredAt: item.Version.At}
		} else {
			released.Waiting = &store.Unmoved{
				Event: item.Event, ID: item.Event.String(), Ref: item.Ref, Version: item.Version, RunID: p.run.ID, OccurredAt: epoch, AcceptedAt: epoch,
				Place: store.Place{Stage: item.Stage, Lane: events.BulkLane},
			}
		}
		found = append(found, released)
	}
	return found, nil
}

func (p *fakePart) MarkPublished(_ context.Context, _ string, published store.Published) error {
	if err := p.failing("MarkPublished"); err != nil {
		return err
	}
	for i := range p.items {
		item := &p.items[i]
		if item.State != store.ItemReleased {
			continue
		}
		if slices.Contains(published.Confirmed, item.Ordinal) {
			item.State = store.ItemPublished
			p.run.Published++
		} else if reason, ok := published.Skipped[item.Ordinal]; ok {
			item.State, item.Reason = store.ItemSkipped, reason
			p.run.Released--
			p.run.Skipped++
		}
	}
	return nil
}

func (p *fakePart) StopRun(_ context.Context, _, why string, _ store.Act) (store.Run, bool, error) {
	if err := p.failing("StopRun"); err != nil {
		return p.run, false, err
	}
	if p.run.State != store.RunRunning && p.run.State != store.RunPaused {
		return p.run, false, store.ErrConflict
	}
	p.run.State, p.run.Error = store.RunStopped, why
	return p.run, true, nil
}

// count says how many items are in a state.
func (p *fakePart) count(state store.ItemState) (n int) {
	for _, item := range p.items {
		if item.State == state {
			n++
		}
	}
	return n
}

// bench is an executor on fakes. Its transport confirms what it takes, and its pipeline ends what was confirmed when work
// is called.
type bench struct {
	t        *testing.T
	parts    []*fakePart
	executor *Executor
	raw      map[uuid.UUID][]byte

	broker   error             // of every publish
	sent     map[uuid.UUID]int // how often each event was published
	messages []events.Event    // in order
	waiting  []uuid.UUID       // published, and not yet worked on
}

var epoch = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// newBench starts one run, with so many items for each tenant.
func newBench(t *testing.T, work store.RunWork, items ...int) *bench {
	b := &bench{t: t, sent: map[uuid.UUID]int{}, raw: map[uuid.UUID][]byte{}}
	id := uuid.NewString()
	if work.Stage == "" {
		work.Stage = events.Quality
	}
	for _, n := range items {
		work.Selected = int64(n)
		part := &fakePart{
			tenant: uuid.New(), active: true, ends: map[uuid.UUID]events.Outcome{}, fail: map[string]error{},
			run: store.Run{ID: id, Kind: store.RerunRun, State: store.RunRunning, RunWork: work},
		}
		for i := range n {
			item := store.RunItem{
				Ordinal: int64(i + 1), Cause: uuid.New(), Ref: store.Ref{Type: events.Property, Key: fmt.Sprint("k", i)},
				Version: events.NewVersion(epoch, 0), Stage: work.Stage, State: store.ItemSelected,
			}
			item.Event = store.RunEvent(id, part.tenant, item)
			part.items = append(part.items, item)
		}
		b.parts = append(b.parts, part)
	}
	b.restart()
	return b
}

// restart is a new process: nothing is known but what Postgres holds.
func (b *bench) restart() {
	b.executor = NewExecutor(b, func(tenant uuid.UUID) Records { return b.part(tenant) }, map[store.RunKind]Source{
		store.RerunRun: NewRerun(events.DefaultTopology(), func(_ context.Context, _, event uuid.UUID) ([]byte, error) {
			raw, ok := b.raw[event]
			if !ok {
				return nil, store.ErrNotFound
			}
			return raw, nil
		}),
	}, b, nil, NewMetrics(prometheus.NewRegistry()), zerolog.Nop())
}

func (b *bench) part(tenant uuid.UUID) *fakePart {
	at := slices.IndexFunc(b.parts, func(p *fakePart) bool { return p.tenant == tenant })
	return b.parts[at]
}

func (b *bench) RunsAtWork(context.Context) ([]store.RunAtWork, error) {
	var at []store.RunAtWork
	for _, p := range b.parts {
		if p.run.SettledAt.IsZero() {
			at = append(at, store.RunAtWork{Tenant: p.tenant, ID: p.run.ID, Active: p.active})
		}
	}
	return at, nil
}

func (b *bench) Runs(_ context.Context, id string, _ store.RunFilter, _ int, _ store.RunCursor) ([]store.TenantRun, error) {
	var runs []store.TenantRun
	for _, p := range b.parts {
		if p.run.ID == id {
			runs = append(runs, store.TenantRun{Tenant: p.tenant, Run: p.run})
		}
	}
	return runs, nil
}

var errBroker = errors.New("the broker is away")

func (b *bench) PublishBatch(_ context.Context, batch []events.Outgoing) error {
	if b.broker != nil {
		return b.broker
	}
	for _, out := range batch {
		for _, event := range eventsOf(b.t, out) {
			b.messages = append(b.messages, event)
			origin := event.UID()
			if step, err := events.DecodeStep(event); err == nil {
				origin = step.Origin
			}
			b.sent[origin]++
			b.waiting = append(b.waiting, origin)
		}
	}
	return nil
}

// eventsOf are the events of a message, or of a bundle.
func eventsOf(t *testing.T, out events.Outgoing) []events.Event {
	t.Helper()
	members, ok := events.Unbundle(out.Message)
	if !ok {
		event, err := events.Decode(out.Message)
		require.NoError(t, err)
		return []events.Event{event}
	}
	var all []events.Event
	for _, member := range members {
		require.NoError(t, member.Err)
		all = append(all, member.Event)
	}
	return all
}

// look has the executor look once.
func (b *bench) look() {
	at, _ := b.RunsAtWork(context.Background())
	b.executor.look(b.t.Context(), at)
}

// work ends what is on its way, each event once, as outcome says of the nth.
func (b *bench) work(outcome func(n int) events.Outcome) {
	for _, origin := range b.waiting {
		for _, p := range b.parts {
			at := slices.IndexFunc(p.items, func(i store.RunItem) bool { return i.Event == origin })
			if _, ended := p.ends[origin]; at >= 0 && !ended {
				p.ends[origin] = outcome(at)
			}
		}
	}
	b.waiting = nil
}

func well(int) events.Outcome { return events.Done }

// finish looks and works until the run is over.
func (b *bench) finish() {
	b.t.Helper()
	for range 200 {
		b.look()
		b.work(well)
		if at, _ := b.RunsAtWork(context.Background()); len(at) == 0 {
			return
		}
	}
	require.Fail(b.t, "the run does not end")
}

// total counts published events, and those that were published more than once.
func (b *bench) total() (published, again int) {
	for _, n := range b.sent {
		published++
		if n > 1 {
			again++
		}
	}
	return published, again
}
