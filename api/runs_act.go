package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

type changeRunIn struct {
	ID   string `path:"id" maxLength:"255" doc:"The run's id."`
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"1000" doc:"The reason, for whoever wonders later: it goes into the audit log."`
	}
}

type changedRunOut struct {
	Body struct {
		Run     RunView `json:"run" doc:"As it is now."`
		Changed bool    `json:"changed" doc:"It was not so before."`
	}
}

// changeRun is one of the methods of Reruns.
type changeRun func(runs Reruns, ctx context.Context, id string, act store.Act) (store.Run, bool, error)

// registerActs adds what operators do to runs with items.
func (r *reruns) registerActs(s *Server) {
	for _, act := range []struct {
		verb, summary, description string
		change                     changeRun
	}{
		{"pause", "Let nothing more of a run go", "What is on its way goes on to its end. A run over several tenants goes on for the others.", Reruns.PauseRun},
		{"resume", "Let a run go on", "One that is paused, or planned.", Reruns.ResumeRun},
		{"cancel", "End a run", "What is not yet released never will be; what is on its way goes on to its end.", Reruns.CancelRun},
	} {
		register(s, operation{
			ID: act.verb + "-run", Method: http.MethodPost, Path: "/v1/runs/{id}/" + act.verb, Tag: "runs", Roles: []auth.Role{auth.Operator},
			Summary: act.summary, Description: act.description, Errors: []int{http.StatusNotFound, http.StatusConflict}, WhileSuspended: true,
		}, r.changing(act.change))
	}
}

func (r *reruns) changing(change changeRun) func(context.Context, caller, *changeRunIn) (*changedRunOut, error) {
	return func(ctx context.Context, who caller, request *changeRunIn) (*changedRunOut, error) {
		run, changed, err := change(r.runs(who.Owner.ID), ctx, request.ID, store.Act{By: who.Subject, Why: request.Body.Why})
		if errors.Is(err, store.ErrConflict) {
			return nil, problem(http.StatusConflict, ProblemConflict, "the run is "+NewRunView(run).State)
		}
		out := &changedRunOut{}
		out.Body.Run, out.Body.Changed = NewRunView(run), changed
		return out, err
	}
}
