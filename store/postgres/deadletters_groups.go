package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// Counts of letters, of one tenant or of all, as rows that may be summed up.
	lettersCounted = `SELECT tenant_id, fingerprint, worker_version, open, replayed, discarded, first_at, last_at, hour FROM dead_letter_counts`
	lettersSingly  = `SELECT tenant_id, fingerprint, worker_version, (state = 'open')::int AS open, (state = 'replayed')::int AS replayed,
	(state = 'discarded')::int AS discarded, failed_at AS first_at, failed_at AS last_at, date_trunc('hour', failed_at, 'UTC') AS hour FROM dead_letters`

	// What is open counts where there is any.
	sqlGroupColumns = `
SELECT fingerprint, min(g.kind), min(g.stage), min(g.reason), min(g.pattern), min(g.sample),
	sum(open)::bigint, sum(replayed)::bigint, sum(discarded)::bigint,
	coalesce(nullif(count(DISTINCT tenant_id) FILTER (WHERE open > 0), 0), count(DISTINCT tenant_id)),
	coalesce(min(first_at) FILTER (WHERE open > 0), min(first_at)), coalesce(max(last_at) FILTER (WHERE open > 0), max(last_at)),
	array_agg(worker_version ORDER BY first_at) FILTER (WHERE worker_version <> '' AND (open > 0 OR NOT any_open))
FROM (SELECT c.*, bool_or(open > 0) OVER (PARTITION BY fingerprint) AS any_open FROM (
	SELECT tenant_id, fingerprint, worker_version, sum(open) AS open, sum(replayed) AS replayed, sum(discarded) AS discarded,
		coalesce(min(first_at) FILTER (WHERE open > 0), min(first_at)) AS first_at,
		coalesce(max(last_at) FILTER (WHERE open > 0), max(last_at)) AS last_at
	FROM (`
	sqlGroupsOf = `) n GROUP BY 1, 2, 3) c) c JOIN dead_letter_groups g USING (tenant_id, fingerprint) WHERE true`
)

// defaultGroups is the page of a listing that names no limit.
const defaultGroups = 50

// LetterGroups lists the tenant's groups, those with most open letters first.
func (t *Tenant) LetterGroups(ctx context.Context, filter store.LetterGroupFilter) ([]store.LetterGroup, error) {
	return letterGroups(ctx, t.roundTrip, &t.id, filter)
}

// LetterGroups lists the groups of all tenants, those with most open letters first.
func (p *Platform) LetterGroups(ctx context.Context, filter store.LetterGroupFilter) ([]store.LetterGroup, error) {
	return letterGroups(ctx, p.roundTrip, nil, filter)
}

type roundTrip func(ctx context.Context, what string, queue func(*pgx.Batch)) error

func letterGroups(ctx context.Context, send roundTrip, owner *uuid.UUID, filter store.LetterGroupFilter) ([]store.LetterGroup, error) {
	c := &letterConditions{}
	source := countedLetters(c, owner, filter.DeadLetterFilter)
	having := ` GROUP BY fingerprint`
	if filter.After.Fingerprint != "" {
		having += ` HAVING (-sum(open), fingerprint) > (-` + c.param(filter.After.Open) + `::bigint, ` + c.param(filter.After.Fingerprint) + `)`
	}
	limit := filter.Limit
	if limit <= 0 {
		limit = defaultGroups
	}
	statement := sqlGroupColumns + source + sqlGroupsOf + groupConditions(c, filter.DeadLetterFilter) + having +
		` ORDER BY sum(open) DESC, fingerprint LIMIT ` + c.param(limit)
	var groups []store.LetterGroup
	err := send(ctx, "list groups of dead letters", func(b *pgx.Batch) {
		b.Queue(statement, c.args...).Query(collect(&groups, scanLetterGroup))
	})
	return groups, err
}

// countedLetters is what a listing sums up: the counters, or single letters where counters do not tell.
func countedLetters(c *letterConditions, owner *uuid.UUID, f store.DeadLetterFilter) string {
	own := &letterConditions{args: c.args}
	source := lettersCounted
	if f.Type != "" || f.Key != "" || f.IDs != nil {
		source = lettersSingly
		f.State = ""
		own.letters(f)
	} else {
		equal(own, "fingerprint", f.Fingerprint)
		equal(own, "worker_version", f.WorkerVersion)
		if !f.Since.IsZero() {
			own.and("hour >= ?", f.Since.UTC().Truncate(time.Hour))
		}
		if !f.Until.IsZero() {
			own.and("hour < ?", f.Until)
		}
	}
	if owner != nil {
		own.and("tenant_id = ?", [16]byte(*owner))
	}
	c.args = own.args
	return source + ` WHERE true` + own.sql.String()
}

// groupConditions are those that the groups' own rows tell.
func groupConditions(c *letterConditions, f store.DeadLetterFilter) string {
	own := &letterConditions{args: c.args}
	equal(own, "g.stage", f.Stage)
	equal(own, "g.reason", f.Reason)
	equal(own, "g.kind", f.Kind)
	c.args = own.args
	return own.sql.String()
}

func scanLetterGroup(row pgx.CollectableRow) (store.LetterGroup, error) {
	var g store.LetterGroup
	var versions []string
	err := row.Scan(&g.Fingerprint, &g.Kind, &g.Stage, &g.Reason, &g.Pattern, &g.Sample, &g.Open, &g.Replayed, &g.Discarded,
		&g.Tenants, &g.FirstAt, &g.LastAt, &versions)
	g.Versions = []string{}
	seen := map[string]bool{}
	for _, v := range versions { // one of each tenant's, in the order of the first
		if !seen[v] {
			seen[v] = true
			g.Versions = append(g.Versions, v)
		}
	}
	g.Sentence = g.Story()
	return g, err
}

// LetterGroup shows one of the tenant's groups; else store.ErrNotFound.
func (t *Tenant) LetterGroup(ctx context.Context, fingerprint string) (store.LetterGroupDetail, error) {
	return letterGroupDetail(ctx, t.roundTrip, &t.id, fingerprint)
}

// LetterGroup shows a group of all tenants; else store.ErrNotFound.
func (p *Platform) LetterGroup(ctx context.Context, fingerprint string) (store.LetterGroupDetail, error) {
	return letterGroupDetail(ctx, p.roundTrip, nil, fingerprint)
}

// Bounds of what is said of one group.
const (
	maxGroupTenants = 100
	maxGroupHours   = 14 * 24
)

func letterGroupDetail(ctx context.Context, send roundTrip, owner *uuid.UUID, fingerprint string) (store.LetterGroupDetail, error) {
	filter := store.DeadLetterFilter{Fingerprint: fingerprint}
	groups, err := letterGroups(ctx, send, owner, store.LetterGroupFilter{DeadLetterFilter: filter})
	if err != nil {
		return store.LetterGroupDetail{}, err
	}
	if len(groups) == 0 || fingerprint == "" {
		return store.LetterGroupDetail{}, fmt.Errorf("find group of dead letters: %w", store.ErrNotFound)
	}
	detail := store.LetterGroupDetail{LetterGroup: groups[0]}
	c := &letterConditions{}
	source := countedLetters(c, owner, filter)
	const sums = `, sum(open)::bigint, sum(replayed)::bigint, sum(discarded)::bigint FROM (`
	err = send(ctx, "show group of dead letters", func(b *pgx.Batch) {
		b.Queue(`SELECT tenant_id`+sums+source+fmt.Sprintf(`) n GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %d`, maxGroupTenants), c.args...).
			Query(collect(&detail.ByTenant, func(row pgx.CollectableRow) (n store.LetterCount, err error) {
				return n, row.Scan((*[16]byte)(&n.Tenant), &n.Open, &n.Replayed, &n.Discarded)
			}))
		b.Queue(`SELECT hour`+sums+source+fmt.Sprintf(`) n GROUP BY 1 ORDER BY 1 DESC LIMIT %d`, maxGroupHours), c.args...).
			Query(collect(&detail.ByHour, func(row pgx.CollectableRow) (h store.LetterHour, err error) {
				return h, row.Scan(&h.Hour, &h.Open, &h.Replayed, &h.Discarded)
			}))
	})
	return detail, err
}
