package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	pages "github.com/codybias9/real-estate-os/api/console"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/archive"
)

func apiCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "api",
		Short: "Serve the HTTP API",
		Long: `Serves the HTTP API on API_ADDR until SIGINT or SIGTERM, then stops being ready, takes requests for another
API_DRAIN_DELAY (0s), answers what is under way (DRAIN_TIMEOUT) and exits.
/openapi.json describes it, /docs is the reference page, and / the console: pages for people with a token and a browser.

Needs DATABASE_URL, RABBITMQ_URL, QDRANT_URL and S3_URL, and to know who may call: API_JWKS_URL, or API_JWT_SECRET for
development (see ` + "`reos token`" + `).`,
		Example: `  API_JWT_SECRET=$(head -c 32 /dev/urandom | base64) reos api
  API_ADDR=:8080 API_JWKS_URL=https://issuer.example/.well-known/jwks.json reos api`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return untilStopped(cmd.Context(), c, (*installation).runAPI)
		},
	}
}

func (in *installation) runAPI(intake, work context.Context) error {
	if err := in.config.demand(envDatabase, envRabbitMQ, envQdrant, envS3); err != nil {
		return err
	}
	if err := in.config.Auth.Check(); err != nil {
		return environmentError{err}
	}
	if err := in.open(intake, []func(context.Context) error{
		in.openDatabase, in.openTransport, in.openPoints, in.openObjects, in.declare,
	}); err != nil {
		return err
	}
	served, err := in.serveAPI(intake, work, nil)
	if err != nil {
		return err
	}
	admin, err := in.serveAdmin(&pipeline{})
	if err != nil {
		return err
	}
	in.startBeating(in.introduce(store.ProcessAPI, nil, admin, served.address))
	in.log.Info().Str("api", "http://"+served.address).Str("admin", "http://"+admin).Msg("serving")
	select {
	case <-intake.Done():
	case err = <-served.failed:
		return environmentError{fmt.Errorf("serve the API: %w", err)}
	}
	served.drain(work)
	in.log.Info().Msg("drained")
	return nil
}

// servedAPI is an API that answers.
type servedAPI struct {
	address  string
	server   *http.Server
	failed   <-chan error
	stopping *atomic.Bool  // is shown by /readyz
	delay    time.Duration // requests are still taken so long when it stops
}

// drain stops being ready, and goes on for a while all the same: whoever sends requests here has to hear of it first. Then
// it takes no more of them and waits for those under way, as long as ctx lasts.
func (s *servedAPI) drain(ctx context.Context) {
	s.stopping.Store(true)
	timer := time.NewTimer(s.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	if s.server.Shutdown(ctx) != nil {
		_ = s.server.Close() // the budget is used up
	}
}

// checkStopping fails once the API is about to stop.
func (in *installation) checkStopping(context.Context) error {
	if in.stopping.Load() {
		return api.ErrStopping
	}
	return nil
}

// lastAnswers has connections end with their next answer once the process is stopping: a request that is sent over one
// just when the server closes it would be lost.
func lastAnswers(stopping *atomic.Bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// serveAPI starts the API. Beside workers, p is their pipeline.
func (in *installation) serveAPI(ctx, work context.Context, p *pipeline) (*servedAPI, error) {
	if p == nil {
		p = &pipeline{}
	}
	parts, err := in.apiParts(ctx, p)
	if err != nil {
		return nil, err
	}
	listener, err := in.listenAPI()
	if err != nil {
		return nil, err
	}
	server := api.New(in.config.API, parts).HTTP()
	server.Handler = lastAnswers(&in.stopping, server.Handler)
	server.BaseContext = func(net.Listener) context.Context { return work }
	failed := make(chan error, 1)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	}()
	in.teardown.add("API", func(ctx context.Context) error { return server.Shutdown(ctx) })
	return &servedAPI{
		address: listener.Addr().String(), server: server, failed: failed, stopping: &in.stopping, delay: in.config.API.DrainDelay,
	}, nil
}

// listenAPI listens on API_ADDR. Where that is only the default, and taken, any free port will do.
func (in *installation) listenAPI() (net.Listener, error) {
	listener, err := net.Listen("tcp", in.config.API.Addr)
	if errors.Is(err, syscall.EADDRINUSE) && !in.config.APIAddrGiven {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return nil, environmentError{fmt.Errorf("listen on API_ADDR %s: %w", in.config.API.Addr, err)}
	}
	return listener, nil
}

// apiParts wires the API to the open adapters.
func (in *installation) apiParts(ctx context.Context, p *pipeline) (api.Parts, error) {
	verifier, err := in.verifier(ctx)
	if err != nil {
		return api.Parts{}, err
	}
	lifecycle, err := in.newLifecycle()
	if err != nil {
		return api.Parts{}, err
	}
	platform := in.db.Platform()
	mappings, err := in.mappings()
	if err != nil {
		return api.Parts{}, err
	}
	return api.Parts{
		Verifier: verifier, Tenants: platform, Tenancy: &apiTenancy{in, lifecycle}, Pings: platform, Checks: in.checks(p),
		Registry: in.registry, Log: in.log,
		Transport: in.transport, Topology: in.topology, Mappings: mappings,
		Publishing: func(id uuid.UUID) api.Publishing { return in.db.Tenant(id) },
		Embedder:   in.embedder,
		Model:      in.embedder.Model(),
		Points:     func(id uuid.UUID) api.Points { return in.points.Tenant(id) },
		Records:    func(id uuid.UUID) api.Records { return in.db.Tenant(id) },
		Documents:  func(id uuid.UUID) api.Documents { return in.objects.Tenant(id) },
		Freshness:  func(id uuid.UUID) api.Freshness { return in.db.Tenant(id) }, FreshnessOfAll: platform,
		DeadLetters: func(id uuid.UUID) api.DeadLetters { return in.db.Tenant(id) }, DeadLettersOfAll: platform, Desk: in.newDesk(),
		Pages: pages.New(pages.Parts{
			Rows: func(id uuid.UUID) pages.Rows { return in.db.Tenant(id) }, Platform: platform, Desk: in.newDesk(), Log: in.log,
		}),
		Raw: func(ctx context.Context, tenant, event uuid.UUID) ([]byte, error) {
			return archive.Read(ctx, in.db.Tenant(tenant), in.objects.Tenant(tenant), event)
		},
	}, nil
}
