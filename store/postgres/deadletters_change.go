package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// What was open or replayed is discarded; the counters move with the letters. They are proposed as a positive number
	// each, and moved where the row is, which it always is.
	sqlDiscardLetters = `
WITH changed AS (
	UPDATE dead_letters SET discarded_at = now(), discarded_by = $3, discarded_why = $4
	WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND discarded_at IS NULL
	RETURNING fingerprint, date_trunc('hour', failed_at, 'UTC') AS hour, worker_version, failed_at, replayed_at
)
INSERT INTO dead_letter_counts AS c (tenant_id, fingerprint, hour, worker_version, open, replayed, first_at, last_at)
SELECT $1, fingerprint, hour, worker_version, count(*) FILTER (WHERE replayed_at IS NULL), count(*) FILTER (WHERE replayed_at IS NOT NULL),
	min(failed_at), max(failed_at)
FROM changed GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
ON CONFLICT (tenant_id, fingerprint, hour, worker_version) DO UPDATE SET open = c.open - excluded.open,
	replayed = c.replayed - excluded.replayed, discarded = c.discarded + excluded.open + excluded.replayed`

	// Those that this very transaction has discarded.
	sqlAuditDiscards = sqlAuditInto + `
SELECT $1, $3, $5, id::text, $4, jsonb_build_object('event_id', event_id, 'reason', reason, 'fingerprint', fingerprint)
FROM dead_letters WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND discarded_at = now() AND xmin = pg_current_xact_id()::xid ORDER BY id`

	// What was replayed has gone through its run by then, and what came of it is known there.
	sqlPurgeLetters = `
WITH gone AS (
	DELETE FROM dead_letters WHERE tenant_id = $1 AND id IN (
		(SELECT id FROM dead_letters WHERE tenant_id = $1 AND discarded_at < now() - $2::interval ORDER BY discarded_at LIMIT $3)
		UNION ALL
		(SELECT id FROM dead_letters l WHERE tenant_id = $1 AND replayed_at < now() - $2::interval AND discarded_at IS NULL
			AND (SELECT settled_at IS NOT NULL FROM runs WHERE tenant_id = $1 AND id = l.replayed_run)
		ORDER BY replayed_at LIMIT $3))
	RETURNING fingerprint, date_trunc('hour', failed_at, 'UTC') AS hour, worker_version, failed_at, discarded_at
), counted AS (
	INSERT INTO dead_letter_counts AS c (tenant_id, fingerprint, hour, worker_version, discarded, replayed, first_at, last_at)
	SELECT $1, fingerprint, hour, worker_version, count(discarded_at), count(*) FILTER (WHERE discarded_at IS NULL),
		min(failed_at), max(failed_at)
	FROM gone GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
	ON CONFLICT (tenant_id, fingerprint, hour, worker_version) DO UPDATE SET
		discarded = c.discarded - excluded.discarded, replayed = c.replayed - excluded.replayed
)
SELECT count(*) FROM gone`
	sqlPurgeCounts = `DELETE FROM dead_letter_counts WHERE tenant_id = $1 AND open + replayed + discarded = 0`
)

// DiscardLetters gives letters up that are not given up yet, and says how many it were. Each has an entry in the audit log,
// and so has the operation where its details are given.
func (t *Tenant) DiscardLetters(ctx context.Context, ids []uuid.UUID, act store.Act, operation json.RawMessage) (discarded int64, err error) {
	sorted := slices.SortedFunc(slices.Values(ids), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	by, why := printable(act.By), printable(act.Why)
	err = t.roundTrip(ctx, "discard dead letters", func(b *pgx.Batch) {
		b.Queue(sqlDiscardLetters, t.key(), uuids(sorted), by, why)
		if operation != nil {
			b.Queue(sqlAudit, t.key(), by, string(store.LettersDiscardedAct), "", why, []byte(operation))
		}
		b.Queue(sqlAuditDiscards, t.key(), uuids(sorted), by, why, string(store.LetterDiscardedAct)).Exec(func(tag pgconn.CommandTag) error {
			discarded = tag.RowsAffected()
			return nil
		})
	})
	return discarded, err
}

// PurgeLetters removes the letters of all tenants that were discarded longer ago than they are kept, or replayed by a run
// in which everything has ended, and says how many.
// Each tenant's are removed by its own handle: the platform may not.
func (p *Platform) PurgeLetters(ctx context.Context, keep time.Duration) (purged int64, err error) {
	owners, err := p.LetterOwners(ctx)
	if err != nil {
		return 0, err
	}
	for _, owner := range owners {
		n, err := p.db.Tenant(owner).purgeLetters(ctx, keep)
		purged += n
		if err != nil && !errors.Is(err, store.ErrTenantDeleted) {
			return purged, err
		}
	}
	return purged, nil
}

// LetterOwners lists the tenants that ever had a letter, those that nobody knows among them.
func (p *Platform) LetterOwners(ctx context.Context) (owners []uuid.UUID, err error) {
	err = p.roundTrip(ctx, "list tenants with dead letters", func(b *pgx.Batch) {
		b.Queue(`SELECT tenant_id FROM ` + lettersOwners).Query(collect(&owners, func(row pgx.CollectableRow) (id uuid.UUID, err error) {
			return id, row.Scan((*[16]byte)(&id))
		}))
	})
	return owners, err
}

func (t *Tenant) purgeLetters(ctx context.Context, keep time.Duration) (purged int64, err error) {
	for {
		var n int64
		err := t.roundTrip(ctx, "purge dead letters", func(b *pgx.Batch) {
			b.Queue(sqlPurgeLetters, t.key(), keep, purgePart).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			b.Queue(sqlPurgeCounts, t.key())
		})
		if purged += n; err != nil || n < purgePart {
			return purged, err
		}
	}
}
