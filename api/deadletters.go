package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// DeadLetters is Postgres, as dead letters need it: a tenant's part of it, or everybody's.
type DeadLetters interface {
	store.LetterReader
	store.LetterGroupReader
	// DeadLetter finds one letter, whole; else store.ErrNotFound.
	DeadLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error)
}

// letterDesk shows dead letters.
type letterDesk struct {
	of    func(tenant uuid.UUID) DeadLetters
	ofAll DeadLetters
	desk  Desk
}

// reader is the caller's part of Postgres.
//
// Invariant 4: only a platform token that names no tenant gets to everybody's.
func (d *letterDesk) reader(who caller) DeadLetters {
	if who.Owner.ID == uuid.Nil {
		return d.ofAll
	}
	return d.of(who.Owner.ID)
}

// LettersIn narrows dead letters.
type LettersIn struct {
	Stage         events.Stage      `query:"stage" enum:"ingestion,quality,embedding,indexing,freshness,deadletters" doc:"Where they died."`
	Reason        events.Reason     `query:"reason" maxLength:"255" example:"data_not_json"`
	Kind          store.LetterKind  `query:"kind" enum:"bad_data,transient,permanent,unauthorised"`
	Fingerprint   string            `query:"fingerprint" pattern:"^[0-9a-f]{16}$" patternDescription:"a group's fingerprint, 16 hexadecimal digits" doc:"Of one group."`
	Type          string            `query:"type" maxLength:"255" doc:"Of the event."`
	Key           string            `query:"record_key" maxLength:"255"`
	WorkerVersion string            `query:"worker_version" maxLength:"255"`
	State         store.LetterState `query:"state" enum:"open,replayed,discarded" doc:"All states where left out."`
	Since         time.Time         `query:"since" doc:"Given up at this time or later."`
	Until         time.Time         `query:"until" doc:"Given up before this time."`
}

func (in *LettersIn) filter() store.DeadLetterFilter {
	return store.DeadLetterFilter{
		Stage: in.Stage, Reason: in.Reason, Kind: in.Kind, Fingerprint: in.Fingerprint, Type: in.Type, Key: in.Key,
		WorkerVersion: in.WorkerVersion, State: in.State, Since: in.Since, Until: in.Until,
	}
}

// LetterPayloadIn narrows dead letters by what is in them.
type LetterPayloadIn struct {
	Payload string `query:"payload" maxLength:"1024" doc:"Only letters whose data has a value at a path: path, or path=value, with dots between the path's parts. Operators only." example:"ListPrice=450000"`
}

// match refuses to look into payloads for those who may not see them.
func (in *LetterPayloadIn) match(who caller) (*store.PayloadMatch, error) {
	if in.Payload == "" {
		return nil, nil
	}
	if !who.Has(auth.Operator) {
		return nil, forbidden("to look into payloads needs the role operator")
	}
	match, ok := store.ParsePayloadMatch(in.Payload)
	if !ok {
		return nil, invalid("query.payload", "must be path or path=value")
	}
	return &match, nil
}

type lettersIn struct {
	LettersIn
	LetterPayloadIn
	PageIn
}

type lettersOut struct {
	Body struct {
		Items []DeadLetterView `json:"items" doc:"Newest first."`
		Next  string           `json:"next,omitempty" doc:"Names the next page; left out on the last."`
	}
}

type letterIn struct {
	ID string `path:"id" format:"uuid" doc:"The letter's id."`
}

type letterOut struct{ Body DeadLetterView }

type lettersExportIn struct {
	LettersIn
	LetterPayloadIn
}

// lettersLooked bounds how many letters one request looks into.
const lettersLooked = 5000

// registerDeadLetters adds what shows dead letters.
func (s *Server) registerDeadLetters(parts Parts) {
	d := &letterDesk{of: parts.DeadLetters, ofAll: parts.DeadLettersOfAll, desk: parts.Desk}
	op := func(id, path, summary, description string) operation {
		return operation{
			ID: id, Method: http.MethodGet, Path: path, Tag: "dead-letters", Scope: ofTenantOrAll, Roles: readers,
			Summary: summary, Description: description, WhileSuspended: true,
		}
	}
	register(s, op("list-dead-letters", "/v1/dead-letters", "List dead letters, newest first",
		"What no retry could save. A platform token that names no tenant gets everybody's, and those that belong to no known tenant."), d.list)
	show := op("show-dead-letter", "/v1/dead-letters/{id}", "Show a dead letter", "Headers and payload are shown to operators.")
	show.Errors = []int{http.StatusNotFound}
	register(s, show, d.show)
	export := op("export-dead-letters", "/v1/dead-letters/export", "Take dead letters along",
		"Whole letters as NDJSON, one in a line, newest first. An export that breaks off ends without its last line break.")
	export.Roles, export.Streams = []auth.Role{auth.Operator}, true
	register(s, export, d.export(s))
	register(s, op("list-dead-letter-groups", "/v1/dead-letter-groups", "List groups of dead letters, the largest first",
		"Letters that died at the same stage for the same reason and the same error, but for numbers, ids and what is quoted. Times are taken by the hour."), d.groups)
	group := op("show-dead-letter-group", "/v1/dead-letter-groups/{fingerprint}", "Show a group of dead letters", "Whose its letters are, and when they died.")
	group.Errors = []int{http.StatusNotFound}
	register(s, group, d.group)
	s.registerDesk(d)
}

func (d *letterDesk) list(ctx context.Context, who caller, request *lettersIn) (*lettersOut, error) {
	match, err := request.match(who)
	if err != nil {
		return nil, err
	}
	filter := request.filter()
	filter.Limit = request.Limit
	if err := readCursor(request.Cursor, &filter.After); err != nil {
		return nil, err
	}
	page, err := store.FindLetters(ctx, d.reader(who), filter, match, lettersLooked)
	if err != nil {
		return nil, err
	}
	out := &lettersOut{}
	out.Body.Items = make([]DeadLetterView, len(page.Letters))
	for i, l := range page.Letters {
		out.Body.Items[i] = NewDeadLetterView(l)
	}
	if page.Next != nil {
		out.Body.Next, err = writeCursor(page.Next)
	}
	return out, err
}

func (d *letterDesk) show(ctx context.Context, who caller, request *letterIn) (*letterOut, error) {
	id, err := uuid.Parse(request.ID)
	if err != nil {
		return nil, invalid("path.id", "must be a dead letter's UUID")
	}
	l, err := d.reader(who).DeadLetter(ctx, id)
	if err != nil {
		return nil, err
	}
	if !who.Has(auth.Operator) {
		l.Headers, l.Payload = nil, nil
	}
	return &letterOut{Body: NewDeadLetterView(l)}, nil
}

func (d *letterDesk) export(s *Server) func(context.Context, caller, *lettersExportIn) (*huma.StreamResponse, error) {
	return func(ctx context.Context, who caller, request *lettersExportIn) (*huma.StreamResponse, error) {
		if _, err := request.match(who); err != nil {
			return nil, err
		}
		meant := store.LetterSelection{DeadLetterFilter: request.filter(), Payload: request.Payload}
		return &huma.StreamResponse{Body: func(answer huma.Context) {
			answer.SetHeader("Content-Type", "application/x-ndjson")
			lines := json.NewEncoder(answer.BodyWriter())
			err := store.SelectLetters(ctx, d.reader(who), meant, true, func(letters []store.DeadLetter) error {
				for _, l := range letters {
					if err := lines.Encode(NewDeadLetterView(l)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				s.log.Warn().Err(err).Stringer("tenant_id", who.Owner.ID).Msg("export of dead letters broken off")
				panic(http.ErrAbortHandler) // what was sent is not all of it
			}
		}}, nil
	}
}
