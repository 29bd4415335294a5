package bench

import (
	"context"
	"errors"

	"github.com/codybias9/real-estate-os/events"
)

const (
	tracked   = "with the tracker"
	untracked = "without the tracker"
)

// trackedTimes is how many times as many events a run has as other saturated ones: the tracker looks every 15 s.
const trackedTimes = 3

// tracker measures what the tracker costs: the same events at saturation beside a process of its own that runs it, and
// without one. What the same process does once an hour (compare the stores, probe the isolation) is off: at its start it
// would fill the whole run.
func (s *session) tracker(ctx context.Context) error {
	const name = "tracker"
	for range s.options.Sizes.Pairs {
		for _, which := range []string{untracked, tracked} {
			err := s.in(ctx, 1, func(w *world) error {
				return s.saturateBeside(ctx, w, Run{Scenario: name, Of: ofReos, Case: which, Data: dataGenerated})
			})
			if err != nil {
				return err
			}
		}
	}
	s.find(ratio(
		s.report.rates(name, ofReos, tracked, dataGenerated), s.report.rates(name, ofReos, untracked, dataGenerated),
	).asFinding(tracked + " ÷ " + untracked).atLeast(0.95))
	return nil
}

// saturateBeside measures the stages that work, and has the tracker run beside them where the run's case says so.
func (s *session) saturateBeside(ctx context.Context, w *world, run Run) (err error) {
	p, err := w.startWorker(ctx, events.Ingestion, events.Quality, events.Embedding, events.Indexing, events.DeadLetters)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	if run.Case == tracked {
		w.env = append(w.env, "RECONCILE_INTERVAL=0s", "ISOLATION_PROBE_INTERVAL=0s")
		t, err := w.startWorker(ctx, events.Freshness)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.stop()) }()
	}
	run, err = s.saturate(ctx, w, p, run, w.generated(newGenerator(s.options.Seed), trackedTimes*s.options.Sizes.Events))
	if err == nil {
		s.add(run)
	}
	return err
}
