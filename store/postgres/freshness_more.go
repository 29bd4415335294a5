package postgres

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// These read what is known of some tenants, $1. None reads finished history: endings are counters, and of a source's
// events only the last is looked up.
const (
	// From the last entry of a tenant in progress_by_source backwards: a look-up for each source and lane.
	sqlLastEvents = `
SELECT a.tenant, n.source, n.lane, n.accepted_at FROM unnest($1::uuid[]) AS a (tenant) CROSS JOIN LATERAL (
	WITH RECURSIVE ends AS (
		(SELECT p.source, p.lane, p.accepted_at FROM progress p WHERE p.tenant_id = a.tenant AND p.source IS NOT NULL
		ORDER BY p.source DESC, p.lane DESC, p.accepted_at DESC LIMIT 1)
		UNION ALL
		SELECT n.* FROM ends e CROSS JOIN LATERAL (
			SELECT p.source, p.lane, p.accepted_at FROM progress p
			WHERE p.tenant_id = a.tenant AND p.source IS NOT NULL AND (p.source, p.lane) < (e.source, e.lane)
			ORDER BY p.source DESC, p.lane DESC, p.accepted_at DESC LIMIT 1) n
	)
	SELECT * FROM ends) n`
	sqlSources = `SELECT tenant_id, source, heartbeat_at, heartbeat_every, longest_silence FROM sources WHERE tenant_id = ANY ($1)`

	sqlEndings = `
SELECT tenant_id, stage, outcome, reason, sum(events)::bigint FROM endings WHERE tenant_id = ANY ($1)
GROUP BY tenant_id, stage, outcome, reason`
	sqlTimes = `
SELECT tenant_id, hour, entry, buckets FROM searchable_times
WHERE tenant_id = ANY ($1) AND hour >= date_trunc('hour', now(), 'UTC') - interval '1 hour'`
	sqlCoverage = `SELECT tenant_id, measured_at, ended, records, fields, present FROM coverage WHERE tenant_id = ANY ($1)`
)

var (
	// Where the history does not reach back far enough, its beginning stands for what was before: unless the tenant
	// is younger than that, and began with nothing.
	sqlEndedBefore = func() string {
		windows := make([]string, len(store.SLIWindows))
		for i, window := range store.SLIWindows {
			windows[i] = "('" + window.Name + "', now() - interval '" + window.Back.String() + "')"
		}
		return `
SELECT h.tenant_id, w.name, h.at, h.stage, h.done, h.stale, h.quarantined, h.dead
FROM tenants t CROSS JOIN (VALUES ` + strings.Join(windows, ", ") + `) AS w (name, began)
CROSS JOIN LATERAL (SELECT coalesce(
	(SELECT at FROM sli_history WHERE tenant_id = t.id AND at <= w.began ORDER BY at DESC LIMIT 1),
	(SELECT at FROM sli_history WHERE tenant_id = t.id AND t.created_at < w.began ORDER BY at LIMIT 1)) AS at OFFSET 0) b
JOIN sli_history h ON h.tenant_id = t.id AND h.at = b.at
WHERE t.id = ANY ($1)`
	}()

	sqlRecentRuns = `
SELECT tenant_id, state, count(*), count(*) FILTER (WHERE state = 'publishing' AND updated_at < now() - interval '` + store.RunSilence.String() + `')
FROM runs WHERE tenant_id = ANY ($1) AND started_at > now() - interval '1 day' GROUP BY 1, 2`
)

// queueSigns adds what tells whether sources live.
func (r *factReader) queueSigns(b *pgx.Batch, tenants [][16]byte) {
	var source, lane string
	var accepted time.Time
	for i := range r.facts.Tenants {
		r.facts.Tenants[i].Sources = nil
	}
	b.Queue(sqlLastEvents, tenants).Query(r.perTenant([]any{&source, &lane, &accepted}, func(t *store.TenantFacts) {
		signs := signsOf(t, source)
		last := &signs.LastLive
		if lane == events.BulkLane {
			last = &signs.LastBulk
		}
		if accepted.After(*last) { // of several lanes, if the tenant was moved
			*last = accepted
		}
	}))
	var heartbeat *time.Time
	var every, silence *time.Duration
	b.Queue(sqlSources, tenants).Query(r.perTenant([]any{&source, &heartbeat, &every, &silence}, func(t *store.TenantFacts) {
		signs := signsOf(t, source)
		signs.Heartbeat, signs.HeartbeatEvery, signs.LongestSilence = orZero(heartbeat), orZero(every), orZero(silence)
	}))
}

// signsOf finds a source of a tenant. A tenant has few.
func signsOf(t *store.TenantFacts, source string) *store.SourceSigns {
	for i := range t.Sources {
		if t.Sources[i].Source == source {
			return &t.Sources[i]
		}
	}
	t.Sources = append(t.Sources, store.SourceSigns{Source: source})
	return &t.Sources[len(t.Sources)-1]
}

// queueRates adds what was counted and measured.
func (r *factReader) queueRates(b *pgx.Batch, tenants [][16]byte) {
	for i := range r.facts.Tenants {
		t := &r.facts.Tenants[i]
		t.Ended, t.Before, t.Searchable, t.Coverage, t.Runs = nil, nil, nil, nil, nil
	}
	var ended store.StageCount
	b.Queue(sqlEndings, tenants).Query(r.perTenant([]any{&ended.Stage, &ended.Outcome, &ended.Reason, &ended.Count},
		func(t *store.TenantFacts) { t.Ended = append(t.Ended, ended) }))
	var before store.EndedBefore
	b.Queue(sqlEndedBefore, tenants).Query(r.perTenant(
		[]any{&before.Window, &before.At, &before.Stage, &before.Ended.Done, &before.Ended.Stale, &before.Ended.Quarantined, &before.Ended.Dead},
		func(t *store.TenantFacts) { t.Before = append(t.Before, before) }))
	var times store.SearchableTimes
	b.Queue(sqlTimes, tenants).Query(r.perTenant([]any{&times.Hour, &times.Entry, &times.Buckets}, func(t *store.TenantFacts) {
		times.Tenant = t.Tenant.ID
		t.Searchable = append(t.Searchable, times)
		times.Buckets = nil
	}))
	r.queueCoverage(b, tenants)
	var state store.RunState
	var runs, gone int
	b.Queue(sqlRecentRuns, tenants).Query(r.perTenant([]any{&state, &runs, &gone}, func(t *store.TenantFacts) {
		if t.Runs == nil {
			t.Runs = map[store.RunState]int{}
		}
		if runs > gone {
			t.Runs[state] += runs - gone
		}
		if gone > 0 {
			t.Runs[store.RunInterrupted] += gone
		}
	}))
}

func (r *factReader) queueCoverage(b *pgx.Batch, tenants [][16]byte) {
	var coverage store.Coverage
	var fields []string
	var present []int
	b.Queue(sqlCoverage, tenants).Query(r.perTenant(
		[]any{&coverage.MeasuredAt, &coverage.Ended, &coverage.Records, &fields, &present},
		func(t *store.TenantFacts) {
			found := coverage
			found.Present = make(map[string]int, len(fields))
			for i, field := range fields {
				found.Present[field] = present[i]
			}
			t.Coverage = &found
		}))
}
