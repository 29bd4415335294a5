package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Memory is the worker's resident memory.
type Memory struct {
	PeakMiB    float64   `json:"peak_mib"`    // since its start, as the kernel keeps it
	SamplesMiB []float64 `json:"samples_mib"` // every quarter of a second
}

const sampleEvery = 250 * time.Millisecond

// memory starts a worker on a backlog and watches its memory while it works off a part of it.
func (s *session) memory(ctx context.Context) error {
	peaks := map[int]float64{}
	for _, backlog := range s.options.Sizes.Backlogs {
		run := Run{Scenario: "memory", Of: ofReos, Case: fmt.Sprintf("backlog %d", backlog), Data: dataGenerated}
		err := s.in(ctx, 1, func(w *world) error {
			var err error
			run, err = s.watchMemory(ctx, w, run, backlog)
			return err
		})
		if err != nil {
			return err
		}
		s.add(run)
		peaks[backlog] = run.Memory.PeakMiB
	}
	small, large := slices.Min(s.options.Sizes.Backlogs), slices.Max(s.options.Sizes.Backlogs)
	s.find(Finding{
		Name: fmt.Sprintf("worker memory, backlog of %d", large), Value: peaks[large], Unit: "MiB",
	}.atMost(200))
	s.find(Finding{
		Name: fmt.Sprintf("worker memory, backlog of %d ÷ of %d", large, small), Value: peaks[large] / peaks[small], Unit: "×",
	}.atMost(1.2))
	return nil
}

func (s *session) watchMemory(ctx context.Context, w *world, run Run, backlog int) (_ Run, err error) {
	g := newGenerator(s.options.Seed)
	const atOnce = 20_000
	for published := 0; published < backlog; published += atOnce {
		if err := w.publish(ctx, w.generated(g, min(atOnce, backlog-published))); err != nil {
			return run, err
		}
	}
	p, err := w.startWorker(ctx, allStages)
	if err != nil {
		return run, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	started := time.Now()
	sampling, stop := context.WithCancel(ctx)
	sampled := make(chan []float64)
	go func() { sampled <- sampleMemory(sampling, p.pid()) }()
	wanted := min(s.options.Sizes.MemoryEvents, backlog)
	finished, err := w.awaitEnded(ctx, p, wanted)
	stop()
	samples := <-sampled
	if err != nil {
		return run, err
	}
	run.Events, run.Seconds = wanted, finished.Sub(started).Seconds()
	run.EventsPerSecond = float64(wanted) / run.Seconds
	run.Memory = &Memory{PeakMiB: memoryOf(p.pid(), "VmHWM"), SamplesMiB: samples}
	return run, nil
}

// sampleMemory reads the resident memory of a process until ctx ends.
func sampleMemory(ctx context.Context, pid int) []float64 {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	var samples []float64
	for {
		samples = append(samples, memoryOf(pid, "VmRSS"))
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return samples
		}
	}
}
