package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// Pages are what people with a browser are shown beside the API.
type Pages interface {
	// Register adds the pages to mux. They show nothing of tenants to anybody who has not come in by the door.
	Register(mux *http.ServeMux, door *Door)
	// NotFound answers a browser that asks for what is not there.
	NotFound(w http.ResponseWriter, r *http.Request)
}

func (s *Server) registerPages() {
	if s.pages != nil {
		s.pages.Register(s.mux, &Door{s})
	}
}

// wantsPage says whether a request is one of a person who follows a link, rather than of a program.
func (s *Server) wantsPage(r *http.Request) bool {
	return s.pages != nil && r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// Door lets people in to pages, by the rules of operations: the same tokens, roles, tenants and limits.
type Door struct{ server *Server }

// Visitor is who looks at a page.
type Visitor struct {
	auth.Principal
	Tenant store.Tenant // whose data the page is about; the zero value where it is about all tenants
}

// Refusal says why somebody is not shown a page.
type Refusal struct {
	Status  int
	Problem Problem
	Detail  string
	Header  http.Header // what the answer has to say besides, such as Retry-After
}

// ofPages is the operation that a page is.
var ofPages = operation{ID: "page", Roles: []auth.Role{auth.Reader, auth.Operator}, Scope: ofTenantOrAll, WhileSuspended: true}

// Enter runs show for the bearer of a token, in time; nil says that it did, and without an error. tenant is the one that
// the page is about, empty for the token's own, or for all tenants where it is a platform token.
//
// Invariant 4: another's tenant is not found, as is one that does not exist.
func (d *Door) Enter(ctx context.Context, token, tenant string, show func(context.Context, Visitor) error) *Refusal {
	if err := d.enter(ctx, token, tenant, show); err != nil {
		return refusalOf(d.server.translate(ctx, ofPages.ID, err))
	}
	return nil
}

func (d *Door) enter(ctx context.Context, token, tenant string, show func(context.Context, Visitor) error) error {
	s := d.server
	ctx, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
	defer cancel()
	principal, err := s.believe(ctx, token, ofPages)
	if err != nil {
		return err
	}
	who, err := s.admitTo(ctx, principal, ofPages, tenant)
	if err != nil {
		return hidden(err)
	}
	leave, err := s.inFlight.enter(who.Owner.ID)
	if err != nil {
		return err
	}
	defer leave()
	return show(ctx, Visitor{Principal: who.Principal, Tenant: who.Owner})
}

// hidden says of a tenant that the token is not for, and of what cannot be a tenant, that there is no such page.
func hidden(err error) error {
	var document *huma.ErrorModel
	if errors.As(err, &document) && (document.Status == http.StatusForbidden || document.Status == http.StatusUnprocessableEntity) {
		return store.ErrNotFound
	}
	return err
}

func refusalOf(err error) *Refusal {
	refusal := &Refusal{Status: http.StatusInternalServerError, Problem: ProblemBug}
	var document *huma.ErrorModel
	if errors.As(err, &document) {
		refusal.Status, refusal.Detail = document.Status, document.Detail
		refusal.Problem = Problem(strings.TrimPrefix(document.Type, problemPath))
	}
	var headers huma.HeadersError
	if errors.As(err, &headers) {
		refusal.Header = headers.GetHeaders()
	}
	return refusal
}

// FindRun says how far a run is; store.ErrNotFound where there is none.
func FindRun(ctx context.Context, runs Runs, id string) (RunView, error) {
	return findRun(ctx, runs, id)
}
