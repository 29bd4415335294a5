package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Desk is what is done about dead letters.
type Desk interface {
	// Discard gives letters up. store.ErrSecondNeeded: they are more than one person may; the report says how many.
	Discard(ctx context.Context, order store.DiscardOrder) (store.DiscardReport, error)
	// Plan freezes a replay and reports. store.ErrNotFound: nothing is eligible, and nothing kept; the report says why.
	Plan(ctx context.Context, order store.ReplayOrder) (store.ReplayReport, error)
	// CheckEdit says what is wrong with a JSON Patch; nil where nothing is.
	CheckEdit(patch json.RawMessage) error
	// Begin runs a plan for a tenant, or for all that it is for; store.ErrNotFound, or store.ErrConflict where it is not planned.
	Begin(ctx context.Context, tenant *uuid.UUID, plan string, act store.Act) (store.Run, error)
}

// LettersMeant says which letters are meant.
type LettersMeant struct {
	IDs           []uuid.UUID       `json:"ids,omitempty" maxItems:"10000" doc:"Only these."`
	Stage         events.Stage      `json:"stage,omitempty" enum:"ingestion,quality,embedding,indexing,freshness,deadletters"`
	Reason        events.Reason     `json:"reason,omitempty" maxLength:"255"`
	Kind          store.LetterKind  `json:"kind,omitempty" enum:"bad_data,transient,permanent,unauthorised"`
	Fingerprint   string            `json:"fingerprint,omitempty" pattern:"^[0-9a-f]{16}$" patternDescription:"a group's fingerprint, 16 hexadecimal digits"`
	Type          string            `json:"type,omitempty" maxLength:"255"`
	Key           string            `json:"record_key,omitempty" maxLength:"255"`
	WorkerVersion string            `json:"worker_version,omitempty" maxLength:"255"`
	State         store.LetterState `json:"state,omitempty" enum:"open,replayed,discarded"`
	Since         time.Time         `json:"since,omitzero" required:"false"`
	Until         time.Time         `json:"until,omitzero" required:"false"`
	Payload       string            `json:"payload,omitempty" maxLength:"1024" doc:"path or path=value, as for the listing."`
	Overtaken     bool              `json:"overtaken,omitempty" doc:"Only those that a newer version has overtaken."`
}

// selection is what is meant of the caller's letters.
func (m LettersMeant) selection(who caller) (store.LetterSelection, error) {
	meant := store.LetterSelection{
		DeadLetterFilter: store.DeadLetterFilter{
			IDs: m.IDs, Stage: m.Stage, Reason: m.Reason, Kind: m.Kind, Fingerprint: m.Fingerprint, Type: m.Type, Key: m.Key,
			WorkerVersion: m.WorkerVersion, State: m.State, Since: m.Since, Until: m.Until,
		},
		Payload: m.Payload, Overtaken: m.Overtaken,
	}
	if meant.State == "" {
		meant.State = store.LetterOpen
	}
	if _, ok := store.ParsePayloadMatch(m.Payload); m.Payload != "" && !ok {
		return meant, invalid("body.letters.payload", "must be path or path=value")
	}
	if who.Owner.ID != uuid.Nil {
		meant.Tenant = &who.Owner.ID
	}
	return meant, nil
}

type discardIn struct {
	Body struct {
		Letters     LettersMeant `json:"letters" doc:"Which; open ones unless it says another state."`
		Why         string       `json:"why" minLength:"1" maxLength:"1000" doc:"The reason: it is kept with each letter, and goes into the audit log."`
		DryRun      bool         `json:"dry_run,omitempty" doc:"Only say which they are."`
		SecondToken string       `json:"second_token,omitempty" maxLength:"16384" doc:"Another operator's token: needed for more letters than DLQ_DISCARD_LIMIT (1000)."`
	}
}

type discardOut struct{ Body store.DiscardReport }

type planIn struct {
	Body struct {
		Letters   LettersMeant    `json:"letters" doc:"Which; open ones unless it says another state."`
		Edit      json.RawMessage `json:"edit,omitempty" doc:"JSON Patch (RFC 6902) on the data of each. Tenant and record stay as they are; contract and suite must have nothing against what comes of it."`
		FromStage events.Stage    `json:"from_stage,omitempty" enum:"quality,embedding,indexing" doc:"Of letters whose records are stored; where each died, where left out."`
		Rate      float64         `json:"rate,omitempty" minimum:"0" maximum:"100000" doc:"Events per second; as they come where left out."`
		Canary    int64           `json:"canary,omitempty" minimum:"0" maximum:"100000" doc:"So many go first, and must end before any other goes. Needs stop_above."`
		StopAbove float64         `json:"stop_above,omitempty" minimum:"0" maximum:"1" doc:"The share of events that die again above which the replay stops by itself." example:"0.1"`
		Why       string          `json:"why" minLength:"1" maxLength:"1000"`
		Ticket    string          `json:"ticket,omitempty" maxLength:"255" doc:"Where somebody else keeps the story."`
	}
}

type planOut struct{ Body store.ReplayReport }

type beginPlanIn struct {
	ID   string `path:"id" maxLength:"255" doc:"The plan's run_id."`
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"1000"`
	}
}

type beginPlanOut struct{ Body RunView }

// registerDesk adds what is done about dead letters.
func (s *Server) registerDesk(d *letterDesk) {
	op := func(id, path, summary, description string, errs ...int) operation {
		return operation{
			ID: id, Method: http.MethodPost, Path: path, Tag: "dead-letters", Scope: ofTenantOrAll, Roles: []auth.Role{auth.Operator},
			Summary: summary, Description: description, Errors: errs, Streams: true, WhileSuspended: true,
		}
	}
	register(s, op("discard-dead-letters", "/v1/dead-letters/discard", "Give dead letters up",
		"They are removed when they were kept for DLQ_RETENTION (30 days) more. The letters are those that there are now; the digest says which. "+
			"409 where they are more than one person may discard.", http.StatusConflict), d.discard(s))
	register(s, op("plan-replay", "/v1/replay-plans", "Plan a replay of dead letters",
		"Freezes the letters that are meant and eligible, and says what a replay would do; nothing is replayed before the plan is run. "+
			"A plan is a run: its progress, and pause, resume and cancel, are those of runs. 409 where no letter is eligible.", http.StatusConflict), d.plan)
	register(s, op("run-replay", "/v1/replay-plans/{id}/run", "Run a replay plan",
		"Replays exactly the letters that were frozen, each once.", http.StatusNotFound, http.StatusConflict), d.begin)
}

func (d *letterDesk) discard(s *Server) func(context.Context, caller, *discardIn) (*discardOut, error) {
	return func(ctx context.Context, who caller, request *discardIn) (*discardOut, error) {
		meant, err := request.Body.Letters.selection(who)
		if err != nil {
			return nil, err
		}
		order := store.DiscardOrder{Meant: meant, Act: store.Act{By: who.Subject, Why: request.Body.Why}, DryRun: request.Body.DryRun}
		if token := request.Body.SecondToken; token != "" {
			if order.Second, err = s.second(ctx, who, token); err != nil {
				return nil, err
			}
		}
		report, err := d.desk.Discard(ctx, order)
		if errors.Is(err, store.ErrSecondNeeded) {
			return nil, problem(http.StatusConflict, ProblemConflict,
				fmt.Sprintf("these are %d letters: a second operator must agree, by second_token", report.Letters))
		}
		return &discardOut{Body: report}, err
	}
}

// second is the subject of another operator's token for the same letters.
//
// Invariant 4: a token agrees to nothing that it could not do by itself.
func (s *Server) second(ctx context.Context, who caller, token string) (string, error) {
	principal, err := s.verifier.Verify(ctx, token)
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		return "", invalid("body.second_token", "must be a token that is good")
	case err != nil:
		return "", err
	case !principal.Has(auth.Operator) || who.Owner.ID == uuid.Nil && !principal.Platform || who.Owner.ID != uuid.Nil && !principal.Covers(who.Owner.ID):
		return "", forbidden("the second token may not discard these letters")
	case principal.Subject == who.Subject:
		return "", invalid("body.second_token", "must be another person's")
	}
	return principal.Subject, nil
}

func (d *letterDesk) plan(ctx context.Context, who caller, request *planIn) (*planOut, error) {
	b := request.Body
	meant, err := b.Letters.selection(who)
	if err != nil {
		return nil, err
	}
	if b.Canary > 0 && b.StopAbove == 0 {
		return nil, invalid("body.stop_above", "must say when the canary has failed")
	}
	order := store.ReplayOrder{
		Meant: meant, FromStage: b.FromStage, Rate: b.Rate, Canary: b.Canary, StopAbove: b.StopAbove,
		Act: store.Act{By: who.Subject, Why: b.Why}, Ticket: b.Ticket,
	}
	if len(b.Edit) > 0 {
		if err := d.desk.CheckEdit(b.Edit); err != nil {
			return nil, invalid("body.edit", err.Error())
		}
		order.Edit = b.Edit
	}
	report, err := d.desk.Plan(ctx, order)
	if errors.Is(err, store.ErrNotFound) {
		return nil, problem(http.StatusConflict, ProblemConflict, "no letter is eligible: "+leftOutText(report))
	}
	return &planOut{Body: report}, err
}

// leftOutText says why letters are not eligible.
func leftOutText(report store.ReplayReport) string {
	if report.Letters == 0 {
		return "none is meant"
	}
	text := ""
	for _, left := range report.LeftOut {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", left.Letters, left.Why)
	}
	return text
}

func (d *letterDesk) begin(ctx context.Context, who caller, request *beginPlanIn) (*beginPlanOut, error) {
	var tenant *uuid.UUID
	if who.Owner.ID != uuid.Nil {
		tenant = &who.Owner.ID
	}
	run, err := d.desk.Begin(ctx, tenant, request.ID, store.Act{By: who.Subject, Why: request.Body.Why})
	if errors.Is(err, store.ErrConflict) {
		return nil, problem(http.StatusConflict, ProblemConflict, err.Error())
	}
	if err != nil {
		return nil, err
	}
	return &beginPlanOut{Body: NewRunView(run)}, nil
}
