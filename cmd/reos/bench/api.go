package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/events"
)

const (
	apiBatch       = 100 // events of a request
	apiConnections = 8
	feedRecords    = 1000 // different ones, apart from their keys
)

// api measures what the HTTP API takes: batches as fast as it can, single events at the rate of the latency scenario, and
// one large feed. Each has a world of its own without workers: what is measured is the door, not the pipeline.
func (s *session) api(ctx context.Context) error {
	const name = "api"
	for _, part := range []struct {
		which   string
		measure func(context.Context, *world, *apiServer, *Run) error
	}{
		{fmt.Sprintf("batches of %d", apiBatch), s.apiBatches}, {"single events", s.apiSingles}, {"feed", s.apiFeed},
	} {
		run := Run{Scenario: name, Of: ofReos, Case: part.which, Data: dataGenerated}
		err := s.in(ctx, 1, func(w *world) (err error) {
			server, err := w.startAPI(ctx)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, server.stop()) }()
			cpu := newClock(w).with(cpuWorker, server.pid())
			before := cpu.read()
			if err := part.measure(ctx, w, server, &run); err != nil {
				return err
			}
			run.CPU = perEvent(before, cpu.read(), run.Events)
			return w.verifyQueued(ctx, run.Events)
		})
		if err != nil {
			return err
		}
		s.add(run)
	}
	return nil
}

// apiBatches posts batches over several connections.
func (s *session) apiBatches(ctx context.Context, w *world, server *apiServer, run *Run) error {
	g := newGenerator(s.options.Seed)
	bodies := make([]string, max(1, s.options.Sizes.Events/apiBatch))
	for i := range bodies {
		batch := make([]string, apiBatch)
		for j := range batch {
			batch[j] = structured(g.event(w.tenants[0].ID, key(g.made)))
		}
		bodies[i] = "[" + strings.Join(batch, ",") + "]"
	}
	next := make(chan string)
	group, ctx := errgroup.WithContext(ctx)
	started := time.Now()
	for range apiConnections {
		group.Go(func() error {
			for body := range next {
				if err := server.post(ctx, "/v1/events", batchType, strings.NewReader(body)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for _, body := range bodies {
			select {
			case next <- body:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	run.took(len(bodies)*apiBatch, time.Since(started))
	s.find(Finding{Name: "events accepted over HTTP, " + run.Case, Value: run.EventsPerSecond, Unit: "events/s"}.atLeast(4000))
	return nil
}

// took says how many events a run was about, and how long it lasted.
func (r *Run) took(events int, time time.Duration) {
	r.Events, r.Seconds = events, time.Seconds()
	r.EventsPerSecond = float64(events) / r.Seconds
}

// apiSingles posts events at a rate, each on a goroutine of its own: a slow answer delays none behind it.
func (s *session) apiSingles(ctx context.Context, w *world, server *apiServer, run *Run) error {
	g := newGenerator(s.options.Seed)
	perSecond := s.options.Sizes.LatencyRate
	n := perSecond * s.options.Sizes.LatencySeconds
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	var mu sync.Mutex
	var answered []time.Duration
	var failure error
	var posting sync.WaitGroup
	started := time.Now()
	for range n {
		body := structured(g.event(w.tenants[0].ID, key(g.made)))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			posting.Wait()
			return context.Cause(ctx)
		}
		posting.Go(func() {
			sent := time.Now()
			err := server.post(ctx, "/v1/events", structuredType, strings.NewReader(body))
			mu.Lock()
			defer mu.Unlock()
			answered, failure = append(answered, time.Since(sent)), errors.Join(failure, err)
		})
	}
	posting.Wait()
	if failure != nil {
		return failure
	}
	run.took(n, time.Since(started))
	run.Latency = latencyOf(answered)
	s.find(Finding{Name: "p95 of a single event over HTTP", Value: run.Latency.P95, Unit: "ms"}.atMost(20))
	return nil
}

// apiFeed streams one large feed, and watches the server's memory.
func (s *session) apiFeed(ctx context.Context, w *world, server *apiServer, run *Run) error {
	sampling, stop := context.WithCancel(ctx)
	sampled := make(chan []float64)
	go func() { sampled <- sampleMemory(sampling, server.pid()) }()
	text := newEndless(newGenerator(s.options.Seed), w, int64(s.options.Sizes.FeedMiB)<<20)
	started := time.Now()
	err := server.post(ctx, "/v1/feeds", "application/x-ndjson", text)
	took := time.Since(started)
	stop()
	samples := <-sampled
	if err != nil {
		return err
	}
	run.Case = fmt.Sprintf("feed of %d MiB", s.options.Sizes.FeedMiB)
	run.took(text.records, took)
	run.Memory = &Memory{PeakMiB: memoryOf(server.pid(), "VmHWM"), SamplesMiB: samples}
	s.find(Finding{Name: "API memory, " + run.Case, Value: run.Memory.PeakMiB, Unit: "MiB"}.atMost(200))
	return nil
}

// endless is a feed of so many bytes, made while it is read.
type endless struct {
	templates []string
	left      int64
	line      []byte // what is left of the current record
	records   int
}

// templateKey stands where a record's own key goes.
const templateKey = "TEMPLATE-KEY"

func newEndless(g *generator, w *world, size int64) *endless {
	e := &endless{left: size}
	for range feedRecords {
		e.templates = append(e.templates, string(g.event(w.tenants[0].ID, templateKey).Data)+"\n")
	}
	return e
}

// Read implements io.Reader.
func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		if len(e.line) == 0 {
			if e.left <= 0 {
				if n == 0 {
					err = io.EOF
				}
				return n, err
			}
			e.line = []byte(strings.ReplaceAll(e.templates[e.records%feedRecords], templateKey, key(e.records)))
			e.left -= int64(len(e.line))
			e.records++
		}
		copied := copy(p[n:], e.line)
		n, e.line = n+copied, e.line[copied:]
	}
	return n, nil
}

// structured writes an event as CloudEvents' JSON format does.
func structured(e events.Event) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":%q,"time":%q,"data":%s}`,
		e.ID, e.Source, e.Type, e.Time.Format(time.RFC3339Nano), e.Data)
}
