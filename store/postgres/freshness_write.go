package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	sqlSaveSLIs = `
INSERT INTO sli_history (tenant_id, at, stage, waiting, oldest_occurred, oldest_accepted, done, stale, quarantined, dead, state)
SELECT s.* FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
	$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[]) AS s (tenant_id)
JOIN tenants t ON t.id = s.tenant_id WHERE t.state IN ('active', 'suspended')
ON CONFLICT DO NOTHING`

	sqlEvaluated = `
INSERT INTO freshness_tracker (evaluated_at) VALUES (now()) ON CONFLICT (one) DO UPDATE SET evaluated_at = now()`
	// A lane stands still since the later of two moments: when messages were first seen in it, and when an event was last
	// accepted from it. What was seen before a gap between two looks is believed when it is seen again.
	sqlLaneBlocks = `
INSERT INTO lane_blocks AS b (lane, since, messages, seen_at, doubted)
SELECT lane, now(), messages, now(), true FROM unnest($1::text[], $2::bigint[], $3::timestamptz[]) AS l (lane, messages, accepted_at)
ON CONFLICT (lane) DO UPDATE SET messages = excluded.messages, seen_at = now(), doubted = b.seen_at < now() - $4::interval,
	since = greatest(b.since, (SELECT accepted_at FROM unnest($1::text[], $3::timestamptz[]) AS l (lane, accepted_at) WHERE l.lane = b.lane))
RETURNING lane, since, messages, doubted`
	sqlLanesFlow = `DELETE FROM lane_blocks WHERE lane <> ALL ($1)`
)

// SaveSLIs adds rows to the SLI history. A row of the same tenant, time and stage stays as it is. Those of tenants that are
// deleted, or just being, are left out.
func (p *Platform) SaveSLIs(ctx context.Context, rows []store.SLI) error {
	if len(rows) == 0 {
		return nil
	}
	return p.roundTrip(ctx, "save SLIs", func(b *pgx.Batch) {
		b.Queue(sqlSaveSLIs,
			column(rows, func(s store.SLI) [16]byte { return s.Tenant }),
			column(rows, func(s store.SLI) time.Time { return s.At }),
			column(rows, func(s store.SLI) string { return string(s.Stage) }),
			column(rows, func(s store.SLI) int { return s.Waiting }),
			column(rows, func(s store.SLI) *time.Time { return nullableTime(s.OldestOccurred) }),
			column(rows, func(s store.SLI) *time.Time { return nullableTime(s.OldestAccepted) }),
			column(rows, func(s store.SLI) int { return s.Done }),
			column(rows, func(s store.SLI) int { return s.Stale }),
			column(rows, func(s store.SLI) int { return s.Quarantined }),
			column(rows, func(s store.SLI) int { return s.Dead }),
			column(rows, func(s store.SLI) string { return string(s.State) }))
	})
}

// Evaluated notes that a tracker has looked.
func (p *Platform) Evaluated(ctx context.Context) error {
	return p.roundTrip(ctx, "note that freshness was evaluated", func(b *pgx.Batch) { b.Queue(sqlEvaluated) })
}

// LanesWaiting notes which lanes hold messages before ingestion, and returns those that stand still: from which nothing
// was accepted since messages were first seen in them. gap is how long two looks may lie apart.
func (p *Platform) LanesWaiting(ctx context.Context, lanes []store.WaitingLane, gap time.Duration) ([]store.LaneBlock, error) {
	var blocks []store.LaneBlock
	err := p.roundTrip(ctx, "note waiting lanes", func(b *pgx.Batch) {
		blocks = nil
		names := column(lanes, func(l store.WaitingLane) string { return l.Lane })
		b.Queue(sqlLanesFlow, names)
		b.Queue(sqlLaneBlocks, names,
			column(lanes, func(l store.WaitingLane) int { return l.Messages }),
			column(lanes, func(l store.WaitingLane) *time.Time { return nullableTime(l.LastAccepted) }), gap,
		).Query(func(rows pgx.Rows) error {
			var block store.LaneBlock
			var doubted bool
			_, err := pgx.ForEachRow(rows, []any{&block.Lane, &block.Since, &block.Messages, &doubted}, func() error {
				if !doubted {
					blocks = append(blocks, block)
				}
				return nil
			})
			return err
		})
	})
	return blocks, err
}

const (
	sqlHeartbeats = `
INSERT INTO sources AS s (tenant_id, source, heartbeat_at, heartbeat_every)
SELECT $1, source, least(at, now()), every FROM unnest($2::text[], $3::timestamptz[], $4::interval[]) AS h (source, at, every)
WHERE EXISTS (SELECT FROM tenants WHERE id = $1)
ON CONFLICT (tenant_id, source) DO UPDATE SET heartbeat_at = excluded.heartbeat_at, heartbeat_every = excluded.heartbeat_every
WHERE s.heartbeat_at IS NULL OR s.heartbeat_at < excluded.heartbeat_at`

	sqlThresholds    = `SELECT tenant_id, source, late, warning, critical, silence, set_by, set_at FROM freshness_thresholds ORDER BY tenant_id, source`
	sqlSetThresholds = `
WITH changed AS (
	INSERT INTO freshness_thresholds AS f (tenant_id, source, late, warning, critical, silence, set_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT (tenant_id, source) DO UPDATE SET late = $3, warning = $4, critical = $5, silence = $6, set_by = $7, set_at = now()
	RETURNING tenant_id, source, late, warning, critical, silence
)
` + sqlAuditInto + `SELECT tenant_id, $7, $8, source, $9, jsonb_build_object('late', late, 'warning', warning, 'critical', critical, 'silence', silence) FROM changed`
	sqlUnsetThresholds = `
WITH changed AS (DELETE FROM freshness_thresholds WHERE tenant_id = $1 AND source = $2 RETURNING tenant_id, source)
` + sqlAuditInto + `SELECT tenant_id, $3, $4, source, $5, '{"unset": true}' FROM changed`
)

// Heartbeats notes that sources live; no source twice. One that is older than what is known changes nothing.
func (t *Tenant) Heartbeats(ctx context.Context, heartbeats []store.Heartbeat) error {
	if len(heartbeats) == 0 {
		return nil
	}
	h := slices.SortedFunc(slices.Values(heartbeats), func(a, b store.Heartbeat) int { return cmp.Compare(a.Source, b.Source) })
	return t.roundTrip(ctx, "note heartbeats", func(b *pgx.Batch) {
		b.Queue(sqlHeartbeats, t.key(),
			column(h, func(h store.Heartbeat) string { return h.Source }),
			column(h, func(h store.Heartbeat) time.Time { return h.At }),
			column(h, func(h store.Heartbeat) *time.Duration { return nullableDuration(h.Every) }))
	})
}

// nullableDuration is an interval parameter that is NULL where d is 0.
func nullableDuration(d time.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return &d
}

// SetThresholds sets those of a source, or of all the tenant's sources that have none of their own where source is empty.
func (t *Tenant) SetThresholds(ctx context.Context, source string, thresholds store.Thresholds, act store.Act) error {
	return t.roundTrip(ctx, "set freshness thresholds", func(b *pgx.Batch) {
		b.Queue(sqlSetThresholds, t.key(), printable(source), thresholds.Late, thresholds.Warning, thresholds.Critical,
			nullableDuration(thresholds.Silence), printable(act.By), string(store.ThresholdsSet), printable(act.Why))
	})
}

// UnsetThresholds takes them back; it reports false where none were set.
func (t *Tenant) UnsetThresholds(ctx context.Context, source string, act store.Act) (changed bool, err error) {
	err = t.roundTrip(ctx, "unset freshness thresholds", func(b *pgx.Batch) {
		b.Queue(sqlUnsetThresholds, t.key(), printable(source), printable(act.By), string(store.ThresholdsSet), printable(act.Why)).
			Exec(affected(&changed))
	})
	return changed, err
}

// Thresholds lists what was set, of all tenants.
func (p *Platform) Thresholds(ctx context.Context) ([]store.TenantThresholds, error) {
	var set []store.TenantThresholds
	err := p.roundTrip(ctx, "list freshness thresholds", func(b *pgx.Batch) {
		b.Queue(sqlThresholds).Query(collect(&set, func(row pgx.CollectableRow) (store.TenantThresholds, error) {
			var t store.TenantThresholds
			var silence *time.Duration
			err := row.Scan((*[16]byte)(&t.Tenant), &t.Source, &t.Late, &t.Warning, &t.Critical, &silence, &t.By, &t.At)
			t.Silence = orZero(silence)
			return t, err
		}))
	})
	return set, err
}
