package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// For each tenant and moment one look-up of the last entry before it, however many there are: the history has an entry
// where something changed, and what it says holds until the next.
const sqlFreshnessHistory = `
SELECT a.tenant, s.at, (($5::text[])[max(array_position($5::text[], h.state))])
FROM unnest($1::uuid[]) AS a (tenant)
CROSS JOIN generate_series($2::timestamptz, $3::timestamptz, $4::interval) AS s (at)
CROSS JOIN LATERAL (SELECT at FROM sli_history WHERE tenant_id = a.tenant AND at <= s.at ORDER BY at DESC LIMIT 1) b
JOIN sli_history h ON h.tenant_id = a.tenant AND h.at = b.at
GROUP BY a.tenant, s.at ORDER BY a.tenant, s.at`

// FreshnessHistory says in which state tenants were from a moment to another, at every step. Moments before a tenant's
// history begins are left out.
func (p *Platform) FreshnessHistory(
	ctx context.Context, tenants []uuid.UUID, from, to time.Time, step time.Duration,
) (map[uuid.UUID][]store.FreshnessSample, error) {
	var samples map[uuid.UUID][]store.FreshnessSample
	err := p.roundTrip(ctx, "read freshness history", func(b *pgx.Batch) {
		samples = map[uuid.UUID][]store.FreshnessSample{}
		queueFreshnessHistory(b, uuids(tenants), from, to, step, samples)
	})
	return samples, err
}

// FreshnessHistory says the same of one tenant.
func (t *Tenant) FreshnessHistory(ctx context.Context, from, to time.Time, step time.Duration) ([]store.FreshnessSample, error) {
	var samples map[uuid.UUID][]store.FreshnessSample
	err := t.roundTrip(ctx, "read freshness history", func(b *pgx.Batch) {
		samples = map[uuid.UUID][]store.FreshnessSample{}
		queueFreshnessHistory(b, [][16]byte{t.id}, from, to, step, samples)
	})
	return samples[t.id], err
}

func queueFreshnessHistory(b *pgx.Batch, tenants [][16]byte, from, to time.Time, step time.Duration, into map[uuid.UUID][]store.FreshnessSample) {
	states := column(store.FreshnessStates, func(s store.FreshnessState) string { return string(s) })
	b.Queue(sqlFreshnessHistory, tenants, from, to, step, states).Query(func(rows pgx.Rows) error {
		var tenant uuid.UUID
		var sample store.FreshnessSample
		_, err := pgx.ForEachRow(rows, []any{(*[16]byte)(&tenant), &sample.At, &sample.State}, func() error {
			into[tenant] = append(into[tenant], sample)
			return nil
		})
		return err
	})
}
