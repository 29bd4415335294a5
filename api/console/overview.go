package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// overviewRows is how many tenants a page of the overview has.
const overviewRows = 25

// overview is the page of all tenants, the worst first.
type overview struct {
	States  []stateCount
	Name    string // narrowed to names with this in them
	State   store.FreshnessState
	Tenants []overviewRow
	Found   int
	First   int // the number of the first one shown, from 1
	Pages   pager
	Tracker tracker
}

// stateCount is how many tenants are in a state, and the link to these.
type stateCount struct {
	State  store.FreshnessState
	Count  int
	URL    string
	Chosen bool
}

type overviewRow struct {
	store.Freshness
	Hour, Day store.Success
	History   spark
}

// pager leads through the pages of a listing; empty links lead nowhere.
type pager struct {
	Page, Pages    int
	Previous, Next string
}

// tracker says whether freshness is being tracked.
type tracker struct {
	At     time.Time
	Silent bool
}

// trackerSilent is after how long without a look it counts as silent.
const trackerSilent = 2 * time.Minute

// overview shows all tenants to those whose token is for all. The others have their own tenant's page.
func (c *Console) overview(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	if who.Tenant.ID != uuid.Nil {
		return goTo(tenantURL(who.Tenant.ID))
	}
	query := r.URL.Query()
	body := overview{Name: strings.TrimSpace(query.Get("name")), State: store.FreshnessState(query.Get("state"))}
	if body.State.Badness() < 0 {
		body.State = ""
	}
	if id, err := uuid.Parse(body.Name); err == nil {
		return goTo(tenantURL(id))
	}
	page, _ := strconv.Atoi(query.Get("page"))
	page = min(max(1, page), maxPage)
	all, err := c.lookout.look(ctx)
	if err != nil {
		return shown{}, err
	}
	part := strings.ToLower(body.Name)
	wanted := func(f *store.Freshness) bool {
		return (body.State == "" || f.State == body.State && !f.Suspended) && strings.Contains(strings.ToLower(f.Name), part)
	}
	survey, found, err := all.Survey(ctx, c.Platform, wanted, (page-1)*overviewRows, overviewRows)
	if err != nil {
		return shown{}, err
	}
	body.Found, body.First = found, (page-1)*overviewRows+1
	body.States = body.stateCounts(survey)
	body.Pages = body.pager(page)
	body.Tracker = trackerOf(survey.FreshnessReport)
	if body.Tenants, err = c.overviewRows(ctx, survey); err != nil {
		return shown{}, err
	}
	return shown{Template: "overview.html", Title: "All tenants", Body: body}, nil
}

// maxPage keeps page numbers from growing over what can be counted.
const maxPage = 1_000_000

func (c *Console) overviewRows(ctx context.Context, survey store.FreshnessSurvey) ([]overviewRow, error) {
	ids := make([]uuid.UUID, len(survey.Tenants))
	for i, tenant := range survey.Tenants {
		ids[i] = tenant.Tenant
	}
	from, to := sparkWindow(survey.At)
	samples, err := c.Platform.FreshnessHistory(ctx, ids, from, to, sparkStep)
	if err != nil {
		return nil, err
	}
	rows := make([]overviewRow, len(survey.Tenants))
	for i, tenant := range survey.Tenants {
		hour, day := successOf(tenant.Success)
		rows[i] = overviewRow{Freshness: tenant, Hour: hour, Day: day, History: newSpark(samples[tenant.Tenant], from)}
	}
	return rows, nil
}

// successOf finds the rates of the last hour and the last day.
func successOf(rates []store.Success) (hour, day store.Success) {
	for _, rate := range rates {
		switch rate.Window {
		case "1h":
			hour = rate
		case "24h":
			day = rate
		}
	}
	return hour, day
}

// stateCounts lists the states, the worst first.
func (o *overview) stateCounts(survey store.FreshnessSurvey) []stateCount {
	counts := make([]stateCount, 0, len(store.FreshnessStates))
	for _, state := range slices.Backward(store.FreshnessStates) {
		counts = append(counts, stateCount{state, survey.States[state], o.url(state, 1), state == o.State})
	}
	return counts
}

func (o *overview) url(state store.FreshnessState, page int) string {
	query := url.Values{}
	for name, value := range map[string]string{"name": o.Name, "state": string(state)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if page > 1 {
		query.Set("page", strconv.Itoa(page))
	}
	to := url.URL{Path: "/", RawQuery: query.Encode()}
	return to.String()
}

func (o *overview) pager(page int) pager {
	p := pager{Page: page, Pages: max(1, (o.Found+overviewRows-1)/overviewRows)}
	if page > 1 {
		p.Previous = o.url(o.State, min(page-1, p.Pages))
	}
	if page < p.Pages {
		p.Next = o.url(o.State, page+1)
	}
	return p
}

func trackerOf(report store.FreshnessReport) tracker {
	return tracker{At: report.TrackedAt, Silent: report.TrackedAt.IsZero() || report.At.Sub(report.TrackedAt) > trackerSilent}
}
