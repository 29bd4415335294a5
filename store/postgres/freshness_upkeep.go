package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// coverageOf says, by field, when a property has it. d is the record's document.
var coverageOf = map[string]string{
	"price":       `list_price IS NOT NULL`,
	"status":      `standard_status IS NOT NULL`,
	"address":     textual("UnparsedAddress"),
	"coordinates": `d ->> 'Latitude' IS NOT NULL AND d ->> 'Longitude' IS NOT NULL`,
	"bedrooms":    `bedrooms_total IS NOT NULL`,
	"bathrooms":   `d ->> 'BathroomsTotalInteger' IS NOT NULL`,
	"living_area": `d ->> 'LivingArea' IS NOT NULL`,
	"year_built":  `d ->> 'YearBuilt' IS NOT NULL`,
	"remarks":     textual("PublicRemarks"),
}

func textual(field string) string { return `btrim(d ->> '` + field + `') <> ''` }

var sqlCoveragePage = func() string {
	counts := make([]string, len(store.CoverageFields))
	for i, field := range store.CoverageFields {
		counts[i] = `count(*) FILTER (WHERE NOT deleted AND ` + coverageOf[field] + `)`
	}
	return `SELECT count(*), coalesce(max(record_key), ''), count(*) FILTER (WHERE NOT deleted), ARRAY[` + strings.Join(counts, ", ") + `]
FROM (SELECT record_key, deleted, list_price, standard_status, bedrooms_total, doc AS d FROM properties
	WHERE tenant_id = $1 AND record_key > $2 ORDER BY record_key LIMIT $3) AS page`
}()

const (
	coveragePage = 1000

	sqlSaveCoverage = `
INSERT INTO coverage (tenant_id, measured_at, ended, records, fields, present) VALUES ($1, now(), $2, $3, $4, $5)
ON CONFLICT (tenant_id) DO UPDATE SET measured_at = now(), ended = excluded.ended, records = excluded.records,
	fields = excluded.fields, present = excluded.present`

	// From one event to the first that came at least half an hour after it, and so on: at most 336 look-ups per source,
	// however busy it is. What lies between two of them is at most half an hour longer than the silence in it. Two
	// silences at least, or nothing is learned.
	sqlLearnSilence = `
WITH RECURSIVE lanes AS (
	SELECT s.source, l.lane FROM unnest($2::text[]) AS s (source) CROSS JOIN unnest($3::text[]) AS l (lane)
), walk AS (
	SELECT s.source, now() - interval '7 days' AS at, NULL::interval AS silence FROM unnest($2::text[]) AS s (source)
	UNION ALL
	SELECT w.source, n.at, CASE WHEN w.at > now() - interval '7 days' THEN n.at - w.at END
	FROM walk w CROSS JOIN LATERAL (
		SELECT min(first.accepted_at) AS at FROM lanes l CROSS JOIN LATERAL (
			SELECT p.accepted_at FROM progress p WHERE p.tenant_id = $1 AND p.source = l.source AND p.source IS NOT NULL AND p.lane = l.lane
				AND p.accepted_at > w.at + CASE WHEN w.at > now() - interval '7 days' THEN interval '30 minutes' ELSE interval '0' END
			ORDER BY p.accepted_at LIMIT 1) first
		WHERE l.source = w.source) n
	WHERE n.at IS NOT NULL
)
INSERT INTO sources AS s (tenant_id, source, longest_silence, learned_at)
SELECT $1, source, max(silence), now() FROM walk GROUP BY source HAVING count(silence) >= 2
ON CONFLICT (tenant_id, source) DO UPDATE SET longest_silence = excluded.longest_silence, learned_at = now()`

	// Of each span one row per stage stays: the last, with the worst state of the span.
	sqlThin = `
WITH old AS (
	SELECT at, stage, state, date_trunc($2, at, 'UTC') AS span, array_position($5::text[], state) AS badness
	FROM sli_history WHERE tenant_id = $1 AND at < now() - $3::interval AND at >= now() - $4::interval
), kept AS (SELECT span, max(at) AS at FROM old GROUP BY span HAVING min(at) < max(at)
), worst AS (SELECT span, stage, max(badness) AS badness FROM old GROUP BY span, stage
), removed AS (
	DELETE FROM sli_history h USING old o JOIN kept k USING (span)
	WHERE h.tenant_id = $1 AND h.at = o.at AND h.stage = o.stage AND o.at < k.at
)
UPDATE sli_history h SET state = ($5::text[])[w.badness] FROM kept k JOIN worst w USING (span)
WHERE h.tenant_id = $1 AND h.at = k.at AND h.stage = w.stage AND h.state <> ($5::text[])[w.badness]`
	sqlForgetHistory = `DELETE FROM sli_history WHERE tenant_id = $1 AND at < now() - $2::interval`
	sqlForgetTimes   = `DELETE FROM searchable_times WHERE tenant_id = $1 AND hour < now() - $2::interval`

	sqlAddTimes = `
INSERT INTO searchable_times AS s (tenant_id, hour, entry, buckets) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, hour, entry) DO UPDATE SET buckets = ARRAY(
	SELECT coalesce(a, 0) + coalesce(b, 0) FROM unnest(s.buckets, excluded.buckets) WITH ORDINALITY AS u (a, b, n) ORDER BY n)`
)

// The history keeps every row for two days, one an hour for two months, one a day for a little more than a year.
const (
	historyWhole  = 2 * 24 * time.Hour
	historyHourly = 60 * 24 * time.Hour
	historyDaily  = 400 * 24 * time.Hour
	timesKept     = 14 * 24 * time.Hour
)

// MeasureCoverage looks through the tenant's properties and notes which of CoverageFields they have. It reads all of
// them, in pages; ended is how many of the tenant's events had ended before.
func (t *Tenant) MeasureCoverage(ctx context.Context, ended int) error {
	present := make([]int, len(store.CoverageFields))
	records, after := 0, ""
	for {
		var rows, alive int
		var last string
		var found []int
		err := t.roundTrip(ctx, "measure coverage", func(b *pgx.Batch) {
			b.Queue(sqlCoveragePage, t.key(), after, coveragePage).QueryRow(func(row pgx.Row) error {
				found = nil
				return row.Scan(&rows, &last, &alive, &found)
			})
		})
		if err != nil {
			return err
		}
		records += alive
		for i, n := range found {
			present[i] += n
		}
		if rows < coveragePage {
			break
		}
		after = last
	}
	return t.roundTrip(ctx, "save coverage", func(b *pgx.Batch) {
		b.Queue(sqlSaveCoverage, t.key(), ended, records, store.CoverageFields, present)
	})
}

// LearnSilence notes how long the tenant's sources have been silent at the longest between two live events, during the
// last seven days. lanes are those that live events take.
func (t *Tenant) LearnSilence(ctx context.Context, sources, lanes []string) error {
	if len(sources) == 0 {
		return nil
	}
	return t.roundTrip(ctx, "learn how long sources are silent", func(b *pgx.Batch) {
		b.Queue(sqlLearnSilence, t.key(), sources, lanes)
	})
}

// ThinHistory removes what is too old from the tenant's SLI history and searchable times, and thins out what is old.
func (t *Tenant) ThinHistory(ctx context.Context) error {
	states := column(store.FreshnessStates, func(s store.FreshnessState) string { return string(s) })
	return t.roundTrip(ctx, "thin out the SLI history", func(b *pgx.Batch) {
		b.Queue(sqlForgetHistory, t.key(), historyDaily)
		b.Queue(sqlThin, t.key(), "day", historyHourly, historyDaily, states)
		b.Queue(sqlThin, t.key(), "hour", historyWhole, historyHourly, states)
		b.Queue(sqlForgetTimes, t.key(), timesKept)
	})
}

// AddSearchableTimes adds to the tenant's histograms. What is added twice is counted twice.
func (t *Tenant) AddSearchableTimes(ctx context.Context, times []store.SearchableTimes) error {
	if len(times) == 0 {
		return nil
	}
	return t.roundTrip(ctx, "add searchable times", func(b *pgx.Batch) {
		for _, one := range times {
			b.Queue(sqlAddTimes, t.key(), one.Hour.UTC(), string(one.Entry), one.Buckets)
		}
	})
}
