package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// maxFailedVerdicts bounds what is counted for one answer.
const maxFailedVerdicts = 10_000

// sqlFailedExpectations counts over failed verdicts of versions that are still the newest, in the order of their index.
var sqlFailedExpectations = `
WITH failed AS MATERIALIZED (
	SELECT v.record_type, v.record_key, v.failures FROM verdicts v WHERE v.tenant_id = $1 AND NOT v.passed AND (` + sqlVerdictCurrent + `)
	ORDER BY v.record_type, v.record_key LIMIT $2
), counted AS (
	SELECT record_type, f ->> 'expectation' AS expectation, f ->> 'field' AS field, count(DISTINCT record_key) AS records,
		min(ARRAY[record_key, f ->> 'observed', f ->> 'limit']) AS sample
	FROM failed CROSS JOIN LATERAL jsonb_array_elements(failures) AS f
	WHERE f ->> 'severity' = '` + string(store.SeverityError) + `'
	GROUP BY 1, 2, 3 ORDER BY records DESC, 1, 2, 3 LIMIT $3
)
SELECT (SELECT count(*) FROM failed), record_type, expectation, field, records, sample[1], coalesce(sample[2], ''), coalesce(sample[3], '') FROM counted`

// Quarantine says which expectations keep most of the tenant's records in quarantine, at most limit of them.
func (t *Tenant) Quarantine(ctx context.Context, limit int) (store.Quarantine, error) {
	var found store.Quarantine
	err := t.roundTrip(ctx, "count failed expectations", func(b *pgx.Batch) {
		found = store.Quarantine{}
		b.Queue(sqlFailedExpectations, t.key(), maxFailedVerdicts+1, limit).Query(func(rows pgx.Rows) error {
			var f store.FailedExpectation
			_, err := pgx.ForEachRow(rows, []any{&found.Records, &f.Type, &f.Expectation, &f.Field, &f.Records, &f.Key, &f.Observed, &f.Limit}, func() error {
				found.Top = append(found.Top, f)
				return nil
			})
			return err
		})
	})
	if found.More = found.Records > maxFailedVerdicts; found.More {
		found.Records = maxFailedVerdicts
	}
	return found, err
}
