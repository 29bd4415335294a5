package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Tenancy is what is done to tenants.
type Tenancy interface {
	// List lists those that are served; Find knows those that are being deleted as well, else store.ErrNotFound.
	List(ctx context.Context) ([]store.Tenant, error)
	Find(ctx context.Context, id uuid.UUID) (store.Tenant, error)
	Show(ctx context.Context, tenant store.Tenant) (store.TenantDetail, error)
	// Create makes a tenant. store.ErrExists: the id or the name is another's, or was.
	Create(ctx context.Context, order store.TenantOrder, act store.Act) (store.Tenant, error)
	// Credentials makes new ones for the tenant's broker user; nil where the installation makes no such users.
	Credentials(ctx context.Context, tenant store.Tenant, act store.Act) (*events.Credentials, error)
	// Suspend and Resume report whether they changed anything. store.ErrConflict: the tenant is deleted, or just being.
	Suspend(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error)
	Resume(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error)
	Export(ctx context.Context, tenant store.Tenant, w io.Writer, act store.Act) error
	// Delete goes on for as long as patience; a report that is not complete says what is left, and to delete again.
	Delete(ctx context.Context, tenant store.Tenant, act store.Act, patience time.Duration) (store.Erasure, error)
}

// deletePatience is how long one request waits for the tenant's messages to pass through the queues.
const deletePatience = time.Minute

type tenants struct{ tenancy Tenancy }

// TenantIn names a tenant in the path.
type TenantIn struct {
	ID string `path:"id" format:"uuid" doc:"The tenant's id."`
}

// WhyIn says why, for the audit log.
type WhyIn struct {
	TenantIn
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"1000" doc:"The reason, for whoever wonders later: it goes into the audit log." example:"invoice of March"`
	}
}

type createTenantIn struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"255" example:"acme"`
		ID   string `json:"id,omitempty" format:"uuid" doc:"A new one where left out. The same id and name again change nothing, but for new credentials."`
		Lane string `json:"lane,omitempty" doc:"Which queues carry its events; the lane with the fewest tenants where left out."`
		Why  string `json:"why,omitempty" maxLength:"1000" doc:"The reason, for the audit log."`
	}
}

// BrokerLogin is how the tenant's own user connects to the broker.
type BrokerLogin struct {
	User string `json:"user"`
	URL  string `json:"url" doc:"With the password: shown this once, and kept nowhere."`
}

type createdTenantOut struct {
	Body struct {
		store.Tenant
		Credentials *BrokerLogin `json:"credentials,omitempty" doc:"Where the installation makes users at the broker."`
	}
}

type tenantsOut struct {
	Body struct {
		Items []store.Tenant `json:"items"`
	}
}

type tenantOut struct{ Body store.TenantDetail }

type tenantStateOut struct {
	Body struct {
		Tenant  store.Tenant `json:"tenant" doc:"As it is now."`
		Changed bool         `json:"changed" doc:"It was not so before."`
	}
}

type credentialsOut struct{ Body BrokerLogin }

type deleteTenantIn struct {
	TenantIn
	Confirm string `query:"confirm" required:"true" doc:"The tenant's name: everything of it is removed, for good."`
	Why     string `query:"why" maxLength:"1000" doc:"The reason, for the audit log."`
}

type erasureOut struct {
	Status int
	Body   store.Erasure
}

// registerTenants adds what platform admins do to tenants.
func (s *Server) registerTenants(parts Parts) {
	t := &tenants{tenancy: parts.Tenancy}
	op := func(id, method, path, summary, description string) operation {
		return operation{
			ID: id, Method: method, Path: path, Summary: summary, Description: description, Tag: "tenants",
			Roles: []auth.Role{auth.Admin}, Scope: ofAll, Errors: []int{http.StatusNotFound, http.StatusConflict},
		}
	}
	register(s, op("list-tenants", http.MethodGet, "/v1/tenants", "List the tenants", ""), t.list)
	create := op("create-tenant", http.MethodPost, "/v1/tenants", "Create a tenant and let its events in", "")
	create.Status = http.StatusCreated
	register(s, create, t.create)
	register(s, op("show-tenant", http.MethodGet, "/v1/tenants/{id}", "Show how a tenant is",
		"State, lane, counts, pauses, and what is held. A tenant that was deleted is shown as what is left of it."), t.show)
	register(s, op("suspend-tenant", http.MethodPost, "/v1/tenants/{id}/suspend", "Hold a tenant's events, and refuse what it sends",
		"Nothing is lost: its events wait at ingestion. What was accepted before is finished, and what it has may be read."), t.changing(t.suspend))
	register(s, op("resume-tenant", http.MethodPost, "/v1/tenants/{id}/resume", "End a suspension", ""), t.changing(t.resume))
	register(s, op("renew-tenant-credentials", http.MethodPost, "/v1/tenants/{id}/credentials", "Give the tenant's broker user a new password",
		"The old one is worth nothing from then on, and whoever is connected with it is cut off."), t.credentials)
	export := op("export-tenant", http.MethodGet, "/v1/tenants/{id}/export", "Take everything of a tenant along",
		"A tar.gz with all rows as NDJSON, documents, raw events and dead letters, and a manifest with counts and digests. An export that breaks off is no valid gzip.")
	export.Streams = true
	register(s, export, t.export(s))
	remove := op("delete-tenant", http.MethodDelete, "/v1/tenants/{id}", "Remove a tenant and everything of it, for good",
		"Waits up to a minute for its messages to pass through the queues, while workers run. 202 with `complete: false` says what is left: delete again to go on.")
	remove.Streams = true
	remove.Errors = append(remove.Errors, http.StatusAccepted)
	register(s, remove, t.remove)
}

func (t *tenants) list(ctx context.Context, _ caller, _ *struct{}) (*tenantsOut, error) {
	all, err := t.tenancy.List(ctx)
	out := &tenantsOut{}
	out.Body.Items = append([]store.Tenant{}, all...)
	return out, err
}

func (t *tenants) create(ctx context.Context, who caller, request *createTenantIn) (*createdTenantOut, error) {
	if err := store.CheckTenantName(request.Body.Name); err != nil {
		return nil, invalid("body.name", "must be "+err.Error())
	}
	order := store.TenantOrder{ID: uuid.New(), Name: request.Body.Name, Lane: request.Body.Lane}
	if request.Body.ID != "" {
		var err error
		if order.ID, err = uuid.Parse(request.Body.ID); err != nil || order.ID == uuid.Nil {
			return nil, invalid("body.id", "must be a UUID other than the all-zero one")
		}
	}
	act := store.Act{By: who.Subject, Why: request.Body.Why}
	tenant, err := t.tenancy.Create(ctx, order, act)
	if err != nil {
		return nil, tenancyProblem(err)
	}
	given, err := t.tenancy.Credentials(ctx, tenant, act)
	if err != nil {
		return nil, tenancyProblem(err)
	}
	out := &createdTenantOut{}
	out.Body.Tenant = tenant
	if given != nil {
		out.Body.BrokerUser = true
		out.Body.Credentials = &BrokerLogin{User: given.User, URL: given.URL}
	}
	return out, nil
}

func (t *tenants) show(ctx context.Context, _ caller, request *TenantIn) (*tenantOut, error) {
	tenant, err := t.find(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	detail, err := t.tenancy.Show(ctx, tenant)
	return &tenantOut{Body: detail}, tenancyProblem(err)
}

func (t *tenants) suspend(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error) {
	return t.tenancy.Suspend(ctx, tenant, act)
}

func (t *tenants) resume(ctx context.Context, tenant store.Tenant, act store.Act) (bool, error) {
	return t.tenancy.Resume(ctx, tenant, act)
}

// changing is a handler that changes a tenant's state and shows it afterwards.
func (t *tenants) changing(
	change func(context.Context, store.Tenant, store.Act) (bool, error),
) func(context.Context, caller, *WhyIn) (*tenantStateOut, error) {
	return func(ctx context.Context, who caller, request *WhyIn) (*tenantStateOut, error) {
		tenant, err := t.find(ctx, request.ID)
		if err != nil {
			return nil, err
		}
		out := &tenantStateOut{}
		if out.Body.Changed, err = change(ctx, tenant, store.Act{By: who.Subject, Why: request.Body.Why}); err != nil {
			return nil, tenancyProblem(err)
		}
		out.Body.Tenant, err = t.find(ctx, request.ID)
		return out, err
	}
}

func (t *tenants) credentials(ctx context.Context, who caller, request *WhyIn) (*credentialsOut, error) {
	tenant, err := t.find(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	given, err := t.tenancy.Credentials(ctx, tenant, store.Act{By: who.Subject, Why: request.Body.Why})
	switch {
	case err != nil:
		return nil, tenancyProblem(err)
	case given == nil:
		return nil, problem(http.StatusConflict, ProblemConflict, "this installation makes no users at the broker: RABBITMQ_MANAGEMENT_URL is not set")
	}
	return &credentialsOut{Body: BrokerLogin{User: given.User, URL: given.URL}}, nil
}

func (t *tenants) export(s *Server) func(context.Context, caller, *TenantIn) (*huma.StreamResponse, error) {
	return func(ctx context.Context, who caller, request *TenantIn) (*huma.StreamResponse, error) {
		tenant, err := t.find(ctx, request.ID)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(answer huma.Context) {
			answer.SetHeader("Content-Type", "application/gzip")
			answer.SetHeader("Content-Disposition", fmt.Sprintf(`attachment; filename="tenant-%s.tar.gz"`, tenant.ID))
			err := t.tenancy.Export(ctx, tenant, answer.BodyWriter(), store.Act{By: who.Subject})
			if err != nil {
				s.log.Warn().Err(err).Stringer("tenant_id", tenant.ID).Msg("export broken off")
				panic(http.ErrAbortHandler) // what was sent is not all of it
			}
		}}, nil
	}
}

func (t *tenants) remove(ctx context.Context, who caller, request *deleteTenantIn) (*erasureOut, error) {
	tenant, err := t.find(ctx, request.ID)
	if err != nil {
		return nil, err
	}
	if tenant.State.Served() && request.Confirm != tenant.Name {
		return nil, invalid("query.confirm", "must be the tenant's name")
	}
	erasure, err := t.tenancy.Delete(ctx, tenant, store.Act{By: who.Subject, Why: request.Why}, deletePatience)
	if err != nil {
		return nil, tenancyProblem(err)
	}
	out := &erasureOut{Status: http.StatusOK, Body: erasure}
	if !erasure.Complete {
		out.Status = http.StatusAccepted
	}
	return out, nil
}

// find knows every tenant but the platform, which is nobody's to change.
func (t *tenants) find(ctx context.Context, id string) (store.Tenant, error) {
	parsed, err := uuid.Parse(id)
	if err != nil {
		return store.Tenant{}, invalid("path.id", "must be a tenant's UUID")
	}
	if parsed == store.PlatformTenant {
		return store.Tenant{}, problem(http.StatusNotFound, ProblemNotFound, "there is no such tenant")
	}
	tenant, err := t.tenancy.Find(ctx, parsed)
	if errors.Is(err, store.ErrNotFound) {
		return store.Tenant{}, problem(http.StatusNotFound, ProblemNotFound, "there is no such tenant")
	}
	return tenant, err
}

// tenancyProblem says what stands in the way.
func tenancyProblem(err error) error {
	if errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
		return problem(http.StatusConflict, ProblemConflict, err.Error())
	}
	return err
}
