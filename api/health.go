package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"golang.org/x/sync/singleflight"

	"github.com/codybias9/real-estate-os/store"
)

// Pings counts the calls of /ping, in Postgres: an answer proves that a write went through.
type Pings interface {
	Ping(ctx context.Context) (int64, error)
}

// health is the answer to /healthz.
type health struct {
	Body struct {
		Status string `json:"status" example:"ok"`
	}
}

// ping is the answer to /ping.
type ping struct {
	Body struct {
		Count int64 `json:"ping_count" doc:"How often this was asked, counted in the database."`
	}
}

// readiness is the answer to /readyz.
type readiness struct {
	Status int
	Body   struct {
		Status string            `json:"status" enum:"ready,not ready"`
		Checks map[string]string `json:"checks" doc:"By dependency: ok, or why it cannot work."`
	}
}

// maxPings bounds the pings under way at once: whoever asks needs no token, and every answer is a write.
const maxPings = 4

// registerHealth adds what is asked without a token.
func (s *Server) registerHealth(parts Parts) {
	pings := newInFlight(0, maxPings)
	huma.Register(s.huma, public("healthz", "/healthz", "The process lives"),
		func(context.Context, *struct{}) (*health, error) {
			answer := &health{}
			answer.Body.Status = "ok"
			return answer, nil
		})
	huma.Register(s.huma, public("ping", "/ping", "A write goes through to the database"),
		func(ctx context.Context, _ *struct{}) (*ping, error) {
			leave, err := pings.enter(uuid.Nil)
			if err != nil {
				return nil, err
			}
			defer leave()
			count, err := parts.Pings.Ping(ctx)
			if err != nil {
				return nil, s.translate(ctx, "ping", err)
			}
			answer := &ping{}
			answer.Body.Count = count
			return answer, nil
		})
	var together singleflight.Group // who asks at the same moment gets the same answer
	huma.Register(s.huma, public("readyz", "/readyz", "The service can work; 503 with the reasons where it cannot"),
		func(ctx context.Context, _ *struct{}) (*readiness, error) {
			found, _, _ := together.Do("", func() (any, error) { return run(context.WithoutCancel(ctx), parts.Checks), nil })
			return readinessOf(found.(map[string]error)), nil
		})
}

func readinessOf(found map[string]error) *readiness {
	answer := &readiness{Status: http.StatusOK}
	answer.Body.Status, answer.Body.Checks = "ready", make(map[string]string, len(found))
	for name, err := range found {
		answer.Body.Checks[name] = publicReason(err)
		if err != nil {
			answer.Status, answer.Body.Status = http.StatusServiceUnavailable, "not ready"
		}
	}
	return answer
}

// ErrStopping says that the process is about to stop, and that requests are better sent elsewhere.
var ErrStopping = errors.New("it is stopping")

// publicReason is what anybody may know of why a dependency cannot work.
//
// Invariant 4: the error itself may name hosts, users and tenants. It is told at the admin address.
func publicReason(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, store.ErrUnavailable):
		return store.ErrUnavailable.Error()
	case errors.Is(err, ErrStopping):
		return ErrStopping.Error()
	}
	return "it cannot work: /readyz of the admin address says why"
}

func public(id, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"health"},
		Description: "Needs no token.", Errors: []int{http.StatusServiceUnavailable},
	}
}
