package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store"
)

// scope says whose data an operation is about.
type scope int

const (
	ofTenant      scope = iota // the token's tenant, or the one that a platform token names
	ofAll                      // all tenants: platform tokens only
	ofTenantOrAll              // as ofTenant; of all tenants where a platform token names none
)

// operation describes one endpoint. Roles is never empty: an endpoint that forgets its role cannot be registered.
type operation struct {
	ID, Summary, Description string
	Method, Path, Tag        string
	Roles                    []auth.Role // one of them is enough
	Scope                    scope
	Status                   int // of success; 200 where 0
	MaxBodyBytes             int64
	Errors                   []int // beside 401, 403, 429, 500 and 503
	// Streams is set where a body, or an answer, takes as long as it takes. What bounds it, in place of RequestTimeout, is
	// BodyTimeout for each read of the body and each write of the answer.
	Streams bool
	// Unpacks is set where a body may be gzip: the operation bounds what becomes of it.
	Unpacks bool
	// WhileSuspended lets the operation pass where its tenant is suspended.
	WhileSuspended bool
}

// caller is who asks, and for which tenant.
type caller struct {
	auth.Principal
	Owner store.Tenant // the zero value where the operation is about all tenants
}

const tenantParameter = "tenant"

// register adds an endpoint. Its handler runs for a caller who may: with a believed token, one of the roles, and for a
// tenant that the token covers.
//
// Invariant 4: no handler gets a tenant but through here.
func register[I, O any](s *Server, op operation, handler func(context.Context, caller, *I) (*O, error)) {
	if len(op.Roles) == 0 || op.ID == "" {
		panic("operation " + op.Method + " " + op.Path + " needs an id and a role")
	}
	described := huma.Operation{
		OperationID: op.ID, Summary: op.Summary, Method: op.Method, Path: op.Path, DefaultStatus: op.Status,
		Description: strings.TrimSpace(op.Description + "\n\nRole: " + rolesOf(op) + "."),
		Tags:        []string{op.Tag}, MaxBodyBytes: op.MaxBodyBytes, BodyReadTimeout: s.config.BodyTimeout,
		Errors: append([]int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusTooManyRequests,
			http.StatusInternalServerError, http.StatusServiceUnavailable,
		}, op.Errors...),
		Security:    []map[string][]string{{"bearer": {}}},
		Middlewares: huma.Middlewares{s.authorise(op)},
	}
	if op.Scope != ofAll {
		described.Parameters = append(described.Parameters, &huma.Param{
			Name: tenantParameter, In: "query", Schema: &huma.Schema{Type: huma.TypeString, Format: "uuid"},
			Description: "The tenant's id. Only a platform token needs it; for any other it must be its own.",
		})
	}
	s.served[op.Method+" "+op.Path] = op
	huma.Register(s.huma, described, func(ctx context.Context, in *I) (*O, error) {
		if !op.Streams {
			bounded, cancel := context.WithTimeout(ctx, s.config.RequestTimeout)
			defer cancel()
			ctx = bounded
		}
		out, err := handler(ctx, callerOf(ctx), in)
		if err != nil {
			return nil, s.translate(ctx, op.ID, err)
		}
		return out, nil
	})
}

func rolesOf(op operation) string {
	names := make([]string, len(op.Roles))
	for i, role := range op.Roles {
		names[i] = string(role)
	}
	text := strings.Join(names, " or ")
	if op.Scope == ofAll {
		text += ", of a platform token"
	}
	return text
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	return ctx.Value(callerKey{}).(caller) // authorise has put it there, or the handler would not run
}

// authorise lets a request through to its handler or answers it.
func (s *Server) authorise(op operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		who, err := s.admit(ctx, op)
		if err != nil {
			writeProblem(ctx, s.translate(ctx.Context(), op.ID, err))
			return
		}
		leave, err := s.inFlight.enter(who.Owner.ID)
		if err != nil {
			writeProblem(ctx, err)
			return
		}
		defer leave()
		if op.Scope != ofAll {
			takeTenantParameter(ctx)
		}
		next(huma.WithValue(ctx, callerKey{}, who))
	}
}

// takeTenantParameter takes the parameter out of the query: it is answered for, and no input names it.
func takeTenantParameter(ctx huma.Context) {
	r, _ := humago.Unwrap(ctx)
	query := r.URL.Query()
	if query.Has(tenantParameter) {
		query.Del(tenantParameter)
		without := *r.URL
		without.RawQuery = query.Encode()
		r.URL = &without
	}
}

// admit decides who the caller is, and whether they may.
func (s *Server) admit(ctx huma.Context, op operation) (caller, error) {
	scheme, token, _ := strings.Cut(ctx.Header("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return caller{}, unauthenticated("send `Authorization: Bearer <token>`")
	}
	principal, err := s.believe(ctx.Context(), token, op)
	if err != nil {
		return caller{}, err
	}
	return s.admitTo(ctx.Context(), principal, op, ctx.Query(tenantParameter))
}

// believe finds out whose a token is, and whether they have one of the operation's roles.
func (s *Server) believe(ctx context.Context, token string, op operation) (auth.Principal, error) {
	principal, err := s.verifier.Verify(ctx, token)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return auth.Principal{}, unauthenticated(strings.TrimPrefix(err.Error(), auth.ErrUnauthenticated.Error()+": "))
	}
	if err != nil {
		return auth.Principal{}, err
	}
	if !hasOne(principal, op.Roles) {
		return auth.Principal{}, forbidden("needs the role " + rolesOf(op))
	}
	return principal, nil
}

// admitTo decides whose data the bearer of a token is let in to. named is the tenant that the request names; empty where
// it names none.
func (s *Server) admitTo(ctx context.Context, principal auth.Principal, op operation, named string) (caller, error) {
	who := caller{Principal: principal}
	if op.Scope == ofAll {
		if !principal.Platform {
			return caller{}, forbidden("needs a platform token")
		}
		return who, nil
	}
	if op.Scope == ofTenantOrAll && principal.Platform && named == "" {
		return who, nil
	}
	id, err := tenantOf(principal, named)
	if err != nil {
		return caller{}, err
	}
	if who.Owner, err = s.owners.find(ctx, id); err != nil {
		return caller{}, err
	}
	if who.Owner.State != store.TenantActive && !op.WhileSuspended {
		return caller{}, problem(http.StatusForbidden, ProblemSuspended, "the tenant is "+string(who.Owner.State))
	}
	return who, s.limits.take(who.Owner.ID)
}

func hasOne(p auth.Principal, roles []auth.Role) bool {
	for _, role := range roles {
		if p.Has(role) {
			return true
		}
	}
	return false
}

// tenantOf decides which tenant a request is about.
//
// Invariant 4: a tenant's token reaches that tenant only. Whether another exists does not show: the answer is the same.
func tenantOf(p auth.Principal, named string) (uuid.UUID, error) {
	if named == "" {
		if p.Tenant == uuid.Nil {
			return uuid.Nil, invalid("query.tenant", "is needed with a platform token")
		}
		return p.Tenant, nil
	}
	id, err := uuid.Parse(named)
	switch {
	case err != nil || id == uuid.Nil:
		return uuid.Nil, invalid("query.tenant", "must be a tenant's UUID")
	case !p.Covers(id):
		return uuid.Nil, forbidden("the token is not for this tenant")
	}
	return id, nil
}

func unauthenticated(detail string) error {
	return huma.ErrorWithHeaders(problem(http.StatusUnauthorized, ProblemUnauthenticated, detail), http.Header{"WWW-Authenticate": {`Bearer realm="reos"`}})
}

func forbidden(detail string) error {
	return problem(http.StatusForbidden, ProblemForbidden, detail)
}
