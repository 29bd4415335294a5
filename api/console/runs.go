package console

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// runsRows is how many runs a page of them has.
const runsRows = 25

// runsPage lists a tenant's runs, newest first.
type runsPage struct {
	Tenant uuid.UUID
	Runs   []api.RunView
	Newest bool   // it begins with the newest
	Next   string // the page with older ones; empty where there are none
}

// runPage is one run.
type runPage struct {
	Tenant uuid.UUID
	api.RunView
}

// runs shows a page of runs.
func (c *Console) runs(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	var after store.RunCursor
	after.StartedAt, after.ID = placeOf(r.URL.Query())
	list, last, err := c.listRuns(ctx, who.Tenant.ID, runsRows, after)
	if err != nil {
		return shown{}, err
	}
	body := runsPage{Tenant: who.Tenant.ID, Runs: list, Newest: after.StartedAt.IsZero()}
	if !last.StartedAt.IsZero() {
		body.Next = runsURL(who.Tenant.ID) + "?" + place(last.StartedAt, last.ID)
	}
	return shown{Template: "runs.html", Title: "Runs", Crumbs: within(who), Body: body}, nil
}

// run shows one run.
func (c *Console) run(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	id := r.PathValue("run")
	view, err := c.findRun(ctx, who.Tenant.ID, id)
	if err != nil {
		return shown{}, err
	}
	return shown{
		Template: "run.html", Title: "Run " + id, Crumbs: within(who, crumb{"Runs", runsURL(who.Tenant.ID)}), Body: runPage{who.Tenant.ID, view},
	}, nil
}

// listRuns lists runs with how far each is. last is where the listing goes on; zero where it is complete.
func (c *Console) listRuns(ctx context.Context, tenant uuid.UUID, limit int, after store.RunCursor) (views []api.RunView, last store.RunCursor, err error) {
	runs, err := c.Rows(tenant).Runs(ctx, limit+1, after)
	if err != nil {
		return nil, last, err
	}
	if len(runs) > limit {
		runs = runs[:limit]
		last = store.RunCursor{StartedAt: runs[limit-1].StartedAt, ID: runs[limit-1].ID}
	}
	views = make([]api.RunView, len(runs))
	for i, run := range runs {
		if run.Kind.HasItems() { // its row says how far it is
			views[i] = api.NewRunView(run)
			continue
		}
		if views[i], err = c.findRun(ctx, tenant, run.ID); err != nil {
			return nil, last, err
		}
	}
	return views, last, nil
}

type runKey struct {
	tenant uuid.UUID
	id     string
}

const (
	// A run that goes on is counted again after countedFor, one that has ended, and may begin anew, after endedFor.
	countedFor = 2 * time.Second
	endedFor   = 30 * time.Second
)

// findRun says how far a tenant's run is; else store.ErrNotFound. All its events are counted for that.
func (c *Console) findRun(ctx context.Context, tenant uuid.UUID, id string) (api.RunView, error) {
	return c.counted.find(runKey{tenant, id}, func() (api.RunView, error) { return api.FindRun(ctx, c.Rows(tenant), id) },
		func(view api.RunView) time.Duration {
			if hasEnded(view) {
				return endedFor
			}
			return countedFor
		})
}

// hasEnded says whether nothing more is to be expected of a run.
func hasEnded(view api.RunView) bool {
	if view.Work != nil {
		return view.Work.SettledAt != nil
	}
	return view.FinishedAt != nil && view.State != "working" && view.Events != nil && len(view.Events.Waiting) == 0
}
