package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
)

func get(t *testing.T, handler http.Handler, path string) (int, string) {
	t.Helper()
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
	return recorder.Code, recorder.Body.String()
}

func TestAdminReadyNamesWhatIsNot(t *testing.T) {
	down := errors.New("connection refused")
	var broker error = down
	handler := api.Admin(prometheus.NewRegistry(), map[string]api.Check{
		"broker":   func(context.Context) error { return broker },
		"postgres": func(context.Context) error { return nil },
	})

	code, body := get(t, handler, "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	var answer struct{ Checks map[string]string }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, map[string]string{"broker": "connection refused", "postgres": "ok"}, answer.Checks)

	code, body = get(t, handler, "/healthz")
	require.Equal(t, http.StatusOK, code, "a process whose dependencies are down still lives")
	require.JSONEq(t, `{"status":"ok"}`, body)

	broker = nil
	code, _ = get(t, handler, "/readyz")
	require.Equal(t, http.StatusOK, code)
}

func TestAdminServesMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "reos_probe_total", Help: "For this test."})
	registry.MustRegister(counter)
	counter.Inc()
	code, body := get(t, api.Admin(registry, nil), "/metrics")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "reos_probe_total 1")
}
