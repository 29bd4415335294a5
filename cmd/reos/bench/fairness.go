package bench

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// fairness measures tenant B, who is quiet, alone and then while tenant A of another lane has a backlog.
func (s *session) fairness(ctx context.Context) error {
	return s.beside(ctx, 2, func(w *world, p *worker) (err error) {
		a, b := w.tenants[0].ID, w.tenants[1].ID
		listening, err := w.listen(b)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, listening.close()) }()
		g := newGenerator(s.options.Seed)
		next := func() (events.Event, bool) { return g.event(b, key(g.made)), true }

		idle, cancel := context.WithTimeout(ctx, time.Duration(s.options.Sizes.IdleSeconds)*time.Second)
		defer cancel()
		alone, err := s.measureQuiet(ctx, idle, w, listening, next, Run{Scenario: "fairness", Case: "B alone"})
		if err != nil {
			return err
		}
		published, err := w.fillBacklog(ctx, a, s.options.Sizes.FairnessBacklog)
		if err != nil {
			return err
		}
		drained, cancel := context.WithCancel(ctx)
		defer cancel()
		watched := make(chan error, 1)
		go func() { watched <- w.awaitDrained(drained, cancel, p, a, published) }()
		beside, err := s.measureQuiet(ctx, drained, w, listening, next, Run{Scenario: "fairness", Case: "B while A drains"})
		if err != nil {
			return err
		}
		if err := <-watched; err != nil {
			return err
		}
		s.find(Finding{Name: "p95 of B while A drains ÷ alone", Value: beside.P95 / alone.P95, Unit: "×"}.atMost(5))
		return w.verify(ctx)
	})
}

// measureQuiet offers tenant B's few events until the load's context ends.
func (s *session) measureQuiet(
	ctx, load context.Context, w *world, listening *listener, next func() (events.Event, bool), run Run,
) (*Latency, error) {
	started := time.Now()
	sent, err := w.pace(load, s.options.Sizes.FairnessRate, next)
	if err != nil {
		return nil, err
	}
	elapsed := time.Since(started)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	took, err := listening.await(ctx, sent, func(context.Context) (bool, error) { return false, nil })
	if err != nil {
		return nil, err
	}
	run.Of, run.Data, run.Latency = ofReos, dataGenerated, latencyOf(took)
	run.took(len(sent.sent), elapsed)
	if run.Latency == nil {
		return nil, errors.New("nothing was published beside the load: it was gone too soon")
	}
	s.add(run)
	return run.Latency, nil
}

// fillBacklog publishes for one tenant until that many of its events wait, although a worker is at them. It returns
// how many it published.
func (w *world) fillBacklog(ctx context.Context, tenant uuid.UUID, backlog int) (published int, err error) {
	g := newGenerator(w.options.Seed + 1)
	for {
		ended, err := w.ended(ctx, tenant)
		if err != nil {
			return published, err
		}
		missing := backlog - (published - ended)
		if missing < backlog/50 {
			return published, nil
		}
		out := make([]events.Outgoing, missing)
		for i := range out {
			out[i] = w.outgoing(g.event(tenant, key(g.made)))
		}
		if err := w.publish(ctx, out); err != nil {
			return published, err
		}
		published += missing
	}
}

// awaitDrained calls done once all n events of the tenant have come to their end.
func (w *world) awaitDrained(ctx context.Context, done func(), p *worker, tenant uuid.UUID, n int) error {
	defer done()
	ticker := time.NewTicker(drainLookEvery)
	defer ticker.Stop()
	for {
		ended, err := w.ended(ctx, tenant)
		if err != nil || ended >= n {
			return err
		}
		if !p.running() {
			return p.failure("ended")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

const drainLookEvery = 100 * time.Millisecond
