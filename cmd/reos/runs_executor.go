package main

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/workers/archive"
	"github.com/codybias9/real-estate-os/workers/reconcile"
	"github.com/codybias9/real-estate-os/workers/replay"
	"github.com/codybias9/real-estate-os/workers/runs"
)

// lookForRuns is how soon a run that is started is noticed, where none is at work.
const lookForRuns = 500 * time.Millisecond

// errNoArchive says that a process which leads cannot read raw bytes.
var errNoArchive = errors.New("set S3_URL where the freshness stage runs: runs from ingestion on read the raw archive there")

// workingRuns is the task that works through runs with items.
func (in *installation) workingRuns(client *objects.Client) reconcile.Task {
	executor := runs.NewExecutor(in.db.Platform(),
		func(id uuid.UUID) runs.Records { return in.db.Tenant(id) },
		map[store.RunKind]runs.Source{
			store.RerunRun: runs.NewRerun(in.topology, func(ctx context.Context, tenant, event uuid.UUID) ([]byte, error) {
				if client == nil {
					return nil, errNoArchive
				}
				return archive.Read(ctx, in.db.Tenant(tenant), client.Tenant(tenant), event)
			}),
			store.ReplayRun: replay.NewSource(in.topology, in.deskLetters),
		}, in.transport, in.courtesy, runs.NewMetrics(in.registry), in.log)
	return reconcile.Task{Name: "runs", Every: lookForRuns, Run: executor.Run, Retire: executor.Retire}
}
