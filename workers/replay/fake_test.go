package replay_test

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/replay"
)

var (
	tenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	tenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
	nobody  = uuid.MustParse("cccccccc-0000-4000-8000-000000000003")
	at      = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// desk is a desk on a fake Postgres.
type desk struct {
	*replay.Desk
	states  map[uuid.UUID]store.TenantState
	letters []store.DeadLetter
	plans   map[uuid.UUID]store.Run
	items   map[uuid.UUID][]store.RunItem
	edits   []store.Edit
	audited []string
	fail    error // of planning for tenantB
	passes  bool
}

func newDesk(letters ...store.DeadLetter) *desk {
	d := &desk{
		states: map[uuid.UUID]store.TenantState{
			store.PlatformTenant: store.TenantActive, tenantA: store.TenantActive, tenantB: store.TenantActive,
		},
		letters: slices.Clone(letters), plans: map[uuid.UUID]store.Run{}, items: map[uuid.UUID][]store.RunItem{}, passes: true,
	}
	d.Desk = &replay.Desk{
		Platform: everybody{d}, Of: func(id uuid.UUID) replay.Letters { return handle{d, id} }, Model: "m", DiscardLimit: 3,
		Judge: func(store.StoredRecord) store.Verdict {
			return store.Verdict{Passed: d.passes, Failures: []store.Failure{{Expectation: "price_positive", Severity: store.SeverityError}}}
		},
	}
	return d
}

// list narrows letters as Postgres does, as far as these tests ask.
func (d *desk) list(owner *uuid.UUID, filter store.DeadLetterFilter) (found []store.DeadLetter) {
	for _, l := range d.letters {
		switch {
		case owner != nil && l.Tenant != *owner, filter.State != "" && l.State != filter.State,
			filter.IDs != nil && !slices.Contains(filter.IDs, l.ID), filter.Stage != "" && l.Stage != filter.Stage:
		default:
			found = append(found, l)
		}
	}
	start := 0
	if filter.After.ID != uuid.Nil {
		start = slices.IndexFunc(found, func(l store.DeadLetter) bool { return l.ID == filter.After.ID }) + 1
	}
	return found[start:min(len(found), start+filter.Limit)]
}

type everybody struct{ *desk }

func (e everybody) DeadLetters(_ context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	return e.list(nil, filter), nil
}

func (e everybody) AllTenants(context.Context) ([]store.Tenant, error) {
	var all []store.Tenant
	for id, state := range e.states {
		all = append(all, store.Tenant{ID: id, State: state})
	}
	return all, nil
}

func (e everybody) LetterOwners(context.Context) ([]uuid.UUID, error) {
	var owners []uuid.UUID
	for _, l := range e.letters {
		if !slices.Contains(owners, l.Tenant) {
			owners = append(owners, l.Tenant)
		}
	}
	return owners, nil
}

func (e everybody) Runs(_ context.Context, id string, _ store.RunFilter, _ int, _ store.RunCursor) ([]store.TenantRun, error) {
	var runs []store.TenantRun
	for tenant, run := range e.plans {
		if run.ID == id {
			runs = append(runs, store.TenantRun{Tenant: tenant, Run: run})
		}
	}
	return runs, nil
}

type handle struct {
	*desk
	tenant uuid.UUID
}

func (h handle) DeadLetters(_ context.Context, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	return h.list(&h.tenant, filter), nil
}

func (h handle) DeadLetter(_ context.Context, id uuid.UUID) (store.DeadLetter, error) {
	found := h.list(&h.tenant, store.DeadLetterFilter{IDs: []uuid.UUID{id}, Limit: 1})
	if len(found) == 0 {
		return store.DeadLetter{}, store.ErrNotFound
	}
	return found[0], nil
}

// PlanRun asks for its pages twice, as a transaction does that loses against another.
func (h handle) PlanRun(_ context.Context, run store.Run, pages iter.Seq2[[]store.RunItem, error], act store.Act) (store.Run, error) {
	var items []store.RunItem
	for range 2 {
		items = nil
		for page, err := range pages {
			if err != nil {
				return run, err
			}
			items = append(items, page...)
		}
	}
	switch {
	case h.tenant == tenantB && h.fail != nil:
		return run, h.fail
	case len(items) == 0:
		return run, store.ErrNotFound
	}
	run.State, run.Why, run.By = store.RunPlanned, act.Why, act.By
	h.plans[h.tenant], h.items[h.tenant] = run, items
	return run, nil
}

func (h handle) change(id string, to store.RunState) (store.Run, bool, error) {
	run, found := h.plans[h.tenant]
	if !found || run.ID != id {
		return run, false, store.ErrNotFound
	}
	run.State = to
	h.plans[h.tenant] = run
	return run, true, nil
}

func (h handle) BeginRun(_ context.Context, id string, _ store.Act) (store.Run, bool, error) {
	return h.change(id, store.RunRunning)
}

func (h handle) CancelRun(_ context.Context, id string, _ store.Act) (store.Run, bool, error) {
	return h.change(id, store.RunCancelled)
}

func (h handle) SaveEdits(_ context.Context, edits []store.Edit) error {
	h.edits = append(h.edits, edits...)
	h.desk.edits = h.edits
	return nil
}

func (h handle) LettersToReplay(_ context.Context, run string, ids []uuid.UUID) ([]store.DeadLetter, map[uuid.UUID]store.Edit, error) {
	edits := map[uuid.UUID]store.Edit{}
	for _, e := range h.desk.edits {
		if e.Run == run && slices.Contains(ids, e.Letter) {
			edits[e.Letter] = e
		}
	}
	return h.list(&h.tenant, store.DeadLetterFilter{IDs: ids, Limit: len(ids)}), edits, nil
}

func (h handle) DiscardLetters(_ context.Context, ids []uuid.UUID, act store.Act, operation json.RawMessage) (n int64, err error) {
	if operation != nil {
		h.desk.audited = append(h.desk.audited, string(operation))
	}
	for i := range h.desk.letters {
		if l := &h.desk.letters[i]; l.Tenant == h.tenant && slices.Contains(ids, l.ID) && l.State != store.LetterDiscarded {
			l.State, l.Discard = store.LetterDiscarded, &store.LetterDiscard{By: act.By, Why: act.Why}
			n++
		}
	}
	return n, nil
}

// event is a property's, as an upstream sends it.
func event(tenant uuid.UUID, id, data string) events.Event {
	return events.Event{
		ID: id, Source: "test", Type: events.Type(events.Property, events.Upserted), Subject: "K", Time: at, TenantID: tenant, Data: []byte(data),
	}
}

const home = `{"ListingKey":"K","ModificationTimestamp":"2026-01-02T03:04:05Z","ListPrice":1.50}`

// raw is a letter that died in ingestion.
func raw(tenant uuid.UUID, name, data string) store.DeadLetter {
	e := event(tenant, "evt-"+name, data)
	msg := e.Message()
	return store.DeadLetter{
		ID: uuid.NewSHA1(tenant, []byte(name)), Tenant: tenant, Event: e.UID(), EventID: e.ID, EventType: e.Type, RecordType: events.Property,
		Key: "K", Stage: events.Ingestion, Reason: events.StageError, Error: "it broke", State: store.LetterOpen,
		RoutingKey: tenant.String() + "." + e.Type, Headers: msg.Metadata, Payload: e.Data, FailedAt: at,
	}
}

// step is a letter that died behind ingestion.
func step(tenant uuid.UUID, name string, stage events.Stage) store.DeadLetter {
	l := raw(tenant, name, home)
	l.Stage, l.Version, l.RoutingKey = stage, events.Version{At: at}, "lane."+tenant.String()
	return l
}

func order(l store.LetterSelection) store.ReplayOrder {
	return store.ReplayOrder{Meant: l, Act: store.Act{By: "ann", Why: "mended"}}
}

func mustPlan(t *testing.T, d *desk, o store.ReplayOrder) store.ReplayReport {
	t.Helper()
	report, err := d.Plan(t.Context(), o)
	require.NoError(t, err)
	return report
}
