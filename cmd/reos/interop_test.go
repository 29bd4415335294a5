package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A client that is not ours publishes over HTTP, in every mode that CloudEvents knows.
func TestPublishWithTheCloudEventsSDK(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start("worker", "all")
	api := w.start("api")
	token := strings.TrimSpace(w.ok("token", "--tenant", w.tenant.String(), "--role", "publisher"))

	client := exec.Command("go", "run", ".", api.apiURL+"/v1/events")
	client.Dir = filepath.Join("..", "..", "api", "interop")
	client.Env = append(client.Environ(), "REOS_TOKEN="+token)
	out, err := client.CombinedOutput()
	require.NoError(t, err, string(out))

	require.Eventually(t, func() bool {
		return w.number("SELECT count(*) FROM progress WHERE outcome = 'done' AND event_id LIKE 'sdk-%'") == 4
	}, time.Minute, 50*time.Millisecond)
	require.Equal(t, 4, w.points())
}
