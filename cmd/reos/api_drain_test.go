package main

import (
	"encoding/json"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever balances the load looks at /readyz now and then, and sends requests until it says no: none of them may be lost.
func TestInvariant8AnAPIThatStopsIsNotReadyFirstAndLosesNoRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "API_DRAIN_DELAY=2s")
	server := w.start("api")
	said := saidAPI.FindStringSubmatch(server.logged())
	require.NotNil(t, said, server.logged())
	client := &http.Client{Transport: &http.Transport{}}
	get := func(path string) (status int, body []byte, lastOfItsConnection bool) {
		response, err := client.Get(said[1] + path)
		require.NoError(t, err, "a request was lost")
		defer response.Body.Close()
		body, err = io.ReadAll(response.Body)
		require.NoError(t, err)
		return response.StatusCode, body, response.Close
	}
	_, _, last := get("/healthz")
	require.False(t, last)
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
	var answer struct{ Checks map[string]string }
	require.Eventually(t, func() bool {
		status, body, _ := get("/readyz")
		require.NoError(t, json.Unmarshal(body, &answer))
		return status == http.StatusServiceUnavailable
	}, 10*time.Second, 5*time.Millisecond)
	require.Equal(t, "it is stopping", answer.Checks["process"])
	for began := time.Now(); time.Since(began) < time.Second; { // requests that were sent before the balancer knew
		status, _, last := get("/ping")
		require.Equal(t, http.StatusOK, status)
		require.True(t, last, "or a request would be sent over a connection that is just being closed")
	}
	select {
	case err := <-server.ended:
		require.NoError(t, err, server.logged())
	case <-time.After(20 * time.Second):
		require.Fail(t, "it goes on", server.logged())
	}
}
