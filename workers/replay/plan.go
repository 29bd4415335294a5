package replay

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// sampled is how many of the selected a report shows.
const sampled = 10

// errNothing says that no letter is eligible.
var errNothing = fmt.Errorf("plan replay: no letter is eligible: %w", store.ErrNotFound)

// Plan freezes the letters that are meant and eligible as a run that is planned, and reports. Nothing is replayed.
// store.ErrNotFound: none is eligible, the report says why, and nothing is kept.
func (d *Desk) Plan(ctx context.Context, order store.ReplayOrder) (store.ReplayReport, error) {
	p := &plan{desk: d, order: order, report: store.ReplayReport{
		ByTenant: []store.TenantShare{}, ByStage: []store.StageShare{}, LeftOut: []store.LeftOut{}, Sample: []store.ReplayItem{},
	}}
	if err := p.prepare(ctx); err != nil {
		return p.report, err
	}
	for _, owner := range p.owners {
		if err := p.freeze(ctx, owner); err != nil {
			p.takeBack(ctx)
			return p.report, err
		}
	}
	p.conclude()
	if p.report.Selected == 0 {
		return p.report, errNothing
	}
	return p.report, nil
}

// plan is one that is being made.
type plan struct {
	desk   *Desk
	order  store.ReplayOrder
	patch  jsonpatch.Patch // nil = none
	states tenants
	owners []uuid.UUID // whose letters may be meant: the platform first
	run    store.Run
	ids    []uuid.UUID // of the selected letters
	frozen []uuid.UUID // tenants with a planned run
	stages map[events.Stage]int64
	left   map[string]*store.LeftOut
	report store.ReplayReport
}

func (p *plan) prepare(ctx context.Context) (err error) {
	if p.order.Edit != nil {
		if p.patch, err = decodePatch(p.order.Edit); err != nil {
			return err
		}
	}
	all, err := p.desk.Platform.AllTenants(ctx)
	if err != nil {
		return err
	}
	p.states, p.stages, p.left = tenants{}, map[events.Stage]int64{}, map[string]*store.LeftOut{}
	for _, tenant := range all {
		p.states[tenant.ID] = tenant.State
	}
	if p.order.Meant.Tenant != nil {
		p.owners = []uuid.UUID{*p.order.Meant.Tenant}
	} else if p.owners, err = p.desk.Platform.LetterOwners(ctx); err != nil {
		return err
	}
	slices.SortFunc(p.owners, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	p.report.RunID = "replay-" + uuid.NewString()
	selection, err := json.Marshal(struct {
		Letters store.LetterSelection `json:"letters"`
		Edit    json.RawMessage       `json:"edit,omitempty"`
		Model   string                `json:"model"`
	}{p.order.Meant, p.order.Edit, p.desk.Model})
	if err != nil {
		return fmt.Errorf("encode selection: %w", err)
	}
	p.run = store.Run{
		ID: p.report.RunID, Kind: store.ReplayRun, Source: "dead letters",
		RunWork: store.RunWork{
			Stage: p.order.FromStage, Why: p.order.Act.Why, Ticket: p.order.Ticket, Rate: p.order.Rate,
			Canary: p.order.Canary, StopAbove: p.order.StopAbove, Selection: selection,
		},
	}
	return nil
}

// freeze plans one tenant's part of the run.
func (p *plan) freeze(ctx context.Context, owner uuid.UUID) error {
	letters := p.desk.Of(owner)
	var tally *plan // of the last attempt: pages may be asked for again
	pages := func(yield func([]store.RunItem, error) bool) {
		tally = p.fork()
		var edits []store.Edit
		err := store.SelectLetters(ctx, letters, p.order.Meant, p.patch != nil, func(found []store.DeadLetter) error {
			items, edited := tally.choose(found)
			edits = append(edits, edited...)
			if len(items) > 0 && !yield(items, nil) {
				return errStopped
			}
			return nil
		})
		if err == nil {
			err = letters.SaveEdits(ctx, edits)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
	_, err := letters.PlanRun(ctx, p.run, iter.Seq2[[]store.RunItem, error](pages), p.order.Act)
	if tally != nil {
		p.join(tally, owner)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTenantDeleted): // nothing to do for this one
		return nil
	case err != nil:
		return err
	}
	p.frozen = append(p.frozen, owner)
	return p.saveReport(ctx, letters, tally, owner)
}

var errStopped = errors.New("no more is asked for")

// fork is a plan that counts anew.
func (p *plan) fork() *plan {
	f := *p
	f.ids, f.stages, f.left = nil, map[events.Stage]int64{}, map[string]*store.LeftOut{}
	f.report.Letters, f.report.Sample = 0, nil
	return &f
}

// join adds what was counted of one tenant.
func (p *plan) join(f *plan, owner uuid.UUID) {
	p.report.Letters += f.report.Letters
	p.ids = append(p.ids, f.ids...)
	if n := int64(len(f.ids)); n > 0 {
		p.report.ByTenant = append(p.report.ByTenant, store.TenantShare{Tenant: owner, Letters: n})
	}
	for stage, n := range f.stages {
		p.stages[stage] += n
	}
	for why, left := range f.left {
		if p.left[why] == nil {
			p.left[why] = &store.LeftOut{Why: why, Example: left.Example, Detail: left.Detail}
		}
		p.left[why].Letters += left.Letters
	}
	p.report.Sample = append(p.report.Sample, f.report.Sample[:min(len(f.report.Sample), sampled-len(p.report.Sample))]...)
}

// choose makes items of the letters that are eligible, and counts the others.
func (p *plan) choose(letters []store.DeadLetter) (items []store.RunItem, edits []store.Edit) {
	for _, l := range letters {
		p.report.Letters++
		stage, why := p.states.begin(l, p.order)
		detail := ""
		if why == "" && p.patch != nil {
			edit := store.Edit{Run: p.run.ID, Letter: l.ID, Patch: p.order.Edit}
			var err error
			var refused *refusedEdit
			if edit.Before, edit.After, err = p.desk.edit(p.patch, l); errors.As(err, &refused) {
				why, detail = refused.why, refused.detail
			} else if err != nil {
				why, detail = leftEditFails, err.Error()
			} else {
				edits = append(edits, edit)
			}
		}
		if why != "" {
			p.leave(l, why, detail)
			continue
		}
		item := store.RunItem{Letter: l.ID, Cause: l.Event, Stage: stage}
		if stage != events.Ingestion {
			item.Ref, item.Version = store.Ref{Type: l.RecordType, Key: l.Key}, l.Version
		}
		items = append(items, item)
		p.ids = append(p.ids, l.ID)
		p.stages[stage]++
		if len(p.report.Sample) < sampled {
			p.report.Sample = append(p.report.Sample, store.ReplayItem{
				Letter: l.ID, Tenant: l.Tenant, Stage: stage, Reason: l.Reason, Key: l.Key, Error: l.Error,
			})
		}
	}
	return items, edits
}

func (p *plan) leave(l store.DeadLetter, why, detail string) {
	left := p.left[why]
	if left == nil {
		left = &store.LeftOut{Why: why, Example: l.ID, Detail: detail}
		p.left[why] = left
	}
	left.Letters++
}

// takeBack cancels what was planned of a plan that cannot be finished.
func (p *plan) takeBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), store.Timeout)
	defer cancel()
	for _, owner := range p.frozen {
		// A plan that stays behind does nothing by itself.
		_, _, _ = p.desk.Of(owner).CancelRun(ctx, p.run.ID, store.Act{By: p.order.Act.By, Why: "the plan could not be finished"})
	}
}

// conclude completes the report.
func (p *plan) conclude() {
	r := &p.report
	r.Selected = int64(len(p.ids))
	r.Digest = hex.EncodeToString(store.LettersDigest(p.ids))
	for stage, n := range p.stages {
		r.ByStage = append(r.ByStage, store.StageShare{Stage: stage, Letters: n})
	}
	slices.SortFunc(r.ByStage, func(a, b store.StageShare) int {
		return cmp.Compare(slices.Index(events.Stages, a.Stage), slices.Index(events.Stages, b.Stage))
	})
	for _, left := range p.left {
		r.LeftOut = append(r.LeftOut, *left)
	}
	slices.SortFunc(r.LeftOut, func(a, b store.LeftOut) int { return cmp.Compare(a.Why, b.Why) })
	r.PredictedSeconds = store.PredictReplay(r.Selected, p.order.Rate, p.order.Canary).Seconds()
}
