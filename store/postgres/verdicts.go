package postgres

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// Invariants 2 and 3: an older version replaces nothing, and what is there already is not written again.
	sqlSaveVerdicts = `
INSERT INTO verdicts AS v (tenant_id, record_type, record_key, version_at, version_seq, suite, passed, failures)
SELECT $1, record_type, record_key, version_at, version_seq, suite, passed, failures::jsonb
FROM unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[], $7::boolean[], $8::text[])
	AS w (record_type, record_key, version_at, version_seq, suite, passed, failures)
ON CONFLICT (tenant_id, record_type, record_key) DO UPDATE SET
	version_at = excluded.version_at, version_seq = excluded.version_seq, suite = excluded.suite,
	passed = excluded.passed, failures = excluded.failures, judged_at = now()
WHERE (v.version_at, v.version_seq) <= (excluded.version_at, excluded.version_seq)
	AND (v.version_at, v.version_seq, v.suite, v.passed, v.failures)
		IS DISTINCT FROM (excluded.version_at, excluded.version_seq, excluded.suite, excluded.passed, excluded.failures)`

	sqlVerdictColumns = `
SELECT record_type, record_key, version_at, version_seq, suite, passed, failures::text, judged_at
FROM verdicts WHERE tenant_id = $1`
	sqlVerdict     = sqlVerdictColumns + ` AND record_type = $2 AND record_key = $3`
	sqlQuarantined = sqlVerdictColumns + ` AND NOT passed AND (record_type, record_key) > ($2, $3)
ORDER BY record_type, record_key LIMIT $4`
)

// SaveVerdicts stores verdicts, unless a newer version's is there, and advances, in one transaction. No record may be
// named twice.
func (t *Tenant) SaveVerdicts(ctx context.Context, verdicts []store.Verdict, advances []store.Advance) error {
	if len(verdicts)+len(advances) == 0 {
		return nil
	}
	columns, err := t.verdictColumns(verdicts)
	if err != nil {
		return err
	}
	return t.transact(ctx, "save verdicts", max(len(verdicts), len(advances)), work{first: func(b *pgx.Batch) {
		if len(verdicts) > 0 {
			b.Queue(sqlSaveVerdicts, columns...)
		}
		t.queueAdvances(b, advances)
	}, onward: onwardOfAdvances(advances)})
}

func (t *Tenant) verdictColumns(verdicts []store.Verdict) ([]any, error) {
	v := slices.SortedFunc(slices.Values(verdicts), func(a, b store.Verdict) int {
		return cmp.Or(cmp.Compare(a.Ref.Type, b.Ref.Type), cmp.Compare(a.Ref.Key, b.Ref.Key))
	})
	failures := make([]string, len(v))
	for i, verdict := range v {
		failures[i] = "[]"
		if len(verdict.Failures) > 0 {
			encoded, err := json.Marshal(verdict.Failures)
			if err != nil {
				return nil, fmt.Errorf("encode failures of %s %q: %w", verdict.Ref.Type, verdict.Ref.Key, err)
			}
			failures[i] = string(encoded)
		}
	}
	return []any{
		t.key(),
		column(v, func(v store.Verdict) string { return string(v.Ref.Type) }),
		column(v, func(v store.Verdict) string { return v.Ref.Key }),
		column(v, func(v store.Verdict) time.Time { return v.Version.At }),
		column(v, func(v store.Verdict) int64 { return v.Version.Sequence }),
		column(v, func(v store.Verdict) string { return v.Suite }),
		column(v, func(v store.Verdict) bool { return v.Passed }),
		failures,
	}, nil
}

// Verdict returns the verdict of the newest version that was judged; else store.ErrNotFound.
func (t *Tenant) Verdict(ctx context.Context, ref store.Ref) (store.Verdict, error) {
	var verdicts []store.Verdict
	err := t.roundTrip(ctx, "find verdict", func(b *pgx.Batch) {
		b.Queue(sqlVerdict, t.key(), string(ref.Type), ref.Key).Query(collect(&verdicts, scanVerdict))
	})
	return only(verdicts, err, "find verdict")
}

// Quarantined lists verdicts that did not pass, by record type and key, at most limit of them. The zero Ref begins;
// the last one's Ref goes on. A record may have moved on since: a newer version is not yet judged, or was deleted.
func (t *Tenant) Quarantined(ctx context.Context, limit int, after store.Ref) ([]store.Verdict, error) {
	var verdicts []store.Verdict
	err := t.roundTrip(ctx, "list quarantined", func(b *pgx.Batch) {
		b.Queue(sqlQuarantined, t.key(), string(after.Type), after.Key, limit).Query(collect(&verdicts, scanVerdict))
	})
	return verdicts, err
}

func scanVerdict(row pgx.CollectableRow) (store.Verdict, error) {
	var v store.Verdict
	var failures string
	err := row.Scan(&v.Ref.Type, &v.Ref.Key, &v.Version.At, &v.Version.Sequence, &v.Suite, &v.Passed, &failures, &v.JudgedAt)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal([]byte(failures), &v.Failures); err != nil {
		return v, fmt.Errorf("read failures of %s %q: %w", v.Ref.Type, v.Ref.Key, err)
	}
	return v, nil
}
