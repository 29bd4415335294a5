package freshness

import (
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// slis turns a status into history rows: one for each stage that an event waits at or has ended at.
func slis(status store.TenantStatus, at time.Time) []store.SLI {
	byStage := map[events.Stage]*store.SLI{}
	row := func(stage events.Stage) *store.SLI {
		if byStage[stage] == nil {
			byStage[stage] = &store.SLI{Tenant: status.Tenant.ID, At: at, Stage: stage}
		}
		return byStage[stage]
	}
	for _, w := range status.Waiting {
		r := row(w.Stage)
		r.Waiting, r.OldestOccurred, r.OldestAccepted = w.Count, w.OldestOccurred, w.OldestAccepted
	}
	for _, c := range status.Counts {
		r := row(c.Stage)
		switch c.Outcome {
		case events.Done:
			r.Done += c.Count
		case events.Stale:
			r.Stale += c.Count
		case events.Quarantine:
			r.Quarantined += c.Count
		case events.Dead:
			r.Dead += c.Count
		}
	}
	rows := make([]store.SLI, 0, len(byStage))
	for _, stage := range events.Stages {
		if r := byStage[stage]; r != nil {
			rows = append(rows, *r)
		}
	}
	return rows
}
