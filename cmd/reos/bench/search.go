package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	searchRecords = 20_000
	searchCallers = 4
)

// search measures `GET /v1/search` on 20,000 searchable homes, asked by several callers at once, each with the next words as
// soon as it has its answer. The worker that stored them has ended.
func (s *session) search(ctx context.Context) error {
	return s.in(ctx, 1, func(w *world) (err error) {
		p, err := w.startWorker(ctx, allStages)
		if err != nil {
			return err
		}
		s.options.Say("search: storing %d records", searchRecords)
		_, err = w.fill(ctx, p, searchRecords)
		if err = errors.Join(err, p.stop()); err != nil {
			return err
		}
		server, err := w.startAPI(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.stop()) }()
		for _, part := range []struct{ which, filter string }{
			{"words", ""},
			{"words and filters", "&min_price=300000&min_bedrooms=3&city=Seattle"},
			{"words and distance", "&near=47.6,-122.2&within_m=20000"},
		} {
			run := Run{Scenario: "search", Of: ofReos, Case: part.which, Data: dataGenerated}
			if err := s.searches(ctx, server, &run, part.filter); err != nil {
				return err
			}
			s.add(run)
			s.find(Finding{Name: "p95 of a search, " + part.which, Value: run.Latency.P95, Unit: "ms"}.atMost(50))
		}
		return nil
	})
}

// searches asks as often as the sizes say, and once before that counts.
func (s *session) searches(ctx context.Context, server *apiServer, run *Run, filter string) error {
	words := func(n int) string {
		return fmt.Sprintf("%s with %s", styles[n%len(styles)], features[n%len(features)])
	}
	if err := server.search(ctx, words(0), filter); err != nil {
		return err
	}
	var mu sync.Mutex
	var answered []time.Duration
	group, ctx := errgroup.WithContext(ctx)
	started := time.Now()
	for caller := range searchCallers {
		group.Go(func() error {
			for n := caller; n < s.options.Sizes.Searches; n += searchCallers {
				sent := time.Now()
				if err := server.search(ctx, words(n), filter); err != nil {
					return err
				}
				mu.Lock()
				answered = append(answered, time.Since(sent))
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	run.took(len(answered), time.Since(started))
	run.Latency = latencyOf(answered)
	return nil
}

// search asks once, and demands hits.
func (a *apiServer) search(ctx context.Context, words, filter string) error {
	var found struct{ Hits []struct{ Key string } }
	err := a.send(ctx, http.MethodGet, "/v1/search?q="+url.QueryEscape(words)+filter, "", nil, http.StatusOK, &found)
	if err == nil && len(found.Hits) == 0 {
		err = errors.New("search finds nothing")
	}
	return err
}
