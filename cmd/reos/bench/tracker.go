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

// tracker measures what it costs the stages that freshness is told: the same events at saturation beside a process that
// runs the tracker (which also drives again, compares and gathers raw bytes), and without one.
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
		t, err := w.startWorker(ctx, events.Freshness)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, t.stop()) }()
	}
	run, err = s.saturate(ctx, w, p, run, w.generated(newGenerator(s.options.Seed), s.options.Sizes.Events))
	if err == nil {
		s.add(run)
	}
	return err
}
