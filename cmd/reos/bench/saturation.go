package bench

import (
	"context"
	"time"

	"github.com/codybias9/real-estate-os/events"
)

// saturation runs the baseline and reos alternately, each as fast as it can: peer, reos, peer, reos, …
//
// Both are timed alike: from just before the first publish until the last event has come to its end, the publishing
// included. The baseline ends with the arrival in its last queue; reos when the end of the last event is committed to
// Postgres, behind the vector upsert. Every reos run has an installation of its own; the baseline drops its tables.
func (s *session) saturation(ctx context.Context) error {
	const name = "saturation"
	for range s.options.Sizes.Pairs {
		if s.options.Peer != "" {
			run, err := s.runPeer(ctx, Run{Scenario: name, Of: ofPeer, Data: dataGenerated}, s.options.Sizes.PeerEvents, 0)
			if err != nil {
				return err
			}
			s.add(run)
		}
		for _, data := range s.dataSets() {
			if err := s.saturateFresh(ctx, Run{Scenario: name, Of: ofReos, Data: data}); err != nil {
				return err
			}
		}
	}
	if s.options.Peer == "" {
		return nil
	}
	peer := s.report.rates(name, ofPeer, "", dataGenerated)
	for _, data := range s.dataSets() {
		s.find(ratio(s.report.rates(name, ofReos, "", data), peer).asFinding("reos ÷ peer, saturated, " + data).atLeast(5))
	}
	return nil
}

// control runs reos against itself: what differs between two runs of the same is the noise floor.
func (s *session) control(ctx context.Context) error {
	const name = "control"
	for range s.options.Sizes.Pairs {
		for _, which := range []string{"A", "A again"} {
			if err := s.saturateFresh(ctx, Run{Scenario: name, Of: ofReos, Case: which, Data: dataGenerated}); err != nil {
				return err
			}
		}
	}
	a := s.report.rates(name, ofReos, "A", dataGenerated)
	again := s.report.rates(name, ofReos, "A again", dataGenerated)
	s.find(ratio(again, a).asFinding("reos ÷ itself (noise floor)"))
	s.find(Finding{Name: "spread of all control runs", Value: spread(append(a, again...)), Unit: "of the median"})
	return nil
}

// dataSets lists what there is to publish.
func (s *session) dataSets() []string {
	if s.options.KingCounty == "" {
		return []string{dataGenerated}
	}
	return []string{dataGenerated, dataKingCounty}
}

// saturateFresh measures a saturated run in a world of its own.
func (s *session) saturateFresh(ctx context.Context, run Run) error {
	return s.beside(ctx, 1, func(w *world, p *worker) error {
		out := []events.Outgoing(nil)
		if run.Data == dataKingCounty {
			var err error
			if out, err = w.kingCounty(); err != nil {
				return err
			}
		} else {
			out = w.generated(newGenerator(s.options.Seed), s.options.Sizes.Events)
		}
		run, err := s.saturate(ctx, w, p, run, out)
		if err == nil {
			s.add(run)
		}
		return err
	})
}

// saturate publishes as fast as the broker confirms and waits for the end of everything.
func (s *session) saturate(ctx context.Context, w *world, p *worker, run Run, out []events.Outgoing) (Run, error) {
	already, err := w.ended(ctx)
	if err != nil {
		return run, err
	}
	if err := w.settle(ctx); err != nil {
		return run, err
	}
	cpu := newClock(w).with(cpuWorker, p.pid())
	profiled := s.takeProfile(ctx, p)
	before, started := cpu.read(), time.Now()
	if err := w.publish(ctx, out); err != nil {
		return run, err
	}
	published := time.Now()
	finished, err := w.awaitEnded(ctx, p, already+len(out))
	if err != nil {
		return run, err
	}
	run.CPU = perEvent(before, cpu.read(), len(out))
	run.Events, run.Seconds = len(out), finished.Sub(started).Seconds()
	run.EventsPerSecond = float64(len(out)) / run.Seconds
	run.Publishing = published.Sub(started).Seconds()
	if err := profiled(); err != nil {
		return run, err
	}
	return run, w.verify(ctx)
}
