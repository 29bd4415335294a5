package api

import (
	"context"
	"net/http"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// Freshness is a tenant's part of Postgres, as its freshness needs it.
type Freshness interface {
	// Freshness reads all that the tenant's freshness is judged by; store.ErrNotFound where it is not served.
	Freshness(ctx context.Context) (store.FreshnessFacts, error)
}

type freshnessIn struct {
	State []store.FreshnessState `query:"state" enum:"fresh,unknown,late,warning,critical" doc:"Only tenants in these states."`
	Limit int                    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"The worst come first."`
}

type freshnessOut struct {
	Body store.FreshnessSurvey
}

const freshnessDoc = "Per tenant, stage and source: how old the oldest unfinished live work is, and so whether the data is `fresh` (less than " +
	"2 hours, unless other thresholds are set), `late`, at `warning` (more than 4 hours) or `critical` (more than 8 hours); and whether its sources " +
	"live, without which nobody knows whether anything should have come: `unknown`. Beside it: what share of events ended well, how long they took " +
	"until search found them, backfills, and which fields records have.\n\n" +
	"A tenant's token gets its own. A platform token that names no tenant gets all of them."

// registerFreshness adds what says how fresh data is.
func (s *Server) registerFreshness(parts Parts) {
	register(s, operation{
		ID: "freshness", Method: http.MethodGet, Path: "/v1/freshness", Tag: "freshness", Scope: ofTenantOrAll,
		Roles: []auth.Role{auth.Reader, auth.Operator}, Summary: "How fresh is the data?", Description: freshnessDoc, WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *freshnessIn) (*freshnessOut, error) {
		if who.Owner.ID == uuid.Nil {
			survey, err := store.SurveyFreshness(ctx, parts.FreshnessOfAll, request.State, request.Limit)
			return &freshnessOut{Body: survey}, err
		}
		facts, err := parts.Freshness(who.Owner.ID).Freshness(ctx)
		if err != nil {
			return nil, err
		}
		return &freshnessOut{Body: store.SurveyOf(facts)}, nil
	})
}
