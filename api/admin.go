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
		status, word := http.StatusOK, "ready"
		reasons := map[string]string{}
		for name, err := range run(r.Context(), checks) {
			reasons[name] = "ok"
			if err != nil {
				status, word, reasons[name] = http.StatusServiceUnavailable, "not ready", err.Error()
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

// run makes all checks at once. What each said is under its name.
func run(ctx context.Context, checks map[string]Check) map[string]error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	said := make(map[string]error, len(checks))
	var mu sync.Mutex
	var wait sync.WaitGroup
	for name, check := range checks {
		wait.Go(func() {
			err := check(ctx)
			mu.Lock()
			said[name] = err
			mu.Unlock()
		})
	}
	wait.Wait()
	return said
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone: nobody is left to tell
}
