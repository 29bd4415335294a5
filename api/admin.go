// Package api holds what reos serves over HTTP. Every process serves the admin endpoints.
package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check reports why a dependency, or a part of the process, cannot work; nil when it can.
type Check func(context.Context) error

// checkTimeout bounds one readiness check.
const checkTimeout = 5 * time.Second

// Admin serves /healthz (the process lives), /readyz (it can work; 503 with a reason per check where it cannot),
// /metrics (Prometheus) and /debug/pprof/ (Go's profiles). It has no authentication: it is for loopback or a network of
// the installation's own.
func Admin(gatherer prometheus.Gatherer, checks map[string]Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		reasons := run(r.Context(), checks)
		status, word := http.StatusOK, "ready"
		for _, reason := range reasons {
			if reason != "ok" {
				status, word = http.StatusServiceUnavailable, "not ready"
			}
		}
		writeJSON(w, status, map[string]any{"status": word, "checks": reasons})
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	return mux
}

// run makes all checks at once.
func run(ctx context.Context, checks map[string]Check) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	reasons := make(map[string]string, len(checks))
	var mu sync.Mutex
	var wait sync.WaitGroup
	for name, check := range checks {
		wait.Go(func() {
			reason := "ok"
			if err := check(ctx); err != nil {
				reason = err.Error()
			}
			mu.Lock()
			reasons[name] = reason
			mu.Unlock()
		})
	}
	wait.Wait()
	return reasons
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody is left to tell
}
