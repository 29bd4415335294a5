package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Desk is what pages do about dead letters.
type Desk interface {
	// Plan freezes a replay and reports. store.ErrNotFound: nothing is eligible, and nothing kept; the report says why.
	Plan(ctx context.Context, order store.ReplayOrder) (store.ReplayReport, error)
	// Discard gives letters up. store.ErrSecondNeeded: they are more than one person may, and nothing is done.
	Discard(ctx context.Context, order store.DiscardOrder) (store.DiscardReport, error)
}

// planPage is the form that plans a replay.
type planPage struct {
	Tenant  uuid.UUID // uuid.Nil: letters of all tenants
	Meant   []meantField
	Group   *store.LetterGroup // where they are of one
	Stages  []events.Stage     // where letters whose records are stored may begin; empty where there can be none
	Put     planInput
	Wrong   map[string]string // what is wrong, by field
	Nothing *reportView       // of a plan that came to nothing: why
}

// meantField is one thing that narrows the letters which are meant.
type meantField struct{ Name, Value string }

// meantNames are the names of what may narrow letters, as the API calls them.
var meantNames = []string{"fingerprint", "stage", "reason", "kind", "type", "record_key", "worker_version", "since", "until"}

// maxMeant bounds what narrows letters, in bytes.
const maxMeant = 255

// meantBy reads which of a visitor's letters are meant: open ones that are so. It reports false where that cannot be.
//
// Invariant 4: a visitor with a tenant means that tenant's.
func meantBy(who api.Visitor, values url.Values) (meant store.LetterSelection, fields []meantField, ok bool) {
	if who.Tenant.ID != uuid.Nil {
		meant.Tenant = &who.Tenant.ID
	}
	for _, name := range meantNames {
		if value := values.Get(name); value != "" {
			fields = append(fields, meantField{name, value})
			if len(value) > maxMeant {
				return meant, nil, false
			}
		}
	}
	meant.DeadLetterFilter = store.DeadLetterFilter{
		Fingerprint: values.Get("fingerprint"), Stage: events.Stage(values.Get("stage")), Reason: events.Reason(values.Get("reason")),
		Kind: store.LetterKind(values.Get("kind")), Type: values.Get("type"), Key: values.Get("record_key"),
		WorkerVersion: values.Get("worker_version"), State: store.LetterOpen,
	}
	for name, at := range map[string]*time.Time{"since": &meant.Since, "until": &meant.Until} {
		if text := values.Get(name); text != "" {
			var err error
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				return meant, nil, false
			}
		}
	}
	return meant, fields, true
}

// planURL leads to the form that plans a replay of a tenant's letters, or of everybody's, with what narrows them kept.
func planURL(tenant uuid.UUID, narrowed url.Values) string {
	kept := url.Values{}
	for _, name := range meantNames {
		if value := narrowed.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	to := url.URL{Path: lettersURL(tenant) + "/plan", RawQuery: kept.Encode()}
	return to.String()
}

// askForPlan shows the form.
func (c *Console) askForPlan(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	switch {
	case !mayAct(who):
		return refused(http.StatusForbidden, mayNotAct)
	case ofAll(r) && who.Tenant.ID != uuid.Nil:
		return goTo(planURL(who.Tenant.ID, r.URL.Query()))
	}
	_, fields, ok := meantBy(who, r.URL.Query())
	if !ok {
		return refused(http.StatusUnprocessableEntity, api.ProblemInvalid)
	}
	return c.planForm(ctx, who, planPage{Meant: fields, Put: usualPlan}, http.StatusOK)
}

// planForm is the form with what is in it.
func (c *Console) planForm(ctx context.Context, who api.Visitor, body planPage, status int) (shown, error) {
	body.Tenant, body.Stages = who.Tenant.ID, beginnings
	for _, field := range body.Meant {
		switch stage := events.Stage(field.Value); {
		case field.Name == "fingerprint":
			detail, err := c.lettersOf(who).LetterGroup(ctx, field.Value)
			if err != nil {
				return shown{}, err
			}
			body.Group = &detail.LetterGroup
			if diedOutside(detail.Stage) {
				body.Stages = nil
			}
		case field.Name == "stage" && diedOutside(stage):
			body.Stages = nil
		}
	}
	return shown{
		Template: "plan.html", Title: "Plan a replay", Crumbs: inside(who, crumb{"Dead letters", lettersURL(who.Tenant.ID)}), Body: body,
		status: status, still: true,
	}, nil
}

// diedOutside says whether letters that died at a stage go in by the intake once more: they begin nowhere else.
func diedOutside(stage events.Stage) bool { return stage == "" || stage == events.Ingestion }

// plan plans a replay as the form says, and leads to the run that is planned.
func (c *Console) plan(ctx context.Context, who api.Visitor, r *http.Request) (shown, error) {
	if ofAll(r) && who.Tenant.ID != uuid.Nil {
		return refused(http.StatusForbidden, mayNotAct) // the form for all tenants is for who may see them
	}
	meant, fields, ok := meantBy(who, r.PostForm)
	if !ok {
		return refused(http.StatusUnprocessableEntity, api.ProblemInvalid)
	}
	put := planInputOf(r.PostForm)
	order, wrong := put.order()
	if len(wrong) > 0 {
		return c.planForm(ctx, who, planPage{Meant: fields, Put: put, Wrong: wrong}, http.StatusUnprocessableEntity)
	}
	order.Meant, order.Act.By = meant, who.Subject
	report, err := c.Desk.Plan(ctx, order)
	if errors.Is(err, store.ErrNotFound) {
		nothing := &reportView{ReplayReport: report, Tenant: who.Tenant.ID}
		return c.planForm(ctx, who, planPage{Meant: fields, Put: put, Nothing: nothing}, http.StatusConflict)
	}
	if err != nil {
		return shown{}, err
	}
	return goTo(runURL(who.Tenant.ID, report.RunID))
}
