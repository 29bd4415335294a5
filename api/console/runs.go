package console

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
)

// runPage is one run.
type runPage struct {
	Tenant uuid.UUID
	api.RunView
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
