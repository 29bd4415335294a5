package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The matrix names what is well and what is not, and its exit code is for scripts.
func TestHealthNamesWhatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	workers := w.start("worker", "all")
	report, code := w.health("--without", "api", "--wait", "20s") // its first sign of life comes a moment after its first line
	require.Empty(t, report.down())
	require.Equal(t, exitOK, code)
	require.True(t, report.Healthy)
	require.Subset(t, report.names(), []string{"postgresql", "rabbitmq", "qdrant", "s3", "freshness tracker"})
	for _, c := range report.Components {
		require.True(t, c.OK, c.Reason)
		require.Equal(t, int64(5000), c.TimeoutMS)
		require.NotContains(t, c.Endpoint, "@", "no secrets")
		require.NotEmpty(t, c.Expectation)
	}

	report, code = w.health()
	require.Equal(t, exitEnvironment, code)
	require.Equal(t, []string{"api"}, report.down())
	api := w.start("api")
	_, code = w.health("--wait", "20s")
	require.Equal(t, exitOK, code)
	api.stop()

	workers.kill() // it cannot say goodbye: its endpoint no longer answers
	report, code = w.health("--without", "api")
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, strings.Join(report.down(), "\n"), "worker all")
}

// A service that cannot be reached is told, and hides no other.
func TestHealthWithoutAService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0") // nobody answers here
	require.NoError(t, err)
	defer listener.Close()
	w.env = append(w.env, "S3_URL=http://key:verysecret@"+listener.Addr().String()+"/bucket")
	report, code := w.health("--timeout", "3s", "--without", "api,ingestion,quality,embedding,indexing,freshness,deadletters")
	require.Equal(t, exitEnvironment, code)
	require.Equal(t, []string{"s3"}, report.down())

	stdout, stderr, _ := w.reos("health", "--timeout", "3s")
	require.Contains(t, stdout, "no answer within 3s")
	require.NotContains(t, stdout+stderr, "verysecret")
}

func (w *world) health(args ...string) (healthReport, int) {
	w.t.Helper()
	stdout, stderr, code := w.reos(append([]string{"health", "--json"}, args...)...)
	var report healthReport
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &report), stdout+stderr)
	return report, code
}

func (r healthReport) names() []string {
	var names []string
	for _, c := range r.Components {
		names = append(names, c.Name)
	}
	return names
}

func (r healthReport) down() []string {
	var names []string
	for _, c := range r.Components {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestAdvertisedAddress(t *testing.T) {
	for given, want := range map[string]string{
		"":               "",
		"127.0.0.1:9400": "http://127.0.0.1:9400",
		"[::]:9400":      "http://box:9400",
		"0.0.0.0:9400":   "http://box:9400",
		"[::1]:9400":     "http://[::1]:9400",
	} {
		require.Equal(t, want, advertised(given, "box"))
	}
}
