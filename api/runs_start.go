package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Reruns is a tenant's part of Postgres, as runs that work on stored records once more need it.
type Reruns interface {
	PreviewRerun(ctx context.Context, selection store.RerunSelection) (store.RerunPreview, error)
	// PlanRerun freezes what is selected. store.ErrExists: there is a run of this id; store.ErrNotFound: nothing is selected.
	PlanRerun(ctx context.Context, run store.Run, selection store.RerunSelection, act store.Act) (store.Run, error)
	// What is done to runs with items. store.ErrConflict: the run is not in a state in which that may be done.
	BeginRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	PauseRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	ResumeRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
	CancelRun(ctx context.Context, id string, act store.Act) (store.Run, bool, error)
}

// RunOrder asks for a rerun.
type RunOrder struct {
	RunID     string              `json:"run_id,omitempty" format:"uuid" doc:"A new one where left out. One that exists is refused, so that a request can be sent again."`
	Stage     events.Stage        `json:"stage" enum:"ingestion,quality,embedding,indexing" doc:"Where the records begin again. Ingestion reads the raw bytes of each record's newest version once more."`
	Types     []events.RecordType `json:"types,omitempty" enum:"property,ownership,prospect,lease,offer,document" doc:"All that the stage works on where left out."`
	Since     time.Time           `json:"since,omitzero" required:"false" doc:"Records that were accepted last at this time, or later."`
	Until     time.Time           `json:"until,omitzero" required:"false" doc:"Records that were accepted last before this time."`
	Keys      []string            `json:"keys,omitempty" maxItems:"10000" doc:"Only these records."`
	Filter    map[string]string   `json:"filter,omitempty" doc:"Fields of the record and their values as text; verdict is passed or quarantined." example:"{\"City\":\"Seattle\",\"verdict\":\"quarantined\"}"`
	Rate      float64             `json:"rate,omitempty" minimum:"0" doc:"Events per second at most; as they come where left out."`
	Canary    int64               `json:"canary,omitempty" minimum:"0" doc:"So many records go first, and must end before any other goes; needs stop_above."`
	StopAbove float64             `json:"stop_above,omitempty" minimum:"0" maximum:"1" doc:"The run stops by itself when a greater share of its events dies."`
	Why       string              `json:"why,omitempty" maxLength:"1000" doc:"The reason, for whoever wonders later: it goes into the audit log. Needed unless dry_run is true."`
	Ticket    string              `json:"ticket,omitempty" maxLength:"255" doc:"Where somebody else keeps the story."`
	DryRun    bool                `json:"dry_run,omitempty" doc:"Only say what would be worked on."`
}

type startRunIn struct{ Body RunOrder }

// RunPreview is what a rerun would work on.
type RunPreview struct {
	Selected int64            `json:"selected" doc:"Records."`
	LeftOut  map[string]int64 `json:"left_out,omitempty" doc:"Records that match and cannot begin at this stage, by why."`
	Sample   []RunSample      `json:"sample" doc:"The first of the selected."`
}

// RunSample is one record that a rerun would work on.
type RunSample struct {
	RecordType events.RecordType `json:"record_type"`
	Key        string            `json:"record_key"`
	RecordVersion
}

type startRunOut struct {
	Status int
	Body   struct {
		Preview *RunPreview `json:"preview,omitempty" doc:"Of a dry run."`
		Run     *RunView    `json:"run,omitempty" doc:"Of any other."`
	}
}

const startRunText = `Works on stored records once more, from a stage on: their selection is frozen, and the leading worker
process lets them go bit by bit, on the bulk lane, behind live events. Newer versions that come meanwhile win. With dry_run nothing
happens, and the answer says how many records it would be.`

// reruns starts runs, and changes how they go.
type reruns struct {
	runs  func(tenant uuid.UUID) Reruns
	model string
}

func (s *Server) registerReruns(runs func(tenant uuid.UUID) Reruns, model string) {
	r := &reruns{runs: runs, model: model}
	register(s, operation{
		ID: "start-run", Method: http.MethodPost, Path: "/v1/runs", Tag: "runs", Roles: []auth.Role{auth.Operator},
		Summary: "Work on stored records once more", Description: startRunText, Status: http.StatusAccepted,
		Errors: []int{http.StatusNotFound, http.StatusConflict},
	}, r.start)
	r.registerActs(s)
}

func (r *reruns) start(ctx context.Context, who caller, request *startRunIn) (*startRunOut, error) {
	order := request.Body
	selection, err := order.selection(r.model)
	if err != nil {
		return nil, err
	}
	runs := r.runs(who.Owner.ID)
	out := &startRunOut{Status: http.StatusAccepted}
	if order.DryRun {
		preview, err := runs.PreviewRerun(ctx, selection)
		out.Status, out.Body.Preview = http.StatusOK, NewRunPreview(preview)
		return out, err
	}
	switch {
	case order.Why == "":
		return nil, invalid("body.why", "must say why: it goes into the audit log")
	case order.Canary > 0 && order.StopAbove == 0:
		return nil, invalid("body.stop_above", "must say which share of the canary may die")
	}
	run := store.Run{ID: order.RunID, Source: "API", RunWork: store.RunWork{
		Ticket: order.Ticket, Rate: order.Rate, Canary: order.Canary, StopAbove: order.StopAbove,
	}}
	if run.ID == "" {
		run.ID = uuid.NewString()
	}
	act := store.Act{By: who.Subject, Why: order.Why}
	run, err = runs.PlanRerun(ctx, run, selection, act)
	switch {
	case errors.Is(err, store.ErrExists):
		return nil, problem(http.StatusConflict, ProblemConflict, "there is a run "+order.RunID+" already")
	case errors.Is(err, store.ErrNotFound):
		return nil, problem(http.StatusNotFound, ProblemNotFound, "nothing is selected: a dry run tells what is left out, and why")
	case err != nil:
		return nil, err
	}
	if run, _, err = runs.BeginRun(ctx, run.ID, act); err != nil {
		return nil, err
	}
	view := NewRunView(run)
	out.Body.Run = &view
	return out, nil
}

// selection is what an order asks for.
func (o RunOrder) selection(model string) (store.RerunSelection, error) {
	selection := store.RerunSelection{Stage: o.Stage, Types: o.Types, Since: o.Since, Until: o.Until, Keys: o.Keys, Model: model}
	var err error
	for field, value := range o.Filter {
		err = errors.Join(err, selection.Narrow(field, value))
	}
	if err = errors.Join(err, selection.Check()); err == nil {
		return selection, nil
	}
	var wrong *store.SelectionError
	errors.As(err, &wrong)
	return selection, invalid("body."+wrong.Field, "must be "+wrong.Must)
}

// NewRunPreview shows what a rerun would work on.
func NewRunPreview(preview store.RerunPreview) *RunPreview {
	view := &RunPreview{Selected: preview.Selected, LeftOut: preview.LeftOut, Sample: []RunSample{}}
	for _, item := range preview.Sample {
		view.Sample = append(view.Sample, RunSample{
			RecordType: item.Ref.Type, Key: item.Ref.Key, RecordVersion: showVersion(item.Version),
		})
	}
	return view
}
