package freshness

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/store"
)

// What the tracker shows. docs/metrics.md explains each.
var (
	evaluatedDesc = describe("reos_freshness_evaluated_timestamp_seconds", "When the tracker last looked.")
	tookDesc      = describe("reos_freshness_evaluation_seconds", "How long the tracker's last look took.")
	tenantsDesc   = describe("reos_freshness_tenants", "Tenants by state; all five states are always there.", "state")
	sourcesDesc   = describe("reos_sources", "Sources of all tenants, by whether they gave a sign of life in time.", "alive")

	tenantStateDesc = describe("reos_freshness_tenant_state",
		"1 for the state that the tenant is in; no series for the others.", "tenant", "state")
	stageStateDesc = describe("reos_freshness_state",
		"1 for the state that a stage of the tenant is in; no series for the others.", "tenant", "stage", "state")
	dueDesc = describe("reos_freshness_oldest_timestamp_seconds",
		"What the state is judged by: the oldest unfinished live work, by event time where it was accepted in time, else by acceptance. "+
			"Absent where none waits.", "tenant", "stage")
	infoDesc       = describe("reos_tenant_info", "1; the name of each tenant that has labels of its own.", "tenant", "name")
	unfinishedDesc = describe("reos_unfinished_events", "Accepted events that wait at a stage.", "tenant", "stage", "entry")
	occurredDesc   = describe("reos_oldest_unfinished_timestamp_seconds",
		"Event time of the oldest unfinished event at a stage. Absent where nothing waits.", "tenant", "stage", "entry")
	acceptedDesc = describe("reos_oldest_accepted_timestamp_seconds",
		"Acceptance of the unfinished event that waits longest at a stage. Absent where nothing waits.", "tenant", "stage", "entry")
	successDesc = describe("reos_success_ratio",
		"Share of events that ended without a dead letter, of those that ended within the window. Absent where too few ended.", "tenant", "window")
	quarantinedDesc = describe("reos_quarantined_ratio",
		"Share of events that ended in quarantine, of those that ended within the window. Absent where too few ended.", "tenant", "window")
	coverageDesc = describe("reos_coverage_ratio",
		"Share of the tenant's records that have a field. Absent where it has no records.", "tenant", "field")

	queueDesc = describe("reos_queue_messages",
		"Messages that wait in the broker, by stage and lane: retries by delay, and those of no tenant, under stages of their own.", "stage", "lane")
	laneDesc = describe("reos_lane_blocked_timestamp_seconds",
		"Since when messages wait for ingestion in a lane and none was accepted from it. Absent where the lane flows.", "lane")
)

var gaugeDescs = []*prometheus.Desc{
	evaluatedDesc, tookDesc, tenantsDesc, sourcesDesc, tenantStateDesc, stageStateDesc, dueDesc, infoDesc, unfinishedDesc, occurredDesc, acceptedDesc, successDesc, quarantinedDesc, coverageDesc, queueDesc, laneDesc,
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// drawing collects gauges.
type drawing struct{ metrics []prometheus.Metric }

func (d *drawing) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	for i, label := range labels {
		labels[i] = strings.ToValidUTF8(label, "\uFFFD") // the library refuses anything else
	}
	d.metrics = append(d.metrics, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...))
}

func (d *drawing) at(desc *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		d.gauge(desc, float64(at.UnixMicro())/1e6, labels...)
	}
}

// tenant draws one tenant, or the sum of several.
func (d *drawing) tenant(label string, sum *tenantSum) {
	d.gauge(tenantStateDesc, 1, label, string(sum.state))
	for _, stage := range sum.stages {
		name := string(stage.Stage)
		d.gauge(stageStateDesc, 1, label, name, string(stage.State))
		d.at(dueDesc, stage.Due, label, name)
		d.backlog(label, name, store.LiveEntry, stage.Live)
		d.backlog(label, name, store.BulkEntry, stage.Bulk)
	}
	for window, success := range sum.success {
		if success.Ended >= store.SuccessLeast {
			d.gauge(successDesc, 1-float64(success.Dead)/float64(success.Ended), label, window)
			d.gauge(quarantinedDesc, float64(success.Quarantined)/float64(success.Ended), label, window)
		}
	}
	for field, present := range sum.present {
		d.gauge(coverageDesc, present/float64(sum.records), label, field)
	}
}

func (d *drawing) backlog(tenant, stage string, entry store.EntryLane, backlog store.Backlog) {
	if backlog.Events > 0 {
		d.gauge(unfinishedDesc, float64(backlog.Events), tenant, stage, string(entry))
		d.at(occurredDesc, backlog.OldestOccurred, tenant, stage, string(entry))
		d.at(acceptedDesc, backlog.OldestAccepted, tenant, stage, string(entry))
	}
}
