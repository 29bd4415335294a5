package isolation

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// A seed is how something of a canary gets into a table: SQL that reos_app runs for the canary, and that changes nothing
// where it is there already.
type seed struct {
	table string
	// platform seeds are sown by reos_platform: the tenants' role may not write the table.
	platform bool
	sql      string
	// reap takes away what must not stay when the canary is kept; empty where it may.
	reap string
}

// seeds has one for each table with a tenant_id. A table without one is reported by name.
var seeds = append(recordSeeds(), []seed{
	{table: "raw_archive", sql: `INSERT INTO raw_archive VALUES ('{id}', '{event}', '{object}', {offset}, {length}, decode('{digest}', 'hex'))`},
	{table: "staged_raw", sql: `INSERT INTO staged_raw (tenant_id, event_uid, sha256, bytes, frame)
		VALUES ('{id}', '{letter}', sha256('x'), octet_length('{secret}'), convert_to('{secret}', 'UTF8'))`, reap: `DELETE FROM staged_raw WHERE tenant_id = '{id}'`},
	{table: "verdicts", sql: `INSERT INTO verdicts VALUES ('{id}', 'property', 'property-{mark}', '{at}', 0, 'property/1', true,
		'[{"expectation": "x", "severity": "warning", "field": "City", "observed": "{secret}", "limit": ""}]')`},
	{table: "embeddings", sql: `INSERT INTO embeddings VALUES ('{id}', '{model}', 'property-{mark}', '{at}', 0,
		sha256('{secret}'), decode('{vector}', 'hex'))`},
	{table: "index_entries", sql: `INSERT INTO index_entries VALUES ('{id}', 'property-{mark}', '{at}', 0, {indexed})`},
	{table: "progress", sql: `INSERT INTO progress (tenant_id, event_uid, event_id, source, event_type, record_type, record_key,
			version_at, version_seq, occurred_at, run_id, traceparent, lane, ended_in, outcome, finished_at)
		VALUES ('{id}', '{event}', '{event}', 'canary/{secret}', 'reos.property.upserted.v1', 'property', 'property-{mark}',
			'{at}', 0, '{at}', 'run-{mark}', '', '{lane}', 'indexing', 'done', now())`},
	{table: "endings", sql: `INSERT INTO endings VALUES ('{id}', 0, 'indexing', 'done', '', 1)`},
	{table: "dead_letters", sql: `INSERT INTO dead_letters (tenant_id, id, event_id, event_type, record_type, record_key, stage, lane, reason,
			error, attempts, routing_key, header_names, header_values, payload, run_id, first_failed_at, failed_at, kind, fingerprint)
		VALUES ('{id}', '{letter}', 'letter-{mark}', 'reos.property.upserted.v1',
		'property', 'property-{mark}', 'ingestion', '{lane}', 'data_not_json', 'canary {secret}', 1, '{id}.x',
		ARRAY['h'::bytea], ARRAY['{secret}'::bytea], '{secret}', 'run-{mark}', '{at}', '{at}', 'bad_data', '{group}')`},
	{table: "dead_letter_groups", sql: `INSERT INTO dead_letter_groups VALUES ('{id}', '{group}', 'bad_data', 'ingestion', 'data_not_json',
		'canary {secret}', 'canary {secret}')`},
	{table: "dead_letter_counts", sql: `INSERT INTO dead_letter_counts (tenant_id, fingerprint, hour, worker_version, open, first_at, last_at)
		VALUES ('{id}', '{group}', date_trunc('hour', '{at}'::timestamptz, 'UTC'), '{secret}', 1, '{at}', '{at}')`},
	{table: "replay_edits", sql: `INSERT INTO replay_edits VALUES ('{id}', 'run-{mark}', '{letter}', '[{"op": "test", "path": "/{secret}"}]',
		sha256('{secret}'), sha256('{secret}'))`},
	{table: "pauses", sql: `INSERT INTO pauses (tenant_id, stage, paused_by, why)
		VALUES ('{id}', 'embedding', 'isolation', 'canary {secret}')`, reap: `DELETE FROM pauses WHERE tenant_id = '{id}'`},
	{table: "sli_history", platform: true, sql: `INSERT INTO sli_history (tenant_id, at, stage, waiting, done, stale, quarantined, dead)
		VALUES ('{id}', '{at}', 'indexing', 0, {number}, 0, 0, 0)`},
	{table: "audit", sql: `INSERT INTO audit (tenant_id, actor, action, subject, why, details)
		SELECT '{id}', 'isolation', 'canary.planted', '{mark}', 'canary {secret}', '{}' WHERE NOT EXISTS (SELECT FROM audit WHERE action = 'canary.planted')`},
	{
		table: "receipts", sql: `INSERT INTO receipts (tenant_id, event_uid, event_id, source, event_type, received_by, run_id, lane)
		VALUES ('{id}', '{event}', '{event}', 'canary/{secret}', 'reos.property.upserted.v1', 'isolation', 'run-{mark}', 'live')`,
		reap: `DELETE FROM receipts WHERE tenant_id = '{id}'`,
	}, // old ones are removed, which must not look like a leak
	{
		table: "idempotency_keys", sql: `INSERT INTO idempotency_keys (tenant_id, key, fingerprint, claim, status, answer)
		VALUES ('{id}', 'key-{mark}', sha256('{secret}'), '{event}', 202, '{secret}')`,
		reap: `DELETE FROM idempotency_keys WHERE tenant_id = '{id}'`,
	}, // like receipts
	{table: "runs", sql: `INSERT INTO runs (tenant_id, id, kind, state, started_by, source, lane, published, finished_at)
		VALUES ('{id}', 'run-{mark}', 'feed', 'published', 'isolation', 'canary/{secret}', 'live', 1, now())`},
	{table: "run_items", sql: `INSERT INTO run_items (tenant_id, run_id, ordinal, event_uid, cause_uid, record_type, record_key, version_at, version_seq, stage, state, reason)
		VALUES ('{id}', 'run-{mark}', 1, '{event}', '{event}', 'property', 'property-{mark}', '{at}', 1, 'quality', 'skipped', 'canary {secret}')`},
	{table: "run_removed", sql: `INSERT INTO run_removed VALUES ('{id}', 'run-{mark}', 'indexing', 'done', '{secret}', 1)`},
	{table: "sources", sql: `INSERT INTO sources (tenant_id, source) VALUES ('{id}', 'canary/{secret}')`},
	{table: "freshness_thresholds", sql: `INSERT INTO freshness_thresholds (tenant_id, source, late, warning, critical, set_by)
		VALUES ('{id}', 'canary/{secret}', '1d', '2d', '3d', 'isolation')`},
	{table: "searchable_times", sql: `INSERT INTO searchable_times VALUES ('{id}', date_trunc('hour', '{at}'::timestamptz), 'live', '{{number}}')`},
	{table: "coverage", sql: `INSERT INTO coverage VALUES ('{id}', '{at}', 1, {number}, '{{secret}}', '{1}')`},
}...)

// recordSeeds are those of the tables of records.
func recordSeeds() []seed {
	var all []seed
	for record, table := range map[events.RecordType]string{
		events.Property: "properties", events.Ownership: "ownership", events.Prospect: "prospects", events.Lease: "leases",
		events.Offer: "offers", events.Document: "documents",
	} {
		all = append(all, seed{table: table, sql: `INSERT INTO ` + table + ` (tenant_id, record_key, version_at, version_seq, event_uid, deleted, doc, faults)
			VALUES ('{id}', '` + string(record) + `-{mark}', '{at}', 0, '{event}', false, '{doc}',
				'[{"field": "ListPrice", "must": "", "observed": "{secret}"}]')`})
	}
	return all
}

// sow plants a canary's rows in one transaction, what is there already excepted. A table that takes none is remembered:
// it is a finding.
func (w *World) sow(ctx context.Context, c *Canary) error {
	w.unsown = map[string]error{}
	if _, err := w.sql.run(ctx, "BEGIN; "+as(c.ID)); err != nil {
		return err
	}
	for _, s := range seeds {
		if !w.has(s.table) {
			continue // the installation is older than this program
		}
		statement := w.words(c).Replace(s.sql) + " ON CONFLICT DO NOTHING"
		if s.platform {
			statement = "SET LOCAL ROLE reos_platform; " + statement + "; SET LOCAL ROLE none"
		}
		_, err := w.sql.run(ctx, "SAVEPOINT seed; "+statement+"; RELEASE seed")
		if err != nil && refusal(err) == nil {
			return fmt.Errorf("plant a canary in %s: %w", s.table, err)
		}
		if err != nil {
			w.unsown[s.table] = err
			if _, err := w.sql.run(ctx, "ROLLBACK TO seed"); err != nil {
				return err
			}
		}
	}
	_, err := w.sql.run(ctx, "COMMIT")
	return err
}

// reap takes away the rows that a kept canary must not keep.
func (w *World) reap(ctx context.Context, c *Canary) error {
	if err := w.sql.connect(ctx); err != nil { // an attempt may have cost it its connection
		return fmt.Errorf("reap a canary: %w", err)
	}
	for _, s := range seeds {
		if s.reap == "" || !w.has(s.table) {
			continue
		}
		if _, err := w.sql.run(ctx, "BEGIN; "+as(c.ID)+"; "+w.words(c).Replace(s.reap)+"; COMMIT"); err != nil {
			_, _ = w.sql.run(ctx, "ROLLBACK")
			return fmt.Errorf("reap a canary in %s: %w", s.table, err)
		}
	}
	return nil
}

func (w *World) has(name string) bool {
	for _, t := range w.tables {
		if t.name == name {
			return true
		}
	}
	return false
}

// words are what seeds say of a canary.
func (w *World) words(c *Canary) *strings.Replacer {
	span := c.Span
	if span.Key == "" { // no object store: an archive that nobody reads
		span = store.Span{Key: c.ID.String() + "/raw/" + c.Mark, Length: 1}
	}
	return strings.NewReplacer(
		"{id}", c.ID.String(), "{mark}", c.Mark, "{secret}", c.Secret, "{event}", c.event().String(), "{letter}", c.letter().String(), "{group}", c.group(),
		"{at}", c.CreatedAt.UTC().Format(time.RFC3339Nano), "{lane}", c.Lane, "{doc}", c.doc(), "{model}", w.Model,
		"{object}", span.Key, "{offset}", fmt.Sprint(span.Offset), "{length}", fmt.Sprint(span.Length), "{digest}", hex.EncodeToString(span.SHA256[:]),
		"{vector}", hex.EncodeToString(littleEndian(c.Vector)), "{indexed}", fmt.Sprint(w.Points != nil), "{number}", fmt.Sprint(c.number()),
	)
}

// plantObjects puts an archive and a document into the object store.
func (w *World) plantObjects(ctx context.Context, c *Canary) error {
	if w.Objects == nil {
		return nil
	}
	spans, err := w.Objects(c.ID).PutArchive(ctx, "canary-"+c.Mark, [][]byte{[]byte(c.doc())})
	if err != nil {
		return err
	}
	c.Span = spans[0]
	content := []byte(c.document())
	return w.Objects(c.ID).Put(ctx, c.documentKey(), bytes.NewReader(content), int64(len(content)), "text/plain")
}

// plant puts something of a canary into every place. Planting again changes nothing.
func (w *World) plant(ctx context.Context, c *Canary) error {
	if err := w.plantObjects(ctx, c); err != nil {
		return fmt.Errorf("plant objects of canary %s: %w", c.ID, err)
	}
	if w.Points != nil {
		if err := w.Points(c.ID).Upsert(ctx, []store.Point{c.point()}); err != nil {
			return fmt.Errorf("plant the point of canary %s: %w", c.ID, err)
		}
	}
	return w.sow(ctx, c)
}
