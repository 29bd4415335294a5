package api_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// unfinished sends the beginning of a body and keeps the rest back until the test ends, or the request is refused.
func (c *client) unfinished(path, begin string) {
	body, rest := io.Pipe()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodPost, c.base+path, body)
	require.NoError(c.t, err)
	request.Header = c.header.Clone()
	var answered sync.WaitGroup
	answered.Go(func() {
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
		}
	})
	c.t.Cleanup(func() {
		_ = rest.CloseWithError(errors.New("the test is over"))
		answered.Wait()
	})
	_, _ = io.WriteString(rest, begin)
}

// crowd sends unfinished requests until there is no place left for a whole one, and returns the answer to that.
func (c *client) crowd(path, begin, whole string) (refused *answer) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		c.unfinished(path, begin) // another one, in the place of one that came when a whole one was just there
		refused = c.post(path, whole)
		return refused.status != http.StatusAccepted
	}, 10*time.Second, time.Millisecond)
	return refused
}

func TestOneTenantsFeedsLeavePlacesToOthers(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	neighbour := f.as(postgrestest.NewTenant(t, f.db), auth.Publisher).with("Content-Type", ndjsonType)
	refused := f.sending(ndjsonType).crowd("/v1/feeds", record("slow")+"\n", record("K"))
	refused.problem(http.StatusTooManyRequests, api.ProblemTooMany)
	require.NotEmpty(t, refused.header.Get("Retry-After"))
	neighbour.post("/v1/feeds", record("K")).ok(nil)
}

// How many requests a tenant may have under way says nothing of how large they are: their bodies have a bound of their own.
func TestOneTenantsBodiesLeaveMemoryToOthers(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	neighbour := f.as(postgrestest.NewTenant(t, f.db), auth.Publisher).with("Content-Type", batchType)
	large := batch(cloudEvent("large", strings.Replace(record("K"), "{", `{"PublicRemarks":"`+strings.Repeat("x", 800_000)+`",`, 1)))
	const most = 1<<20 - 1
	refused := f.sending(batchType).crowd("/v1/events", "["+strings.Repeat(" ", most-1), large)
	refused.problem(http.StatusTooManyRequests, api.ProblemTooMany)
	f.sending(batchType).post("/v1/events", batch(cloudEvent("small", record("K")))).ok(nil)
	neighbour.post("/v1/events", large).ok(nil)
}

func TestReadinessTellsNobodyWhoseAndWhere(t *testing.T) {
	s := serve(t, func(_ *api.Config, parts *api.Parts) {
		parts.Checks = map[string]api.Check{
			"lanes":    func(context.Context) error { return errors.New(`tenant "acme" is in lane "z"`) },
			"postgres": func(context.Context) error { return nil },
		}
	})
	answer := s.anonymous().get("/readyz")
	require.Equal(t, http.StatusServiceUnavailable, answer.status)
	require.NotContains(t, string(answer.body), "acme")
	require.Contains(t, string(answer.body), `"postgres":"ok"`)
}

// slowPings do not answer before they are let.
type slowPings struct{ asked, let chan struct{} }

func (p slowPings) Ping(context.Context) (int64, error) {
	p.asked <- struct{}{}
	<-p.let
	return 1, nil
}

func TestWhoeverNeedsNoTokenCannotTakeEveryConnection(t *testing.T) {
	slow := slowPings{asked: make(chan struct{}), let: make(chan struct{})}
	s := serve(t, func(_ *api.Config, parts *api.Parts) { parts.Pings = slow })
	var answered sync.WaitGroup
	for range 4 {
		answered.Go(func() { s.anonymous().get("/ping") })
	}
	for range 4 {
		<-slow.asked
	}
	s.anonymous().get("/ping").problem(http.StatusServiceUnavailable, api.ProblemUnavailable)
	close(slow.let)
	answered.Wait()
}
