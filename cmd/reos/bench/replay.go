package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// replayPerSecond is the limit of the replay that has one.
const replayPerSecond = 200

// replay measures how fast dead letters of tenant A go out again: without a limit, against the same number of its events
// that are simply published; with a limit, against that; and what tenant B, who is quiet, notices of it.
func (s *session) replay(ctx context.Context) error {
	return s.beside(ctx, 2, func(w *world, p *worker) (err error) {
		a, b := w.tenants[0].ID, w.tenants[1].ID
		g, n := newGenerator(s.options.Seed), s.options.Sizes.Events
		normal := make([]events.Outgoing, n)
		for i := range normal {
			normal[i] = w.outgoing(g.event(a, key(g.made)))
		}
		published, err := s.saturate(ctx, w, p, Run{Scenario: "replay", Of: ofReos, Case: "published", Data: dataGenerated}, normal)
		if err != nil {
			return err
		}
		s.add(published)
		free, err := s.measureReplay(ctx, w, p, g, n, Run{Scenario: "replay", Case: "replayed"}, "--rate", "0")
		if err != nil {
			return err
		}
		s.find(Finding{Name: "replayed ÷ published, events/s", Value: free.EventsPerSecond / published.EventsPerSecond, Unit: "×"}.atLeast(0.5))
		limit := fmt.Sprint(replayPerSecond)
		bounded, err := s.measureReplay(ctx, w, p, g, min(n, 20*replayPerSecond), Run{Scenario: "replay", Case: "replayed, " + limit + "/s"}, "--rate", limit)
		if err != nil {
			return err
		}
		s.find(Finding{Name: "replayed with a limit ÷ that limit", Value: bounded.EventsPerSecond / replayPerSecond, Unit: "×"}.atLeast(0.95))

		listening, err := w.listen(b)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, listening.close()) }()
		next := func() (events.Event, bool) { return g.event(b, key(g.made)), true }
		idle, cancel := context.WithTimeout(ctx, time.Duration(s.options.Sizes.IdleSeconds)*time.Second)
		defer cancel()
		alone, err := s.measureQuiet(ctx, idle, w, listening, next, Run{Scenario: "replay", Case: "B alone"})
		if err != nil {
			return err
		}
		plan, err := w.planReplay(ctx, a, newGenerator(s.options.Seed+1), n, "--rate", "0")
		if err != nil {
			return err
		}
		over, cancel := context.WithCancel(ctx)
		defer cancel()
		watched := make(chan error, 1)
		go func() {
			defer cancel()
			_, err := w.runReplay(over, p, plan, n)
			watched <- err
		}()
		beside, err := s.measureQuiet(ctx, over, w, listening, next, Run{Scenario: "replay", Case: "B while A is replayed"})
		if err := errors.Join(err, <-watched); err != nil {
			return err
		}
		s.find(Finding{Name: "p95 of B while A is replayed ÷ alone", Value: beside.P95 / alone.P95, Unit: "×"}.atMost(5))
		return nil
	})
}

// measureReplay makes n letters of the first tenant, and times their replay: from its start to the end of the last event.
func (s *session) measureReplay(ctx context.Context, w *world, p *worker, g *generator, n int, run Run, flags ...string) (Run, error) {
	plan, err := w.planReplay(ctx, w.tenants[0].ID, g, n, flags...)
	if err != nil {
		return run, err
	}
	if err := w.settle(ctx); err != nil {
		return run, err
	}
	cpu := newClock(w).with(cpuWorker, p.pid())
	before := cpu.read()
	took, err := w.runReplay(ctx, p, plan, n)
	if err != nil {
		return run, err
	}
	run.Of, run.Data, run.CPU = ofReos, dataGenerated, perEvent(before, cpu.read(), n)
	run.took(n, took)
	s.add(run)
	return run, nil
}

// planReplay keeps n letters of a tenant, as ingestion gives up new events, and plans their replay.
func (w *world) planReplay(ctx context.Context, tenant uuid.UUID, g *generator, n int, flags ...string) (plan string, err error) {
	letters := make([]store.DeadLetter, n)
	for i := range letters {
		letters[i] = letterOf(g.event(tenant, "L-"+uuid.NewString()))
	}
	for part := range slices.Chunk(letters, 500) {
		if err := w.db.Tenant(tenant).SaveDeadLetters(ctx, part); err != nil {
			return "", err
		}
	}
	if _, err := w.admin.Exec(ctx, "VACUUM ANALYZE dead_letters"); err != nil { // as autovacuum would have done
		return "", fmt.Errorf("vacuum: %w", err)
	}
	var planned struct {
		RunID    string `json:"run_id"`
		Selected int    `json:"selected"`
	}
	args := append([]string{"dlq", "plan", "--tenant", tenant.String(), "--why", "bench", "--json"}, flags...)
	if err := w.verb(ctx, &planned, args...); err != nil {
		return "", err
	}
	if planned.Selected != n {
		return "", fmt.Errorf("plan a replay: %d of %d letters are eligible", planned.Selected, n)
	}
	return planned.RunID, nil
}

// letterOf is an event that ingestion gave up.
func letterOf(e events.Event) store.DeadLetter {
	msg, now := e.Message(), time.Now().UTC()
	return store.DeadLetter{
		ID: uuid.New(), Tenant: e.TenantID, Event: e.UID(), EventID: e.ID, EventType: e.Type, RecordType: events.Property, Key: e.Subject,
		Stage: events.Ingestion, Lane: "a", Reason: events.StageError, Error: "the store was away", Attempts: 4,
		RoutingKey: e.TenantID.String() + "." + e.Type, Headers: msg.Metadata, Payload: msg.Payload, FirstFailedAt: now, FailedAt: now,
	}
}

// runReplay begins a plan of n letters and waits until all of its events have ended, each as done.
func (w *world) runReplay(ctx context.Context, p *worker, plan string, n int) (time.Duration, error) {
	started := time.Now()
	if err := w.verb(ctx, nil, "dlq", "run", plan, "--json"); err != nil {
		return 0, err
	}
	for ended := 0; ended < n; {
		select {
		case <-time.After(drainLookEvery):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		if !p.running() {
			return 0, p.failure("ended")
		}
		if err := w.admin.QueryRow(ctx, "SELECT ended FROM runs WHERE id = $1", plan).Scan(&ended); err != nil {
			return 0, fmt.Errorf("see how far the replay is: %w", err)
		}
	}
	took := time.Since(started)
	var done int
	err := w.admin.QueryRow(ctx, "SELECT count(*) FROM progress WHERE run_id = $1 AND outcome = 'done'", plan).Scan(&done)
	if err == nil && done != n {
		err = fmt.Errorf("%d of %d events ended as done", done, n)
	}
	if err != nil {
		return 0, fmt.Errorf("the run is void: %w", err)
	}
	return took, nil
}

// verb runs one of reos' verbs in the world, and reads what it prints.
func (w *world) verb(ctx context.Context, into any, args ...string) error {
	command := exec.CommandContext(ctx, w.options.Binary, args...)
	command.Env = w.env
	printed, err := command.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			err = fmt.Errorf("%w: %s", err, failed.Stderr)
		}
		return fmt.Errorf("reos %s %s: %w", args[0], args[1], err)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(printed, into); err != nil {
		return fmt.Errorf("reos %s %s: %w", args[0], args[1], err)
	}
	return nil
}
