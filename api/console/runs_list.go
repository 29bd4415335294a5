package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// runsRows is how many runs a page of them has.
const runsRows = 25

// runsPage lists runs, newest first.
type runsPage struct {
	Tenant uuid.UUID // uuid.Nil: of all tenants
	Runs   []listedRun
	Chosen runChoice
	Newest string // the page that begins with the newest; empty where it is this one
	Next   string // the page with older ones; empty where there are none
}

// listedRun is a run in a list.
type listedRun struct {
	api.RunView
	Tenant  uuid.UUID // whose it is, where it is one tenant's
	Tenants int64
	Name    string // of the tenant
}

// Key tells the run from all others of the list: feeds of two tenants may have the same id.
func (r listedRun) Key() string {
	if r.Kind.HasItems() {
		return r.ID
	}
	return r.Tenant.String() + "/" + r.ID
}

// Ended is when nothing more was to come; nil where that lies ahead.
func (r listedRun) Ended() *time.Time {
	if r.State == "working" { // all of it is published
		return nil
	}
	return r.FinishedAt
}

// runs shows a page of a tenant's runs.
func (c *Console) runs(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	query := r.URL.Query()
	body := runsPage{Tenant: who.Tenant.ID, Chosen: runChoiceOf(query)}
	var after store.RunCursor
	after.StartedAt, after.ID = placeOf(query)
	runs, err := c.Rows(who.Tenant.ID).Runs(ctx, body.Chosen.RunFilter, runsRows+1, after)
	if err != nil {
		return shown{}, err
	}
	if len(runs) > runsRows {
		runs = runs[:runsRows]
		last := runs[runsRows-1]
		body.Next = body.url(place(last.StartedAt, last.ID))
	}
	if !after.StartedAt.IsZero() {
		body.Newest = body.url("")
	}
	if body.Runs, err = c.listed(ctx, who.Tenant.ID, runs); err != nil {
		return shown{}, err
	}
	return shown{Template: "runs.html", Title: "Runs", Crumbs: within(who), Body: body}, nil
}

// runsKey names a page of all tenants' runs.
type runsKey struct {
	store.RunFilter
	after store.WholeRunCursor
}

// wholeRuns shows a page of all tenants' runs to those whose token is for all. The others have their own tenant's page.
//
// Invariant 4: only a visitor without a tenant gets to everybody's.
func (c *Console) wholeRuns(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	if who.Tenant.ID != uuid.Nil {
		return goTo(runsURL(who.Tenant.ID))
	}
	query := r.URL.Query()
	body := runsPage{Chosen: runChoiceOf(query)}
	var after store.WholeRunCursor
	after.StartedAt, after.ID = placeOf(query)
	after.Tenant, _ = uuid.Parse(query.Get("of")) // what it cannot have been is nobody
	runs, err := c.everyRun.find(runsKey{body.Chosen.RunFilter, after}, func() ([]store.WholeRun, error) {
		return c.Platform.WholeRuns(ctx, body.Chosen.RunFilter, runsRows+1, after)
	}, func([]store.WholeRun) time.Duration { return 0 }) // the more runs there are, the longer it takes, and the longer it stays
	if err != nil {
		return shown{}, err
	}
	if len(runs) > runsRows {
		runs = runs[:runsRows]
		last := runs[runsRows-1].Cursor()
		body.Next = body.url(place(last.StartedAt, last.ID) + "&of=" + last.Tenant.String())
	}
	if !after.StartedAt.IsZero() {
		body.Newest = body.url("")
	}
	names, err := c.names(ctx)
	if err != nil {
		return shown{}, err
	}
	for _, run := range runs {
		one := listedRun{RunView: api.NewRunView(run.Run), Tenant: run.Tenant, Tenants: run.Tenants, Name: names[run.Tenant]}
		if !run.Kind.HasItems() {
			if one.RunView, err = c.progressOf(ctx, run.Tenant, run.Run); err != nil {
				return shown{}, err
			}
		}
		body.Runs = append(body.Runs, one)
	}
	return shown{Template: "runs.html", Title: "Runs of all tenants", Crumbs: above(who), Body: body}, nil
}

// listed says of a tenant's runs how far each is.
func (c *Console) listed(ctx context.Context, tenant uuid.UUID, runs []store.Run) ([]listedRun, error) {
	list := make([]listedRun, len(runs))
	for i, run := range runs {
		view, err := c.progressOf(ctx, tenant, run)
		if err != nil {
			return nil, err
		}
		list[i] = listedRun{RunView: view, Tenant: tenant, Tenants: 1}
	}
	return list, nil
}

// progressOf says how far a tenant's run is. Of one with items its row says it; of a feed, what became of its events.
func (c *Console) progressOf(ctx context.Context, tenant uuid.UUID, run store.Run) (api.RunView, error) {
	if run.Kind.HasItems() {
		return api.NewRunView(run), nil
	}
	view, err := c.findRun(ctx, tenant, run.ID)
	if errors.Is(err, store.ErrTenantDeleted) || errors.Is(err, store.ErrNotFound) { // it is being deleted
		return api.NewRunView(run), nil
	}
	return view, err
}

// url leads to a page of what is chosen, from a place on.
func (p runsPage) url(from string) string {
	query := p.Chosen.query().Encode()
	if query != "" && from != "" {
		query += "&"
	}
	to := url.URL{Path: runsURL(p.Tenant), RawQuery: query + from}
	return to.String()
}
