package main

import (
	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/workers/freshness"
)

// newTracker wires the freshness tracker.
func (in *installation) newTracker(metrics *freshness.Metrics, times *freshness.Times) *freshness.Tracker {
	return freshness.NewTracker(freshness.Parts{
		Leadership: in.db, Platform: in.db.Platform(),
		Records: func(id uuid.UUID) freshness.Records { return in.db.Tenant(id) }, Times: times,
		Transport: in.transport, Topology: in.topology, Config: in.config.Freshness, Metrics: metrics, Log: in.log,
	})
}
