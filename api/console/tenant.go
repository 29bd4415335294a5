package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// How much of each the tenant's page shows.
const (
	tenantRuns         = 8
	tenantExpectations = 10
	tenantGroups       = 5
)

// tenantPage is one tenant's pipeline.
type tenantPage struct {
	Tenant store.Tenant
	store.Freshness
	Hour, Day  store.Success
	History    spark
	Flow       []flowStage
	Pauses     []store.Pause
	Runs       []listedRun
	Quarantine store.Quarantine
	Groups     []store.LetterGroup // of dead letters
	Fields     []coveredField
	Tracker    tracker
}

// Listed are the runs, as the table of them takes them.
func (p tenantPage) Listed() runsPage { return runsPage{Tenant: p.Tenant.ID, Runs: p.Runs} }

// flowStage is a stage of the pipeline as a step of the flow.
type flowStage struct {
	store.StageFreshness
	Waiting int
	Oldest  time.Time // acceptance of the longest waiting live event; zero where none waits
	Pause   *store.Pause
}

// coveredField is the share of properties that have a field.
type coveredField struct {
	Name  string
	Share float64
}

// tenant shows one tenant.
func (c *Console) tenant(ctx context.Context, who api.Visitor, _ *http.Request) (shown, error) {
	rows := c.Rows(who.Tenant.ID)
	facts, err := rows.Freshness(ctx)
	if err != nil {
		return shown{}, err
	}
	survey := store.SurveyOf(facts)
	body := tenantPage{Tenant: who.Tenant, Freshness: survey.Tenants[0], Pauses: facts.Tenants[0].Pauses, Tracker: trackerOf(survey.FreshnessReport)}
	body.Hour, body.Day = successOf(body.Success)
	body.Flow = flowOf(body.Freshness, body.Pauses)
	body.Fields = coveredFields(body.Coverage)
	from, to := sparkWindow(survey.At)
	samples, err := rows.FreshnessHistory(ctx, from, to, sparkStep)
	if err != nil {
		return shown{}, err
	}
	body.History = newSpark(samples, from)
	recent, err := rows.Runs(ctx, store.RunFilter{}, tenantRuns, store.RunCursor{})
	if err != nil {
		return shown{}, err
	}
	if body.Runs, err = c.listed(ctx, who.Tenant.ID, recent); err != nil {
		return shown{}, err
	}
	if body.Quarantine, err = c.quarantine(ctx, who.Tenant.ID); err != nil {
		return shown{}, err
	}
	if body.Groups, err = rows.LetterGroups(ctx, store.LetterGroupFilter{DeadLetterFilter: store.DeadLetterFilter{Limit: tenantGroups}}); err != nil {
		return shown{}, err
	}
	return shown{Template: "tenant.html", Title: who.Tenant.Name, Crumbs: above(who), Body: body}, nil
}

// quarantine says what keeps a tenant's records in quarantine. Of thousands of records that takes tenths of a second.
func (c *Console) quarantine(ctx context.Context, tenant uuid.UUID) (store.Quarantine, error) {
	return c.kept.find(tenant, func() (store.Quarantine, error) { return c.Rows(tenant).Quarantine(ctx, tenantExpectations) },
		func(q store.Quarantine) time.Duration { return leastStay + time.Duration(q.Records)*time.Millisecond })
}

// above is the way to a tenant's page, for those who may go it.
func above(who api.Visitor, more ...crumb) []crumb {
	if !who.Platform {
		return more
	}
	return append([]crumb{{"All tenants", "/"}}, more...)
}

// within is the way to a page below a tenant's.
func within(who api.Visitor, more ...crumb) []crumb {
	return append(append(above(who), crumb{who.Tenant.Name, tenantURL(who.Tenant.ID)}), more...)
}

func flowOf(f store.Freshness, pauses []store.Pause) []flowStage {
	flow := make([]flowStage, len(f.Stages))
	for i, stage := range f.Stages {
		flow[i] = flowStage{StageFreshness: stage, Waiting: stage.Live.Events + stage.Bulk.Events, Oldest: stage.Live.OldestAccepted}
		if stage.Live.Events == 0 {
			flow[i].Oldest = time.Time{}
		}
		for _, pause := range pauses {
			if pause.Stage == stage.Stage && pause.ResumedAt.IsZero() {
				flow[i].Pause = &pause
			}
		}
	}
	return flow
}

func coveredFields(coverage *store.CoverageShare) []coveredField {
	if coverage == nil || coverage.Records == 0 {
		return nil
	}
	var fields []coveredField
	for _, name := range store.CoverageFields {
		if share, measured := coverage.Share[name]; measured {
			fields = append(fields, coveredField{name, share})
		}
	}
	slices.SortStableFunc(fields, func(a, b coveredField) int { return cmp.Compare(a.Share, b.Share) })
	return fields
}
