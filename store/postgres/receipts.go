package postgres

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// sqlNoWait commits without waiting for the disk: what a crash of Postgres takes back is no harm.
	sqlNoWait = `SELECT set_config('synchronous_commit', 'off', true)`

	sqlSaveReceipts = `
INSERT INTO receipts (tenant_id, event_uid, event_id, source, event_type, received_by, run_id, lane)
SELECT $1, uid, id, source, event_type, received_by, run_id, lane
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
	AS r (uid, id, source, event_type, received_by, run_id, lane)
ON CONFLICT (tenant_id, event_uid) DO NOTHING`

	sqlClaimKey = `
INSERT INTO idempotency_keys AS k (tenant_id, key, fingerprint, claim) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, key) DO UPDATE SET
	fingerprint = excluded.fingerprint, claim = excluded.claim, claimed_at = now(), status = NULL, answer = NULL
WHERE k.claimed_at < now() - $5::interval
	OR k.status IS NULL AND k.claimed_at < now() - $6::interval AND k.fingerprint = excluded.fingerprint`
	sqlKey        = `SELECT claim = $3, fingerprint, status, answer FROM idempotency_keys WHERE tenant_id = $1 AND key = $2`
	sqlAnswerKey  = `UPDATE idempotency_keys SET status = $4, answer = $5 WHERE tenant_id = $1 AND key = $2 AND claim = $3`
	sqlReleaseKey = `DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key = $2 AND claim = $3 AND status IS NULL`

	// A part at a time, so that no transaction is long.
	purgePart        = 5000
	sqlPurgeReceipts = `DELETE FROM receipts WHERE tenant_id = $1 AND event_uid IN (SELECT event_uid FROM receipts
	WHERE tenant_id = $1 AND received_at < now() - $2::interval ORDER BY received_at LIMIT $3)`
	sqlPurgeKeys = `DELETE FROM idempotency_keys WHERE tenant_id = $1 AND key IN (SELECT key FROM idempotency_keys
	WHERE tenant_id = $1 AND claimed_at < now() - $2::interval ORDER BY claimed_at LIMIT $3)`
)

// SaveReceipts keeps receipts, each once by its event. It does not wait for the disk.
func (t *Tenant) SaveReceipts(ctx context.Context, receipts []store.Receipt) error {
	if len(receipts) == 0 {
		return nil
	}
	return t.roundTrip(ctx, "save receipts", func(b *pgx.Batch) {
		b.Queue(sqlNoWait)
		t.queueReceipts(b, receipts)
	})
}

func (t *Tenant) queueReceipts(b *pgx.Batch, receipts []store.Receipt) {
	if len(receipts) == 0 {
		return
	}
	r := slices.SortedFunc(slices.Values(receipts), func(a, b store.Receipt) int { return bytes.Compare(a.Event[:], b.Event[:]) })
	b.Queue(sqlSaveReceipts, t.key(),
		column(r, func(r store.Receipt) [16]byte { return r.Event }),
		column(r, func(r store.Receipt) string { return r.ID }),
		column(r, func(r store.Receipt) string { return r.Source }),
		column(r, func(r store.Receipt) string { return r.Type }),
		column(r, func(r store.Receipt) string { return printable(r.By) }),
		column(r, func(r store.Receipt) string { return r.RunID }),
		column(r, func(r store.Receipt) string { return string(r.Lane) }))
}

// ClaimKey asks for the right to work on a request. It is the caller's where nobody has the key, the one who had it has
// neither answered nor released it for as long as claim.Lease, or it is older than claim.Keep.
func (t *Tenant) ClaimKey(ctx context.Context, claim store.KeyClaim) (state store.KeyState, err error) {
	err = t.roundTrip(ctx, "claim idempotency key", func(b *pgx.Batch) {
		state = store.KeyState{}
		b.Queue(sqlNoWait)
		b.Queue(sqlClaimKey, t.key(), claim.Key, claim.Fingerprint[:], [16]byte(claim.Claim), claim.Keep, claim.Lease)
		b.Queue(sqlKey, t.key(), claim.Key, [16]byte(claim.Claim)).QueryRow(func(row pgx.Row) error {
			var fingerprint, answer []byte
			var status *int
			if err := row.Scan(&state.Mine, &fingerprint, &status, &answer); err != nil {
				return err
			}
			copy(state.Fingerprint[:], fingerprint)
			if status != nil {
				state.Answer = &store.KeyAnswer{Status: *status, Body: answer}
			}
			return nil
		})
	})
	return state, err
}

// AnswerKey keeps receipts as SaveReceipts does, and with them what was answered. A claim that was lost changes nothing.
func (t *Tenant) AnswerKey(ctx context.Context, key string, claim uuid.UUID, answer store.KeyAnswer, receipts []store.Receipt) error {
	return t.roundTrip(ctx, "answer idempotency key", func(b *pgx.Batch) {
		b.Queue(sqlNoWait)
		t.queueReceipts(b, receipts)
		b.Queue(sqlAnswerKey, t.key(), key, [16]byte(claim), answer.Status, answer.Body)
	})
}

// ReleaseKey gives a claim back, so that the request can be made again at once.
func (t *Tenant) ReleaseKey(ctx context.Context, key string, claim uuid.UUID) error {
	return t.roundTrip(ctx, "release idempotency key", func(b *pgx.Batch) {
		b.Queue(sqlReleaseKey, t.key(), key, [16]byte(claim))
	})
}

// PurgeReceipts removes receipts and idempotency keys of all tenants that are older than they are kept, and says how
// many. Each tenant's are removed by its own handle: the platform has no right to them.
func (p *Platform) PurgeReceipts(ctx context.Context, keepReceipts, keepKeys time.Duration) (purged int64, err error) {
	tenants, err := p.Tenants(ctx)
	if err != nil {
		return 0, err
	}
	for _, tenant := range tenants {
		t := p.db.Tenant(tenant.ID)
		for _, part := range []struct {
			sql  string
			keep time.Duration
		}{{sqlPurgeReceipts, keepReceipts}, {sqlPurgeKeys, keepKeys}} {
			n, err := t.purge(ctx, part.sql, part.keep)
			purged += n
			if err != nil {
				return purged, err
			}
		}
	}
	return purged, nil
}

func (t *Tenant) purge(ctx context.Context, sql string, keep time.Duration) (purged int64, err error) {
	for {
		n, err := t.execute(ctx, "purge receipts", sql, t.key(), keep, purgePart)
		if purged += n; err != nil || n < purgePart {
			return purged, err
		}
	}
}
