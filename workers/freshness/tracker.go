package freshness

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Config is how the tracker works.
type Config struct {
	Interval time.Duration `env:"FRESHNESS_INTERVAL, default=15s"` // between two evaluations; publishing waits no longer
}

// Platform is what the tracker needs of Postgres, across tenants.
type Platform interface {
	// Status says where the events and records of tenants are; nil means all tenants.
	Status(ctx context.Context, tenants []uuid.UUID) ([]store.TenantStatus, error)
	// SaveSLIs adds rows to the SLI history.
	SaveSLIs(ctx context.Context, rows []store.SLI) error
}

// Tracker reads progress at intervals and publishes what it sees: as gauges, as events and as history.
//
// Invariant 7: freshness is the event time of the oldest unfinished work, not the time of the last write.
type Tracker struct {
	platform  Platform
	transport events.Transport
	topology  events.Topology
	config    Config
	metrics   *Metrics
	log       zerolog.Logger
}

// NewTracker makes a tracker; Run starts it.
func NewTracker(platform Platform, transport events.Transport, topology events.Topology, config Config, metrics *Metrics, log zerolog.Logger) *Tracker {
	return &Tracker{
		platform: platform, transport: transport, topology: topology, config: config, metrics: metrics,
		log: log.With().Str("stage", string(events.Freshness)).Logger(),
	}
}

// Run evaluates at once and then at every interval, until ctx ends. A failed evaluation is logged and tried again
// at the next.
func (t *Tracker) Run(ctx context.Context) {
	ticker := time.NewTicker(t.config.Interval)
	defer ticker.Stop()
	for {
		if err := t.Evaluate(ctx); err != nil && ctx.Err() == nil {
			t.log.Warn().Err(err).Msg("freshness not evaluated")
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Report is the data of a reos.pipeline.sli.v1 event: one tenant's pipeline at one time.
type Report struct {
	At time.Time `json:"at"`
	store.TenantStatus
	// OldestUnfinished is the event time of the oldest unfinished event of any stage; absent where nothing waits.
	OldestUnfinished *time.Time `json:"oldest_unfinished,omitempty"`
}

// Evaluate looks once and publishes what it saw.
func (t *Tracker) Evaluate(ctx context.Context) error {
	statuses, err := t.platform.Status(ctx, nil)
	if err != nil {
		return fmt.Errorf("read progress: %w", err)
	}
	at := time.Now().UTC()
	t.metrics.publish(statuses, at)
	var rows []store.SLI
	var out []events.Outgoing
	for _, status := range statuses {
		if status.Tenant.ID == store.PlatformTenant {
			continue // it has dead letters, and no events to be fresh
		}
		event, err := reportEvent(status, at)
		if err != nil {
			return err
		}
		out = append(out, events.Outgoing{Topic: t.topology.SLITopic(status.Tenant.ID), Message: event.Message()})
		rows = append(rows, slis(status, at)...)
	}
	if err := t.platform.SaveSLIs(ctx, rows); err != nil {
		return fmt.Errorf("save SLI history: %w", err)
	}
	return t.report(ctx, out)
}

// report publishes within one interval: a transport waits for a broker that is away, and just then the gauges must
// not stand still.
func (t *Tracker) report(ctx context.Context, out []events.Outgoing) error {
	ctx, cancel := context.WithTimeout(ctx, t.config.Interval)
	defer cancel()
	if err := t.transport.PublishBatch(ctx, out); err != nil {
		return fmt.Errorf("publish SLIs: %w", err)
	}
	return nil
}

func reportEvent(status store.TenantStatus, at time.Time) (events.Event, error) {
	report := Report{At: at, TenantStatus: status}
	if oldest := oldestOf(status); !oldest.IsZero() {
		report.OldestUnfinished = &oldest
	}
	data, err := json.Marshal(report)
	if err != nil {
		return events.Event{}, fmt.Errorf("encode SLI of tenant %s: %w", status.Tenant.ID, err)
	}
	return events.Event{
		ID:     uuid.NewSHA1(status.Tenant.ID, []byte(events.TypeSLI+at.Format(time.RFC3339Nano))).String(),
		Source: "reos/" + string(events.Freshness), Type: events.TypeSLI, Subject: status.Tenant.ID.String(),
		Time: at, TenantID: status.Tenant.ID, Data: data,
	}, nil
}
