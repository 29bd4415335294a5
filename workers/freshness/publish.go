package freshness

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Report is the data of a reos.pipeline.sli.v1 event: how fresh one tenant's data is.
type Report struct {
	store.Freshness
	// Was is the state of the tenant's report before, where it is another now.
	Was store.FreshnessState `json:"was,omitempty"`
}

// publish sends the reports of tenants whose state has changed and, once per interval, those of all. It takes no longer
// than an interval: a transport waits for a broker that is away.
func (w *Watch) publish(ctx context.Context, facts store.FreshnessFacts) error {
	ctx, cancel := context.WithTimeout(ctx, w.tracker.Config.Interval)
	defer cancel()
	all := !facts.At.Before(w.publishAt)
	if all {
		w.publishAt = facts.At.Add(w.tracker.Config.Interval - w.tracker.Config.Interval/10) // looks are never quite on time
	}
	var due []Report
	for i := range facts.Tenants {
		report := Report{Freshness: facts.Tenants[i].Judge(facts.At)}
		was, known := w.published[report.Tenant]
		if known && was != report.State {
			report.Was = was
			w.tracker.Log.Info().Stringer("tenant_id", report.Tenant).Str("state", string(report.State)).Str("was", string(was)).
				Str("reason", report.Reason).Msg("freshness has changed")
		}
		w.published[report.Tenant] = report.State
		if all || report.Was != "" {
			due = append(due, report)
		}
		if last := i == len(facts.Tenants)-1; len(due) == publishAtOnce || last && len(due) > 0 {
			if err := w.send(ctx, due); err != nil {
				return fmt.Errorf("publish SLIs: %w", err)
			}
			due = due[:0]
		}
	}
	return nil
}

func (w *Watch) send(ctx context.Context, reports []Report) error {
	out := make([]events.Outgoing, len(reports))
	for i, report := range reports {
		event, err := reportEvent(report)
		if err != nil {
			return err
		}
		out[i] = events.Outgoing{Topic: w.tracker.Topology.SLITopic(report.Tenant), Message: event.Message()}
	}
	return w.tracker.Transport.PublishBatch(ctx, out)
}

func reportEvent(report Report) (events.Event, error) {
	data, err := json.Marshal(report)
	if err != nil {
		return events.Event{}, fmt.Errorf("encode SLI of tenant %s: %w", report.Tenant, err)
	}
	return events.Event{
		ID:     uuid.NewSHA1(report.Tenant, []byte(events.TypeSLI+report.At.Format(time.RFC3339Nano))).String(),
		Source: "reos/" + string(events.Freshness), Type: events.TypeSLI, Subject: report.Tenant.String(),
		Time: report.At, TenantID: report.Tenant, Data: data,
	}, nil
}
