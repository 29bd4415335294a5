package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// selectPage is how many records are looked at in one statement. It is short, however many records there are.
	selectPage = 2000

	// previewSample is how many records a preview shows.
	previewSample = 10
)

// selectSQL is the statements that look at a page of a record type's records: all of them in the order of their keys, those
// whose verdict did not pass, or named ones. Each finds a page of keys first, and then looks up what is said of these.
type selectSQL struct{ all, failed, named string }

// selects holds every record type's statements. It is never written to.
var selects = func() map[events.RecordType]selectSQL {
	all := make(map[events.RecordType]selectSQL, len(recordTables))
	for record, table := range recordTables {
		all[record] = selectFor(record, table)
	}
	return all
}()

func selectFor(record events.RecordType, table string) selectSQL {
	page := func(keys string) string {
		return `WITH page AS MATERIALIZED (` + keys + `)
SELECT page.key, r.version_at, r.version_seq, r.event_uid, coalesce(r.deleted, false), v.passed, coalesce(e.embedded, false),
	r.record_key IS NOT NULL AND ($4::timestamptz IS NULL OR r.updated_at >= $4) AND ($5::timestamptz IS NULL OR r.updated_at < $5)
		AND ($9::boolean IS NULL OR v.passed IS NOT DISTINCT FROM $9)
		AND ($7::text[] IS NULL OR (SELECT bool_and(r.doc ->> f.name IS NOT DISTINCT FROM f.value) FROM unnest($7, $8::text[]) AS f (name, value)))
FROM page
LEFT JOIN LATERAL (SELECT * FROM ` + table + ` WHERE tenant_id = $1 AND record_key = page.key OFFSET 0) r ON true
LEFT JOIN LATERAL (SELECT passed FROM verdicts WHERE tenant_id = $1 AND record_type = '` + string(record) + `'
	AND record_key = page.key AND (version_at, version_seq) = (r.version_at, r.version_seq) OFFSET 0) v ON true
LEFT JOIN LATERAL (SELECT true AS embedded FROM embeddings WHERE tenant_id = $1 AND model = $6
	AND record_key = page.key AND (version_at, version_seq) = (r.version_at, r.version_seq) OFFSET 0) e ON true
ORDER BY page.key`
	}
	return selectSQL{
		all: page(`SELECT record_key AS key FROM ` + table + ` WHERE tenant_id = $1 AND record_key > $2 ORDER BY record_key LIMIT $3`),
		failed: page(`SELECT record_key AS key FROM verdicts WHERE tenant_id = $1 AND record_type = '` + string(record) + `' AND NOT passed
	AND record_key > $2 ORDER BY record_key LIMIT $3`),
		named: page(`SELECT key FROM unnest($10::text[]) AS k (key) WHERE $2 = '' AND $3 > 0`),
	}
}

// PreviewRerun says what a rerun would work on just now.
func (t *Tenant) PreviewRerun(ctx context.Context, selection store.RerunSelection) (store.RerunPreview, error) {
	preview := store.RerunPreview{LeftOut: map[string]int64{}}
	for page, err := range t.rerunPages(ctx, selection, preview.LeftOut) {
		if err != nil {
			return store.RerunPreview{}, err
		}
		preview.Selected += int64(len(page))
		if room := previewSample - len(preview.Sample); room > 0 {
			preview.Sample = append(preview.Sample, page[:min(room, len(page))]...)
		}
	}
	return preview, nil
}

// PlanRerun freezes what a rerun works on: see PlanRun.
func (t *Tenant) PlanRerun(ctx context.Context, run store.Run, selection store.RerunSelection, act store.Act) (store.Run, error) {
	encoded, err := json.Marshal(selection)
	if err != nil {
		return store.Run{}, fmt.Errorf("encode selection: %w", err)
	}
	run.Kind, run.Stage, run.Selection = store.RerunRun, selection.Stage, encoded
	return t.PlanRun(ctx, run, t.rerunPages(ctx, selection, map[string]int64{}), act)
}

// rerunPages looks through the tenant's records, and counts in leftOut what matches and is not eligible.
func (t *Tenant) rerunPages(ctx context.Context, selection store.RerunSelection, leftOut map[string]int64) iter.Seq2[[]store.RunItem, error] {
	return func(yield func([]store.RunItem, error) bool) {
		for _, record := range selection.RecordTypes() {
			for candidates, err := range t.candidates(ctx, record, selection) {
				var page []store.RunItem
				for _, c := range candidates {
					if reason := c.refused(selection.Stage); reason != "" {
						leftOut[reason]++
					} else {
						page = append(page, c.item(record, selection.Stage))
					}
				}
				if !yield(page, err) || err != nil {
					return
				}
			}
		}
	}
}

// candidate is a record that matches a selection.
type candidate struct {
	key      string
	version  versionRow
	event    *[16]byte
	deleted  bool
	passed   *bool // the newest version's verdict
	embedded bool  // the newest version is
	matches  bool
}

// refused says why a record cannot be worked on again from a stage; empty where it can. The release judges once more, in
// the same words: see sqlRelease.
func (c candidate) refused(stage events.Stage) string {
	switch {
	case stage == events.Ingestion:
	case c.deleted && stage != events.Indexing:
		return store.SkipDeleted
	case stage == events.Embedding && (c.passed == nil || !*c.passed):
		return store.SkipNotPassed
	case stage == events.Indexing && !c.deleted && (c.passed == nil || *c.passed && !c.embedded):
		return store.SkipNotEmbedded
	}
	return ""
}

func (c candidate) item(record events.RecordType, stage events.Stage) store.RunItem {
	return store.RunItem{
		Ref: store.Ref{Type: record, Key: c.key}, Version: c.version.version(), Cause: *c.event, Stage: stage, State: store.ItemSelected,
	}
}

// candidates looks through the records of one type, page by page.
func (t *Tenant) candidates(ctx context.Context, record events.RecordType, s store.RerunSelection) iter.Seq2[[]candidate, error] {
	statements, params := selects[record], t.selectParams(s)
	if len(s.Keys) > 0 {
		return func(yield func([]candidate, error) bool) {
			keys := slices.Compact(slices.Sorted(slices.Values(s.Keys)))
			for part := range slices.Chunk(keys, selectPage) {
				_, found, err := t.candidatePage(ctx, statements.named, append(params("", len(part)), part))
				if !yield(found, err) || err != nil {
					return
				}
			}
		}
	}
	sql := statements.all
	if s.Passed != nil && !*s.Passed {
		sql = statements.failed
	}
	return func(yield func([]candidate, error) bool) {
		for after := ""; ; {
			last, found, err := t.candidatePage(ctx, sql, params(after, selectPage))
			if err == nil && last == "" || !yield(found, err) || err != nil {
				return
			}
			after = last
		}
	}
}

// selectParams are the parameters of a statement, but for its place and size.
func (t *Tenant) selectParams(s store.RerunSelection) func(after string, limit int) []any {
	var names, values []string // NULL where no field is asked for: no document is read then
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		names, values = append(names, printable(name)), append(values, printable(s.Fields[name]))
	}
	return func(after string, limit int) []any {
		return []any{t.key(), after, limit, nullableTime(s.Since), nullableTime(s.Until), s.Model, names, values, s.Passed}
	}
}

// candidatePage reads one page: what matches in it, and the last key that was looked at; empty where there was none.
func (t *Tenant) candidatePage(ctx context.Context, sql string, params []any) (last string, found []candidate, err error) {
	err = t.roundTrip(ctx, "select records", func(b *pgx.Batch) {
		last, found = "", nil
		b.Queue(sqlKeysInOrder)
		b.Queue(sql, params...).Query(func(rows pgx.Rows) error {
			var c candidate
			_, err := pgx.ForEachRow(rows, []any{
				&c.key, &c.version.at, &c.version.sequence, &c.event, &c.deleted, &c.passed, &c.embedded, &c.matches,
			}, func() error {
				last = c.key
				if c.matches {
					found = append(found, c)
				}
				return nil
			})
			return err
		})
	})
	return last, found, err
}
