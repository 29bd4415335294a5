package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// scenario is a kind of measurement.
type scenario struct {
	name string
	run  func(*session, context.Context) error
}

// scenarios in the order in which they run: the quiet ones first, so that none pays for what a big one left behind.
var scenarios = []scenario{
	{"saturation", (*session).saturation},
	{"control", (*session).control},
	{"tracker", (*session).tracker},
	{"latency", (*session).latency},
	{"api", (*session).api},
	{"search", (*session).search},
	{"fairness", (*session).fairness},
	{"replay", (*session).replay},
	{"memory", (*session).memory},
	{"growth", (*session).growth},
}

// session is one call of the benchmark.
type session struct {
	options Options
	report  *Report
}

// Measure runs the scenarios that the options name, one after the other. The report holds what was found even where
// an error says that a later run failed; it is nil where nothing could start.
func Measure(ctx context.Context, options Options) (*Report, error) {
	found, err := versions(ctx, options)
	if err != nil {
		return nil, err
	}
	s := &session{options: options, report: &Report{
		Started: time.Now().UTC(), Machine: thisMachine(), Commit: commit(), Versions: found,
		Seed: options.Seed, Sizes: options.Sizes, Runs: []Run{}, Findings: []Finding{},
	}}
	s.noteMissing()
	for _, one := range scenarios {
		if len(options.Scenarios) > 0 && !slices.Contains(options.Scenarios, one.name) {
			continue
		}
		if err := one.run(s, ctx); err != nil {
			return s.report, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	s.report.Seconds = time.Since(s.report.Started).Seconds()
	return s.report, nil
}

// noteMissing says what is left out for want of a file.
func (s *session) noteMissing() {
	if s.options.Peer == "" {
		s.report.Notes = append(s.report.Notes, "The baseline was left out: --peer names its binary.")
	}
	if s.options.KingCounty == "" {
		s.report.Notes = append(s.report.Notes, "King County's sales were left out: --king-county names the file.")
	}
}

// add keeps a run and tells of it.
func (s *session) add(run Run) {
	s.report.Runs = append(s.report.Runs, run)
	what := fmt.Sprintf("%s: %s, %s", run.Scenario, run.Of, run.Data)
	if run.Case != "" {
		what += ", " + run.Case
	}
	what += fmt.Sprintf(": %.0f events/s", run.EventsPerSecond)
	if run.Latency != nil {
		what += fmt.Sprintf(", p50 %.1f ms, p95 %s ms, p99 %.1f ms", run.Latency.P50, known(run.Latency.P95), run.Latency.P99)
	}
	if run.Memory != nil {
		what += fmt.Sprintf(", %.0f MiB at most", run.Memory.PeakMiB)
	}
	s.options.Say("%s", what)
}

func (s *session) find(f Finding) { s.report.Findings = append(s.report.Findings, f) }

// in runs work in a world of its own, which is gone afterwards.
func (s *session) in(ctx context.Context, tenants int, work func(*world) error) (err error) {
	w, err := newWorld(ctx, s.options, tenants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	return work(w)
}

// beside runs work while a worker does its own in a new world. The worker is drained before the world goes.
func (s *session) beside(ctx context.Context, tenants int, work func(*world, *worker) error) error {
	return s.in(ctx, tenants, func(w *world) (err error) {
		p, err := w.startWorker(ctx, allStages)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		return work(w, p)
	})
}

// takeProfile has the first worker that asks write a CPU profile while it works. The returned function waits for it.
func (s *session) takeProfile(ctx context.Context, p *worker) (wait func() error) {
	path := s.options.CPUProfile
	if path == "" {
		return func() error { return nil }
	}
	s.options.CPUProfile = ""
	done := make(chan error, 1)
	go func() { done <- p.profile(ctx, profileTime, path) }()
	return func() error {
		err := <-done
		if info, statErr := os.Stat(path); err == nil && statErr == nil {
			s.options.Say("wrote %s, %d bytes: go tool pprof %s", path, info.Size(), path)
		}
		return err
	}
}

// profileTime is about how long a saturated run takes.
const profileTime = 5 * time.Second
