package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/codybias9/real-estate-os/events"
)

// growth measures saturated throughput on installations of different size: with few and with many stored records, and
// with few and with many tenants.
func (s *session) growth(ctx context.Context) error {
	if err := s.growthOfRecords(ctx); err != nil {
		return err
	}
	return s.growthOfTenants(ctx)
}

// storedWorld is a world with records in it, and its worker.
type storedWorld struct {
	*world
	worker *worker
	stored *stored
	name   string
}

// growthOfRecords keeps one world per size and alternates between them: half of the events are new records, half are
// newer versions of stored ones, chosen at random.
func (s *session) growthOfRecords(ctx context.Context) (err error) {
	var worlds []*storedWorld
	defer func() {
		for _, sw := range worlds {
			err = errors.Join(err, sw.worker.stop(), sw.close())
		}
	}()
	for _, records := range s.options.Sizes.Stored {
		sw, err := s.storedWorld(ctx, records)
		if err != nil {
			return err
		}
		worlds = append(worlds, sw)
	}
	for range s.options.Sizes.Pairs {
		for _, sw := range worlds {
			out := sw.stored.mixed(sw.world, s.options.Sizes.Events)
			run, err := s.saturate(ctx, sw.world, sw.worker, Run{Scenario: "growth", Of: ofReos, Case: sw.name, Data: dataGenerated}, out)
			if err != nil {
				return err
			}
			s.add(run)
		}
	}
	small, large := slices.Min(s.options.Sizes.Stored), slices.Max(s.options.Sizes.Stored)
	s.compareGrowth("%d stored", small, large, 0.8)
	return nil
}

func (s *session) storedWorld(ctx context.Context, records int) (_ *storedWorld, err error) {
	w, err := newWorld(ctx, s.options, 1)
	if err != nil {
		return nil, err
	}
	p, err := w.startWorker(ctx, allStages)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	s.options.Say("growth: storing %d records", records)
	stored, err := w.fill(ctx, p, records)
	if err != nil {
		return nil, errors.Join(err, p.stop(), w.close())
	}
	return &storedWorld{world: w, worker: p, stored: stored, name: fmt.Sprintf("%d stored", records)}, nil
}

// growthOfTenants spreads the same events at random over tenants, and these over all lanes.
func (s *session) growthOfTenants(ctx context.Context) error {
	for range s.options.Sizes.Pairs {
		for _, tenants := range s.options.Sizes.Tenants {
			err := s.beside(ctx, tenants, func(w *world, p *worker) error {
				out := w.generated(newGenerator(s.options.Seed), s.options.Sizes.Events)
				run := Run{Scenario: "growth", Of: ofReos, Case: fmt.Sprintf("%d tenants", tenants), Data: dataGenerated}
				run, err := s.saturate(ctx, w, p, run, out)
				if err == nil {
					s.add(run)
				}
				return err
			})
			if err != nil {
				return err
			}
		}
	}
	few, many := slices.Min(s.options.Sizes.Tenants), slices.Max(s.options.Sizes.Tenants)
	s.compareGrowth("%d tenants", few, many, 0.5)
	return nil
}

// compareGrowth holds the throughput of the large against that of the small.
func (s *session) compareGrowth(form string, small, large int, target float64) {
	few, many := fmt.Sprintf(form, small), fmt.Sprintf(form, large)
	s.find(ratio(
		s.report.rates("growth", ofReos, many, dataGenerated), s.report.rates("growth", ofReos, few, dataGenerated),
	).asFinding(many + " ÷ " + few).atLeast(target))
}

// mixed makes n messages, every second one about a stored record.
func (st *stored) mixed(w *world, n int) []events.Outgoing {
	out := make([]events.Outgoing, n)
	for i := range out {
		recordKey := key(st.generator.made)
		if i%2 == 0 {
			recordKey = st.randomKey()
		}
		out[i] = w.outgoing(st.generator.event(w.tenants[0].ID, recordKey))
	}
	return out
}
