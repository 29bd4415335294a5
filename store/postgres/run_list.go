package postgres

import (
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlCanaries = sqlTenant + ` WHERE starts_with(name, $1)`

	// Feeds are many, and each is one tenant's: those of a page are taken as they are. Runs with items are few, and are added
	// up by id. $9 are the states of these, the first of which counts; no feed is in one of them.
	sqlWholeRuns = `
WITH feeds AS (
	SELECT tenant_id AS owner, tenant_id, 1::bigint AS tenants, ` + runColumns + ` FROM runs
	WHERE $4 NOT IN ('rerun', 'replay') AND $5 <> ALL ($9::text[]) AND kind NOT IN ('rerun', 'replay') AND tenant_id <> ALL ($8::uuid[])
		AND (started_at, id, tenant_id) < ($1, $2, $3) AND ` + runIsMeant + `
	ORDER BY started_at DESC, id DESC, tenant_id DESC LIMIT $7
), added AS (
	SELECT '` + nobody + `'::uuid AS owner, min(tenant_id::text)::uuid AS tenant_id, count(*) AS tenants, id, kind,
		($9::text[])[min(array_position($9::text[], state))] AS state, min(started_by) AS started_by, min(source) AS source, min(lane) AS lane,
		sum(published)::bigint AS published, sum(known)::bigint AS known, sum(rejected)::bigint AS rejected, max(error) AS error,
		min(started_at) AS started_at, max(updated_at) AS updated_at, CASE WHEN count(finished_at) = count(*) THEN max(finished_at) END AS finished_at,
		min(stage) AS stage, min(why) AS why, min(ticket) AS ticket, max(rate) AS rate, max(canary) AS canary, max(stop_above) AS stop_above,
		NULL::bytea AS digest, sum(selected)::bigint AS selected, sum(released)::bigint AS released, sum(ended)::bigint AS ended,
		sum(dead)::bigint AS dead, sum(skipped)::bigint AS skipped, sum(cancelled)::bigint AS cancelled,
		CASE WHEN count(settled_at) = count(*) THEN max(settled_at) END AS settled_at
	FROM runs WHERE kind IN ('rerun', 'replay') AND tenant_id <> ALL ($8::uuid[]) AND ($4 = '' OR kind = $4)
		AND ($5 = '' OR $5 = ANY ($9::text[])) GROUP BY kind, id
), whole AS (
	SELECT * FROM feeds
	UNION ALL
	SELECT * FROM added WHERE (started_at, id, owner) < ($1, $2, $3) AND ` + runIsMeant + `
)
SELECT tenant_id, tenants, ` + runColumns + ` FROM whole ORDER BY started_at DESC, id DESC, owner DESC LIMIT $7`

	nobody = "00000000-0000-0000-0000-000000000000"
)

// WholeRuns lists those runs of all tenants that are meant, canaries' excepted, newest first, at most limit of them. The
// zero cursor begins; the last run's goes on. A run over several tenants is one entry, which began with its first part.
func (p *Platform) WholeRuns(ctx context.Context, filter store.RunFilter, limit int, after store.WholeRunCursor) ([]store.WholeRun, error) {
	canaries, err := p.canaries(ctx)
	if err != nil {
		return nil, err
	}
	states := column(store.RunsBehind, func(state store.RunState) string { return string(state) })
	var runs []store.WholeRun
	err = p.roundTrip(ctx, "list whole runs", func(b *pgx.Batch) {
		b.Queue(sqlWholeRuns, before(after.StartedAt), printable(after.ID), [16]byte(after.Tenant), printable(string(filter.Kind)),
			printable(string(filter.State)), store.RunSilence, limit, uuids(canaries), states).Query(collect(&runs, scanWholeRun))
	})
	return runs, err
}

func scanWholeRun(row pgx.CollectableRow) (store.WholeRun, error) {
	var r runRow
	var whole store.WholeRun
	err := row.Scan(append([]any{(*[16]byte)(&whole.Tenant), &whole.Tenants}, r.targets()...)...)
	whole.Run = r.read()
	if whole.Tenants > 1 {
		whole.Tenant = uuid.Nil
	}
	return whole, err
}

// canaries are the tenants that are nobody's customers.
func (p *Platform) canaries(ctx context.Context) ([]uuid.UUID, error) {
	var named []store.Tenant
	err := p.roundTrip(ctx, "list canaries", func(b *pgx.Batch) {
		b.Queue(sqlCanaries, store.CanaryPrefix).Query(collect(&named, scanTenant))
	})
	named = slices.DeleteFunc(named, func(t store.Tenant) bool { return t.Canary() == "" })
	return column(named, func(t store.Tenant) uuid.UUID { return t.ID }), err
}
