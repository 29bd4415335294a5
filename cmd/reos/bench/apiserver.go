package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
)

// The content types of events over HTTP.
const (
	structuredType = "application/cloudevents+json"
	batchType      = "application/cloudevents-batch+json"
)

// apiServer is a process that serves the API, and a token for it.
type apiServer struct {
	*process
	url, token string
	client     *http.Client
}

// startAPI serves the API of a world whose first tenant publishes and searches, and waits until it is ready.
func (w *world) startAPI(ctx context.Context) (*apiServer, error) {
	config := auth.Config{Secret: rand.Text() + rand.Text(), Issuer: "bench", Audience: "bench"}
	token, err := auth.Mint(config, auth.Principal{
		Subject: "bench", Tenant: w.tenants[0].ID, Roles: []auth.Role{auth.Publisher, auth.Reader},
	}, time.Now(), time.Hour)
	if err != nil {
		return nil, err
	}
	env := append(w.env[:len(w.env):len(w.env)], "API_ADDR=127.0.0.1:0", "API_JWKS_URL=", "API_JWT_SECRET="+config.Secret,
		"API_JWT_ISSUER="+config.Issuer, "API_JWT_AUDIENCE="+config.Audience, "API_REQUESTS_PER_SECOND=1000000", "API_REQUEST_BURST=1000000")
	child, err := startProcess("reos api", w.options.Binary, env, "api")
	if err != nil {
		return nil, err
	}
	served := &apiServer{process: child, token: token, client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4 * apiConnections},
	}}
	var said struct{ API, Admin string }
	_, err = child.await(ctx, func(line string) string {
		_ = json.Unmarshal([]byte(line), &said) // a line of another kind says no address
		return said.API
	})
	if err == nil {
		served.url = said.API
		err = (&worker{process: child, admin: said.Admin}).awaitReady(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, child.stop())
	}
	return served, nil
}

// post sends a body, and demands that all of it is accepted.
func (a *apiServer) post(ctx context.Context, path, contentType string, body io.Reader) error {
	return a.send(ctx, http.MethodPost, path, contentType, body, http.StatusAccepted, nil)
}

// send asks, demands a status, and reads the answer's JSON where somebody wants it.
func (a *apiServer) send(ctx context.Context, method, path, contentType string, body io.Reader, status int, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, a.url+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
	case response.StatusCode != status:
		err = fmt.Errorf("%s: %.300s", response.Status, answer)
	case into != nil:
		err = json.Unmarshal(answer, into)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// verifyQueued makes sure that what was accepted is in the broker's queues.
func (w *world) verifyQueued(ctx context.Context, n int) error {
	deadline := time.Now().Add(queuedTime)
	for {
		depths, err := w.transport.Depths(ctx)
		if err != nil {
			return err
		}
		waiting := 0
		for _, source := range w.topology.Sources(events.Ingestion) {
			waiting += depths[source.Queue]
		}
		if waiting == n {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the run is void: %d events accepted, %d in the queues of ingestion", n, waiting)
		}
		time.Sleep(lookEvery)
	}
}

// queuedTime is how long the broker may take to count its messages.
const queuedTime = 20 * time.Second
