package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/deadletters"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/freshness"
	"github.com/codybias9/real-estate-os/workers/indexing"
	"github.com/codybias9/real-estate-os/workers/ingestion"
	"github.com/codybias9/real-estate-os/workers/quality"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// pipeline is the stages that one process runs.
type pipeline struct {
	runners map[events.Stage]*workers.Runner
	gate    *workers.Gate
	times   *freshness.Times   // nil without the indexing stage
	tracker *freshness.Tracker // nil without the freshness stage, as is keeper
	keeper  *reconcile.Keeper
}

// newPipeline wires stages to the open adapters.
func (in *installation) newPipeline(stages []events.Stage) *pipeline {
	in.courtesy = workers.NewCourtesy()
	in.db.ReadAhead(in.embedder.Model(), stages)
	shared := workers.Surroundings{
		Transport: in.transport, Topology: in.topology, Config: in.config.Worker, Probe: in.probeStores, Courtesy: in.courtesy,
		Metrics: workers.NewMetrics(in.registry), Version: buildVersion(), Log: in.log,
	}
	p := &pipeline{
		runners: map[events.Stage]*workers.Runner{},
		gate:    workers.NewGate(in.db.Platform(), in.transport, in.topology, in.config.Breaker, in.registry, in.log),
	}
	for _, name := range stages {
		var stage workers.Stage
		switch name {
		case events.Ingestion:
			stage = ingestion.New(
				func(id uuid.UUID) ingestion.Records { return in.db.Tenant(id) },
				func(id uuid.UUID) ingestion.Archive { return in.objects.Tenant(id) })
		case events.Quality:
			stage = quality.New(func(id uuid.UUID) quality.Records { return in.db.Tenant(id) })
		case events.Embedding:
			stage = embedding.New(func(id uuid.UUID) embedding.Records { return in.db.Tenant(id) }, in.embedder)
		case events.Indexing:
			p.times = freshness.NewTimes(func(id uuid.UUID) freshness.TimesRecords { return in.db.Tenant(id) }, in.registry, in.log)
			stage = indexing.New(
				func(id uuid.UUID) indexing.Records { return in.db.Tenant(id) },
				in.tenantPoints, in.embedder.Model(), p.times)
		case events.Freshness: // no messages: it reads what the others write
			p.tracker = in.newTracker()
			p.keeper = in.newKeeper()
			continue
		case events.DeadLetters:
			stage = deadletters.New(func(id uuid.UUID) deadletters.Records { return in.db.Tenant(id) }, in.topology)
		}
		around := shared
		if slices.Contains(events.Pausable, name) {
			around.Gate = p.gate
		}
		p.runners[name] = workers.NewRunner(stage, around)
	}
	return p
}

func (in *installation) tenantPoints(id uuid.UUID) indexing.Points { return in.points.Tenant(id) }

// run works until intake ends and everything in hand is finished, or until work ends. A stage that cannot go on ends
// the others, drained.
func (p *pipeline) run(intake, work context.Context) error {
	intake, stop := context.WithCancelCause(intake)
	defer stop(nil)
	var stages, others sync.WaitGroup
	for _, runner := range p.runners {
		stages.Go(func() {
			if err := runner.Run(intake, work); err != nil {
				stop(err)
			}
		})
	}
	others.Go(func() { p.gate.Run(intake, work) })
	measuring, measured := context.WithCancel(context.WithoutCancel(intake)) // until the stages have drained
	if p.times != nil {
		others.Go(func() { p.times.Run(measuring) })
	}
	if p.tracker != nil {
		others.Go(func() { p.tracker.Run(intake) })
		others.Go(func() { p.keeper.Run(intake) })
	}
	stages.Wait()
	measured()
	others.Wait()
	if err := context.Cause(intake); err != nil && err != context.Canceled && err != context.DeadlineExceeded {
		return environmentError{err}
	}
	return nil
}

// probeStores says why a store that this process uses cannot work; nil when all can.
func (in *installation) probeStores(ctx context.Context) error {
	err := in.db.Ready(ctx)
	if in.points != nil {
		err = errors.Join(err, in.points.Ready(ctx))
	}
	if in.objects != nil {
		err = errors.Join(err, in.objects.Ready(ctx))
	}
	return err
}

// checks are the reasons why this process may not be ready.
func (in *installation) checks(p *pipeline) map[string]api.Check {
	checks := map[string]api.Check{"process": in.checkStopping}
	if in.db != nil {
		checks["postgres"] = in.db.Ready
		checks["lanes"] = in.checkTenantLanes
	}
	if in.transport != nil {
		checks["transport"] = in.transport.Ready
	}
	if in.points != nil {
		checks["qdrant"] = in.points.Ready
	}
	if in.objects != nil {
		checks["s3"] = in.objects.Ready
	}
	if p.tracker != nil {
		checks[trackerCheck] = p.tracker.Ready
	}
	for name, runner := range p.runners {
		checks[string(name)] = func(context.Context) error { return runner.Ready() }
	}
	return checks
}

// serveAdmin starts the admin endpoints and returns their address.
func (in *installation) serveAdmin(p *pipeline) (string, error) {
	listener, err := net.Listen("tcp", in.config.AdminAddr)
	if err != nil {
		return "", environmentError{fmt.Errorf("listen on ADMIN_ADDR %s: %w", in.config.AdminAddr, err)}
	}
	in.exportAdapters()
	server := &http.Server{
		Handler: api.Admin(in.registry, in.checks(p)), ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }() // ends with Shutdown
	in.teardown.add("admin server", server.Shutdown)
	return listener.Addr().String(), nil
}
