package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/embedding"
)

// latency offers few events per second and measures each from its publish until search finds it. The baseline is
// offered the same, and measured from its publish until it arrives in the last queue.
func (s *session) latency(ctx context.Context) error {
	const name = "latency"
	perSecond := s.options.Sizes.LatencyRate
	n := s.options.Sizes.LatencySeconds * perSecond
	which := fmt.Sprintf("%d/s", perSecond)
	for range s.options.Sizes.Pairs {
		if s.options.Peer != "" {
			run, err := s.runPeer(ctx, Run{Scenario: name, Of: ofPeer, Case: which, Data: dataGenerated}, n, perSecond)
			if err != nil {
				return err
			}
			s.add(run)
		}
		for _, data := range s.dataSets() {
			if err := s.runPaced(ctx, Run{Scenario: name, Of: ofReos, Case: which, Data: data}, n, perSecond); err != nil {
				return err
			}
		}
	}
	for _, data := range s.dataSets() {
		p50, p99 := s.latencies(name, data)
		s.find(Finding{Name: "p50 from publish to searchable, " + data, Value: median(p50), Unit: "ms"}.atMost(12))
		s.find(Finding{Name: "p99 from publish to searchable, " + data, Value: median(p99), Unit: "ms"}.atMost(40))
	}
	return nil
}

// latencies lists what reos' runs of a scenario measured.
func (s *session) latencies(scenario, data string) (p50, p99 []float64) {
	for _, run := range s.report.Runs {
		if run.Scenario == scenario && run.Of == ofReos && run.Data == data && run.Latency != nil {
			p50, p99 = append(p50, run.Latency.P50), append(p99, run.Latency.P99)
		}
	}
	return p50, p99
}

func (s *session) runPaced(ctx context.Context, run Run, n, perSecond int) error {
	return s.beside(ctx, 1, func(w *world, p *worker) (err error) {
		listening, err := w.listen(w.tenants[0].ID)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, listening.close()) }()
		next, err := w.feed(run.Data, s.options.Seed, n)
		if err != nil {
			return err
		}
		if run.Data == dataGenerated {
			if err := w.probe(ctx, listening); err != nil {
				return err
			}
		}
		run, err := w.measurePaced(ctx, p, listening, run, n, perSecond, next)
		if err != nil {
			return err
		}
		s.add(run)
		return w.verify(ctx)
	})
}

// measurePaced offers n events and waits until each that becomes searchable is.
func (w *world) measurePaced(ctx context.Context, p *worker, listening *listener, run Run, n, perSecond int, next func() (events.Event, bool)) (Run, error) {
	already, err := w.ended(ctx)
	if err != nil {
		return run, err
	}
	cpu := newClock(w).with(cpuWorker, p.pid())
	before, started := cpu.read(), time.Now()
	sent, err := w.pace(ctx, perSecond, next)
	if err != nil {
		return run, err
	}
	took, err := listening.await(ctx, sent, func(ctx context.Context) (bool, error) {
		count, err := w.ended(ctx)
		return count >= already+n, err
	})
	if err != nil {
		return run, err
	}
	run.Events, run.Seconds = n, time.Since(started).Seconds()
	run.EventsPerSecond = float64(n) / run.Seconds
	run.CPU = perEvent(before, cpu.read(), n)
	run.Latency = latencyOf(took)
	return run, nil
}

// feed hands out at most n events of a data set for the first tenant.
func (w *world) feed(data string, seed uint64, n int) (next func() (events.Event, bool), err error) {
	if data == dataKingCounty {
		sales, err := w.kingCountyEvents()
		if err != nil {
			return nil, err
		}
		return take(n, func(i int) events.Event { return sales[i%len(sales)] }), nil
	}
	g := newGenerator(seed)
	return take(n, func(i int) events.Event { return g.event(w.tenants[0].ID, key(i)) }), nil
}

// take hands out the events 0 to n-1.
func take(n int, event func(i int) events.Event) func() (events.Event, bool) {
	i := -1
	return func() (events.Event, bool) {
		if i++; i >= n {
			return events.Event{}, false
		}
		return event(i), true
	}
}

// probe publishes one event, waits until the listener hears of it, and makes sure that search finds it by then.
func (w *world) probe(ctx context.Context, listening *listener) error {
	const probeKey = "PROBE-1"
	event := newGenerator(0).event(w.tenants[0].ID, probeKey)
	sent, err := w.pace(ctx, 100, take(1, func(int) events.Event { return event }))
	if err != nil {
		return err
	}
	never := func(context.Context) (bool, error) { return false, nil }
	if _, err := listening.await(ctx, sent, never); err != nil {
		return err
	}
	client, err := qdrant.Open(ctx, w.options.Qdrant)
	if err != nil {
		return err
	}
	defer client.Close()
	vectors, err := embedding.NewHashing().Embed(ctx, []string{"any home"})
	if err != nil {
		return err
	}
	hits, err := client.Tenant(w.tenants[0].ID).Search(ctx, store.Query{Vector: vectors[0], Limit: 1})
	if err != nil {
		return err
	}
	if len(hits) != 1 || hits[0].Key != probeKey {
		return fmt.Errorf("the measurement is void: indexing said that %s is searchable, search finds %v", probeKey, hits)
	}
	return nil
}
