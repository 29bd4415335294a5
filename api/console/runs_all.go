package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

const (
	maxMembers   = 100_000 // tenants of one run
	membersRows  = 100     // of them, that are shown
	reportsKept  = 10 * time.Minute
	reportsAdded = 100 // tenants' reports that are added up
)

// wholeRun is a run over all its tenants.
type wholeRun struct {
	api.RunView // the sum; its state is that of the part which is behind
	Members     []memberRun
	Tenants     int
	Names       map[uuid.UUID]string
	Report      *reportView // nil where none was kept
}

// memberRun is one tenant's part of a run.
type memberRun struct {
	Tenant uuid.UUID
	api.RunView
}

// Form is what may be done to the run.
func (w wholeRun) Form() *runForm { return formOf(uuid.Nil, w.RunView) }

// wholeRun shows a run with items over all its tenants.
func (c *Console) wholeRun(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	id := r.PathValue("run")
	if who.Tenant.ID != uuid.Nil {
		return goTo(runURL(who.Tenant.ID, id))
	}
	members, err := c.membersOf(ctx, id)
	if err != nil {
		return shown{}, err
	}
	body := wholeRun{RunView: sumOf(members), Tenants: len(members)}
	for _, member := range members[:min(len(members), membersRows)] {
		body.Members = append(body.Members, memberRun{member.Tenant, api.NewRunView(member.Run)})
	}
	if body.Names, err = c.names(ctx); err != nil {
		return shown{}, err
	}
	if body.Report, err = c.reportOfAll(ctx, id, members); err != nil {
		return shown{}, err
	}
	if body.Report != nil {
		named := *body.Report
		named.Names, body.Report = body.Names, &named
		named.PredictedSeconds = store.PredictReplay(named.Selected, body.Work.Rate, body.Work.Canary).Seconds()
	}
	return shown{Template: "run-of-all.html", Title: "Run " + id, Crumbs: above(who, crumb{"Runs", runsURL(uuid.Nil)}), Body: body}, nil
}

// membersOf are the parts of a run with items, most items first; else store.ErrNotFound.
//
// Invariant 4: for visitors without a tenant only, whose token is for all.
func (c *Console) membersOf(ctx context.Context, id string) ([]store.TenantRun, error) {
	if id == "" {
		return nil, store.ErrNotFound
	}
	members, err := c.Platform.Runs(ctx, id, store.RunFilter{}, maxMembers, store.RunCursor{})
	if err != nil {
		return nil, err
	}
	members = slices.DeleteFunc(members, func(m store.TenantRun) bool { return !m.Kind.HasItems() })
	if len(members) == 0 {
		return nil, store.ErrNotFound
	}
	slices.SortStableFunc(members, func(a, b store.TenantRun) int { return int(b.Selected - a.Selected) })
	return members, nil
}

// sumOf adds the parts of a run.
func sumOf(members []store.TenantRun) api.RunView {
	sum := members[0].Run
	sum.RunWork.Digest = nil
	for _, m := range members[1:] {
		sum.Selected += m.Selected
		sum.Released += m.Released
		sum.Ended += m.Ended
		sum.Dead += m.Dead
		sum.Skipped += m.Skipped
		sum.Cancelled += m.Cancelled
		if sum.Error == "" {
			sum.Error = m.Error
		}
	}
	for _, state := range store.RunsBehind {
		if slices.ContainsFunc(members, func(m store.TenantRun) bool { return m.State == state }) {
			sum.State = state
			break
		}
	}
	return api.NewRunView(sum)
}

// reportOfAll adds up what was kept of a plan with its tenants' runs; nil where nothing was. It never changes.
func (c *Console) reportOfAll(ctx context.Context, id string, members []store.TenantRun) (*reportView, error) {
	return c.reports.find(id, func() (*reportView, error) {
		var all *reportView
		for _, member := range members[:min(len(members), reportsAdded)] {
			run, err := c.Rows(member.Tenant).Run(ctx, id)
			if errors.Is(err, store.ErrTenantDeleted) || errors.Is(err, store.ErrNotFound) {
				continue // it was deleted meanwhile
			}
			if err != nil {
				return nil, err
			}
			own := reportOf(uuid.Nil, api.NewRunView(run))
			switch {
			case own == nil:
			case all == nil:
				all = own
			default:
				all.merge(own.ReplayReport)
			}
		}
		return all, nil
	}, func(*reportView) time.Duration { return reportsKept })
}
