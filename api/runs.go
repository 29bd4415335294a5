package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Runs is a tenant's part of Postgres, as runs need it.
type Runs interface {
	// StartRun begins a run, and SaveRun writes how far it is. store.ErrExists: it is being published; store.ErrConflict:
	// it has ended, or is another publisher's by now.
	StartRun(ctx context.Context, run store.Run) (startedAt time.Time, err error)
	SaveRun(ctx context.Context, run store.Run) error
	// Run finds a run, else store.ErrNotFound; Runs lists those that are meant, newest first.
	Run(ctx context.Context, id string) (store.Run, error)
	Runs(ctx context.Context, filter store.RunFilter, limit int, after store.RunCursor) ([]store.Run, error)
	// RunCounts says where the accepted events of a run are.
	RunCounts(ctx context.Context, id string) ([]store.RunCount, error)
	// KnownEvents counts those of the events that were accepted under another run.
	KnownEvents(ctx context.Context, uids []uuid.UUID, run string) (int64, error)
}

// RunView is a run as its publisher sees it.
type RunView struct {
	ID         string             `json:"run_id"`
	Kind       store.RunKind      `json:"kind" doc:"feed; rerun: stored records, once more; replay: dead letters, once more; or events: single events that name this run." example:"feed"`
	State      string             `json:"state" enum:"publishing,published,working,done,interrupted,failed,planned,running,paused,cancelled,stopped" doc:"Of a feed: published: all is in queues; a single run also tells whether that is working still, or done: all has come to its end. Interrupted: the feed broke off. Failed: it cannot be read on, or the broker took no more. What was published before stands; to send the feed again is harmless. Of a rerun or replay: planned: frozen, and nothing happens; running, paused or cancelled by an operator; stopped: by itself, because too many events died; done: every item has come to its end."`
	By         string             `json:"by,omitempty" doc:"Who started it."`
	Source     string             `json:"source,omitempty"`
	Lane       store.EntryLane    `json:"lane,omitempty"`
	Published  int64              `json:"published" doc:"Confirmed by the broker."`
	Known      int64              `json:"known" doc:"Of them: no news, accepted before under another run, or said twice in this one."`
	Rejected   int64              `json:"rejected" doc:"Records that are no events: they were left out."`
	Problems   []store.RunProblem `json:"problems,omitempty" doc:"The first of the rejected."`
	Error      string             `json:"error,omitempty" doc:"Why it ended early."`
	StartedAt  *time.Time         `json:"started_at,omitempty"`
	FinishedAt *time.Time         `json:"finished_at,omitempty" doc:"When the last event was published; of a rerun or replay, when it was done, cancelled or stopped."`
	Percent    *float64           `json:"percent,omitempty" doc:"How much of what is published, or selected, has come to its end." example:"97.5"`
	Work       *RunWorkView       `json:"work,omitempty" doc:"Of a rerun or replay: how it goes, and how far its items are."`
	Events     *RunEvents         `json:"events,omitempty" doc:"Where the run's events are; left out in lists."`
}

// RunEvents says where a run's events are.
type RunEvents struct {
	Accepted int64                    `json:"accepted" doc:"By ingestion, under this run."`
	Outcomes map[events.Outcome]int64 `json:"outcomes" doc:"How many came to which end."`
	Waiting  []RunWaiting             `json:"waiting" doc:"How many wait at which stage."`
	Ended    []RunEnded               `json:"ended" doc:"How many ended at which stage, and why."`
}

// RunWaiting counts the events of a run that wait at a stage.
type RunWaiting struct {
	Stage  events.Stage `json:"stage"`
	Events int64        `json:"events"`
}

// RunEnded counts the events of a run that ended at a stage.
type RunEnded struct {
	Stage   events.Stage   `json:"stage"`
	Outcome events.Outcome `json:"outcome"`
	Reason  events.Reason  `json:"reason,omitempty"`
	Events  int64          `json:"events"`
}

// eventsRun is the kind of a run that nobody started: events name it.
const eventsRun store.RunKind = "events"

type runIn struct {
	ID string `path:"id" maxLength:"255" doc:"The run's id: the runid of its events."`
}

type runOut struct{ Body RunView }

type runsIn struct {
	Kind   string `query:"kind" enum:"feed,rerun,replay" doc:"Runs of this kind only."`
	State  string `query:"state" enum:"publishing,published,interrupted,failed,planned,running,paused,cancelled,stopped,done" doc:"Runs in this state only. Feeds whose events are all in queues are published, whether they are done or not; done are reruns and replays."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor string `query:"cursor" doc:"The next of the page before."`
}

type runsOut struct {
	Body struct {
		Items []RunView `json:"items"`
		Next  string    `json:"next,omitempty" doc:"Names the next page; left out on the last."`
	}
}

// registerRuns adds what says how far runs are.
func (s *Server) registerRuns(runs func(tenant uuid.UUID) Runs) {
	roles := []auth.Role{auth.Publisher, auth.Reader, auth.Operator}
	register(s, operation{
		ID: "show-run", Method: http.MethodGet, Path: "/v1/runs/{id}", Tag: "runs", Roles: roles,
		Summary:     "How far is a run?",
		Description: "Progress and result of a feed, or of single events that name the run. It counts the run's events: ask every few seconds, not more often.",
		Errors:      []int{http.StatusNotFound}, WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *runIn) (*runOut, error) {
		view, err := findRun(ctx, runs(who.Owner.ID), request.ID)
		if err != nil {
			return nil, err
		}
		return &runOut{Body: view}, nil
	})
	register(s, operation{
		ID: "list-runs", Method: http.MethodGet, Path: "/v1/runs", Tag: "runs", Roles: roles,
		Summary: "List runs, newest first", WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *runsIn) (*runsOut, error) {
		return listRuns(ctx, runs(who.Owner.ID), request)
	})
}

func findRun(ctx context.Context, runs Runs, id string) (RunView, error) {
	counts, err := runs.RunCounts(ctx, id)
	if err != nil {
		return RunView{}, err
	}
	run, err := runs.Run(ctx, id)
	switch {
	case errors.Is(err, store.ErrNotFound) && len(counts) > 0:
		view := RunView{ID: id, Kind: eventsRun, State: runWorking}
		view.count(counts)
		if len(view.Events.Waiting) == 0 {
			view.State = runDone
		}
		return view, nil
	case err != nil:
		return RunView{}, err
	}
	view := NewRunView(run)
	view.count(counts)
	if view.Work == nil {
		view.conclude()
	}
	return view, nil
}

func listRuns(ctx context.Context, runs Runs, request *runsIn) (*runsOut, error) {
	var after store.RunCursor
	if err := readCursor(request.Cursor, &after); err != nil {
		return nil, err
	}
	list, err := runs.Runs(ctx, store.RunFilter{Kind: store.RunKind(request.Kind), State: store.RunState(request.State)}, request.Limit+1, after)
	if err != nil {
		return nil, err
	}
	out := &runsOut{}
	out.Body.Items = []RunView{}
	for _, run := range list[:min(len(list), request.Limit)] {
		out.Body.Items = append(out.Body.Items, NewRunView(run))
	}
	if len(list) > request.Limit {
		last := list[request.Limit-1]
		if out.Body.Next, err = writeCursor(store.RunCursor{StartedAt: last.StartedAt, ID: last.ID}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// The states of a run that are not its publisher's alone.
const (
	runWorking = "working"
	runDone    = "done"
)

// NewRunView shows what the run's publisher says.
func NewRunView(run store.Run) RunView {
	view := RunView{
		ID: run.ID, Kind: run.Kind, State: string(run.State), By: run.By, Source: run.Source, Lane: run.Lane,
		Published: run.Published, Known: run.Known, Rejected: run.Rejected, Problems: run.Problems, Error: run.Error,
	}
	if !run.StartedAt.IsZero() {
		view.StartedAt = &run.StartedAt
	}
	if !run.FinishedAt.IsZero() {
		view.FinishedAt = &run.FinishedAt
	}
	if run.Interrupted(time.Now()) {
		view.State, view.Error = string(store.RunInterrupted), "its publisher has said nothing for "+store.RunSilence.String()
	}
	if run.Kind.HasItems() {
		view.Work = newRunWorkView(run.RunWork)
		view.Percent = view.Work.percent()
	}
	return view
}

// count shows where the run's events are.
func (v *RunView) count(counts []store.RunCount) {
	e := &RunEvents{Outcomes: map[events.Outcome]int64{}, Waiting: []RunWaiting{}, Ended: []RunEnded{}}
	for _, c := range counts {
		e.Accepted += c.Events
		if c.Outcome == "" {
			e.Waiting = append(e.Waiting, RunWaiting{Stage: c.Stage, Events: c.Events})
			continue
		}
		e.Outcomes[c.Outcome] += c.Events
		e.Ended = append(e.Ended, RunEnded(c))
	}
	byStage := func(a, b events.Stage) int {
		return cmp.Compare(slices.Index(events.Stages, a), slices.Index(events.Stages, b))
	}
	slices.SortFunc(e.Waiting, func(a, b RunWaiting) int { return byStage(a.Stage, b.Stage) })
	slices.SortFunc(e.Ended, func(a, b RunEnded) int {
		return cmp.Or(byStage(a.Stage, b.Stage), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
	})
	v.Events = e
}

// conclude says how much of a run is done.
func (v *RunView) conclude() {
	ended := int64(0)
	for _, n := range v.Events.Outcomes {
		ended += n
	}
	news := v.Published - v.Known
	percent := 100.0
	if news > 0 {
		percent = float64(min(ended, news)*1000/news) / 10 // down to a tenth: 100 is all
	}
	v.Percent = &percent
	if v.State == string(store.RunPublished) {
		v.State = runWorking
		if ended >= news {
			v.State = runDone
		}
	}
}
