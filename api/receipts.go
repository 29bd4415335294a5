package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// Trails is a tenant's part of Postgres, as it takes to say where an event is.
type Trails interface {
	// FindEvents finds the events that have an id, the upstream's or their own; an empty source asks for all sources.
	FindEvents(ctx context.Context, id, source string) ([]store.EventRef, error)
	// Trail is everything that is known of an event.
	Trail(ctx context.Context, ref store.EventRef) (store.Trail, error)
}

// eventIn asks for one event.
type eventIn struct {
	ID     string `path:"id" maxLength:"255" doc:"The CloudEvent's id, or its event_uid." example:"evt-1"`
	Source string `query:"source" maxLength:"255" doc:"The CloudEvent's source. Needed where several sources use the same id." example:"mls/northwest"`
}

type eventOut struct{ Body Timeline }

// registerReceipts adds what says where an event is.
func (s *Server) registerReceipts(trails func(tenant uuid.UUID) Trails) {
	register(s, operation{
		ID: "show-event", Method: http.MethodGet, Path: "/v1/events/{id}", Tag: "events",
		Roles: []auth.Role{auth.Publisher, auth.Reader, auth.Operator}, Summary: "Where is my event?",
		Description: `An event is known from the moment in which it was accepted, however it was published. What the API itself took is kept
for 30 days; what ingestion has seen, as long as the tenant.`,
		Errors: []int{http.StatusNotFound, http.StatusConflict}, WhileSuspended: true,
	}, func(ctx context.Context, who caller, request *eventIn) (*eventOut, error) {
		timeline, err := FindTimeline(ctx, trails(who.Owner.ID), request.ID, request.Source)
		if err != nil {
			return nil, err
		}
		return &eventOut{Body: timeline}, nil
	})
}

// FindTimeline tells the story of the one event that has an id. Its error says what to name where several have it.
func FindTimeline(ctx context.Context, trails Trails, id, source string) (Timeline, error) {
	refs, err := trails.FindEvents(ctx, id, source)
	switch {
	case err != nil:
		return Timeline{}, err
	case len(refs) == 0:
		return Timeline{}, fmt.Errorf("find event %q: %w", id, store.ErrNotFound)
	case len(refs) > 1:
		return Timeline{}, ambiguous(refs)
	}
	trail, err := trails.Trail(ctx, refs[0])
	if err != nil {
		return Timeline{}, err
	}
	return NewTimeline(trail), nil
}

func ambiguous(refs []store.EventRef) error {
	document := problem(http.StatusConflict, ProblemConflict, "several sources use this id: name one of them, or an event_uid")
	for _, ref := range refs {
		document.Errors = append(document.Errors, &huma.ErrorDetail{
			Location: "query.source", Message: fmt.Sprintf("may be %q: event %s", ref.Source, ref.Event), Value: ref.Source,
		})
	}
	return document
}
