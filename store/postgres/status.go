package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Each of these answers for all tenants at once; $1 is the tenants asked for, NULL for all.
const (
	sqlAsked = `($1::uuid[] IS NULL OR tenant_id = ANY ($1))`

	sqlStatusTenants = sqlTenant + ` WHERE CASE WHEN $1::uuid[] IS NULL THEN state <> 'deleted' ELSE id = ANY ($1) END ORDER BY name`
	sqlStatusEndings = `
SELECT tenant_id, stage, outcome, reason, sum(events)::bigint FROM endings WHERE ` + sqlAsked + `
GROUP BY tenant_id, stage, outcome, reason`
	sqlStatusWaiting = `
SELECT tenant_id, stage, count(*), min(occurred_at), min(accepted_at) FROM progress WHERE finished_at IS NULL AND ` + sqlAsked + `
GROUP BY tenant_id, stage`
	sqlStatusProperties = `SELECT tenant_id, count(*) FROM properties WHERE ` + sqlAsked + ` GROUP BY tenant_id`
	sqlStatusDeleted    = `SELECT tenant_id, count(*) FROM properties WHERE deleted AND ` + sqlAsked + ` GROUP BY tenant_id`
	sqlStatusEntries    = `SELECT tenant_id, count(*) FROM index_entries WHERE ` + sqlAsked + ` GROUP BY tenant_id`
	sqlStatusAbsent     = `SELECT tenant_id, count(*) FROM index_entries WHERE NOT present AND ` + sqlAsked + ` GROUP BY tenant_id`
	sqlStatusLetters    = `SELECT tenant_id, sum(open)::bigint FROM dead_letter_counts WHERE ` + sqlAsked + ` GROUP BY tenant_id`
)

// sqlVerdictCurrent says of a verdict v that its version is still the record's newest. Few verdicts fail, so that each looks
// its record up.
var sqlVerdictCurrent = func() string {
	current := ""
	for _, record := range events.RecordTypes {
		if current != "" {
			current += " OR "
		}
		current += `
	v.record_type = '` + string(record) + `' AND EXISTS (SELECT FROM ` + recordTables[record] + ` r
		WHERE r.tenant_id = v.tenant_id AND r.record_key = v.record_key AND NOT r.deleted
			AND (r.version_at, r.version_seq) = (v.version_at, v.version_seq))`
	}
	return current
}()

var sqlStatusQuarantined = `SELECT tenant_id, count(*) FROM verdicts v WHERE NOT passed AND ` + sqlAsked + ` AND (` + sqlVerdictCurrent + `)
GROUP BY tenant_id`

// Status says where the events and records of tenants are, by tenant name; nil asks for all tenants, the platform's
// own among them. All of it is of one moment.
func (p *Platform) Status(ctx context.Context, tenants []uuid.UUID) ([]store.TenantStatus, error) {
	var ids [][16]byte // NULL where nil
	if tenants != nil {
		ids = uuids(tenants)
	}
	var collected []*store.TenantStatus
	err := p.db.transact(ctx, "read status", func(tx *transaction) error {
		collected = nil
		batch := tx.beginSnapshot(platformView)
		queueStatus(batch, ids, &collected)
		return tx.commit(ctx, batch)
	})
	if err != nil {
		return nil, err
	}
	statuses := make([]store.TenantStatus, len(collected))
	for i, status := range collected {
		complete(status)
		statuses[i] = *status
	}
	return statuses, nil
}

// queueStatus adds the queries to a batch. Their results come in this order, so that the tenants are there first.
func queueStatus(b *pgx.Batch, ids [][16]byte, collected *[]*store.TenantStatus) {
	byTenant := map[uuid.UUID]*store.TenantStatus{}
	b.Queue(sqlStatusTenants, ids).Query(func(rows pgx.Rows) error {
		tenants, err := pgx.CollectRows(rows, scanTenant)
		for _, tenant := range tenants {
			status := &store.TenantStatus{Tenant: tenant}
			byTenant[tenant.ID] = status
			*collected = append(*collected, status)
		}
		return err
	})
	var ended store.StageCount
	b.Queue(sqlStatusEndings, ids).Query(perTenant(byTenant, []any{&ended.Stage, &ended.Outcome, &ended.Reason, &ended.Count},
		func(s *store.TenantStatus) { s.Counts = append(s.Counts, ended) }))
	var waiting store.Waiting
	b.Queue(sqlStatusWaiting, ids).Query(perTenant(byTenant,
		[]any{&waiting.Stage, &waiting.Count, &waiting.OldestOccurred, &waiting.OldestAccepted},
		func(s *store.TenantStatus) { s.Waiting = append(s.Waiting, waiting) }))
	var n int
	count := func(sql string, add func(*store.TenantStatus)) {
		b.Queue(sql, ids).Query(perTenant(byTenant, []any{&n}, add))
	}
	count(sqlStatusProperties, func(s *store.TenantStatus) { s.Records = n })
	count(sqlStatusDeleted, func(s *store.TenantStatus) { s.Deleted = n; s.Records -= n })
	count(sqlStatusEntries, func(s *store.TenantStatus) { s.Indexed = n })
	count(sqlStatusAbsent, func(s *store.TenantStatus) { s.Indexed -= n })
	count(sqlStatusQuarantined, func(s *store.TenantStatus) { s.Quarantined = n })
	count(sqlStatusLetters, func(s *store.TenantStatus) { s.DeadLetters = n })
}

// perTenant reads rows that begin with a tenant_id into targets, and hands each to its tenant's status. A dead letter
// may belong to a tenant that does not exist; such rows are nobody's.
func perTenant(byTenant map[uuid.UUID]*store.TenantStatus, targets []any, add func(*store.TenantStatus)) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var id uuid.UUID
		_, err := pgx.ForEachRow(rows, append([]any{(*[16]byte)(&id)}, targets...), func() error {
			if status := byTenant[id]; status != nil {
				add(status)
			}
			return nil
		})
		return err
	}
}

// complete sums up and brings lists into a message's order.
func complete(status *store.TenantStatus) {
	slices.SortFunc(status.Counts, func(a, b store.StageCount) int {
		return cmp.Or(
			cmp.Compare(slices.Index(events.Stages, a.Stage), slices.Index(events.Stages, b.Stage)),
			cmp.Compare(slices.Index(events.Outcomes, a.Outcome), slices.Index(events.Outcomes, b.Outcome)),
			cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(status.Waiting, func(a, b store.Waiting) int {
		return cmp.Compare(slices.Index(events.Stages, a.Stage), slices.Index(events.Stages, b.Stage))
	})
	for _, count := range status.Counts {
		status.Events += count.Count
	}
	for _, waiting := range status.Waiting {
		status.Events += waiting.Count
	}
}
