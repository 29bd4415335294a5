package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
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

// registerHealth adds what is asked without a token.
func (s *Server) registerHealth(parts Parts) {
	huma.Register(s.huma, public("healthz", "/healthz", "The process lives"),
		func(context.Context, *struct{}) (*health, error) {
			answer := &health{}
			answer.Body.Status = "ok"
			return answer, nil
		})
	huma.Register(s.huma, public("ping", "/ping", "A write goes through to the database"),
		func(ctx context.Context, _ *struct{}) (*ping, error) {
			count, err := parts.Pings.Ping(ctx)
			if err != nil {
				return nil, s.translate(ctx, "ping", err)
			}
			answer := &ping{}
			answer.Body.Count = count
			return answer, nil
		})
	huma.Register(s.huma, public("readyz", "/readyz", "The service can work; 503 with the reasons where it cannot"),
		func(ctx context.Context, _ *struct{}) (*readiness, error) {
			answer := &readiness{Status: http.StatusOK}
			answer.Body.Status, answer.Body.Checks = "ready", run(ctx, parts.Checks)
			for _, reason := range answer.Body.Checks {
				if reason != "ok" {
					answer.Status, answer.Body.Status = http.StatusServiceUnavailable, "not ready"
				}
			}
			return answer, nil
		})
}

func public(id, path, summary string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodGet, Path: path, Summary: summary, Tags: []string{"health"},
		Description: "Needs no token.", Errors: []int{http.StatusServiceUnavailable},
	}
}
