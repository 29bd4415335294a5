package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// releasedLetters are those of a run's released items: few, and so looked up by their ids, whatever the planner believes.
const releasedLetters = `ARRAY(SELECT letter_id FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND state = 'released' AND letter_id IS NOT NULL)`

const (
	// The letters of released items are replayed from here on: in the transaction that releases them, which holds the locks
	// that heldItems has taken. Items that were released before have theirs marked already.
	sqlReplayLetters = `
WITH changed AS (
	UPDATE dead_letters l SET replayed_at = now(), replayed_run = $2, replayed_event = i.event_uid
	FROM run_items i
	WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.state = 'released' AND i.letter_id IS NOT NULL
		AND l.tenant_id = $1 AND l.id = i.letter_id AND l.id = ANY (` + releasedLetters + `) AND l.state = 'open'
	RETURNING l.fingerprint, date_trunc('hour', l.failed_at, 'UTC') AS hour, l.worker_version, l.failed_at
)
INSERT INTO dead_letter_counts AS c (tenant_id, fingerprint, hour, worker_version, open, first_at, last_at)
SELECT $1, fingerprint, hour, worker_version, count(*), min(failed_at), max(failed_at) FROM changed GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
ON CONFLICT (tenant_id, fingerprint, hour, worker_version) DO UPDATE SET open = c.open - excluded.open, replayed = c.replayed + excluded.open`

	// Each released item is looked up by itself, and the run once for all of them: its row has a version for every statement
	// that counted in it.
	sqlAuditReplays = `
WITH run AS MATERIALIZED (SELECT id, started_by, why FROM runs WHERE tenant_id = $1 AND id = $2)
` + sqlAuditInto + `
SELECT $1, r.started_by, $3, i.letter_id::text, r.why, jsonb_build_object('run_id', r.id, 'event_uid', i.event_uid, 'stage', i.stage,
	'event_id', l.event_id, 'reason', l.reason) || CASE WHEN e.before_sha256 IS NULL THEN '{}' ELSE jsonb_build_object(
		'before_sha256', encode(e.before_sha256, 'hex'), 'after_sha256', encode(e.after_sha256, 'hex')) END
FROM run r CROSS JOIN (SELECT ordinal, letter_id, event_uid, stage FROM run_items
	WHERE tenant_id = $1 AND run_id = $2 AND state = 'released' AND letter_id IS NOT NULL) i
CROSS JOIN LATERAL (SELECT event_id, reason, replayed_run, replayed_at FROM dead_letters WHERE tenant_id = $1 AND id = i.letter_id OFFSET 0) l
LEFT JOIN LATERAL (SELECT before_sha256, after_sha256 FROM replay_edits
	WHERE tenant_id = $1 AND run_id = $2 AND letter_id = i.letter_id OFFSET 0) e ON true
WHERE l.replayed_run = $2 AND l.replayed_at = now() ORDER BY i.ordinal`
)

// heldItems are the items named next, each with the state of its letter, which it locks: a letter is replayed once, whatever
// plans it is in. Letters are looked up one by one in the order of their ids, so that two releases do not deadlock; asked for
// all at once and in order, Postgres reads all letters of the tenant.
const heldItems = `SELECT n.*, l.state AS letter_state FROM (SELECT * FROM next ORDER BY letter_id) n
	LEFT JOIN LATERAL (SELECT state FROM dead_letters WHERE tenant_id = $1 AND id = n.letter_id OFFSET 0 FOR UPDATE) l ON true`

// queueReplays adds what a release means for letters: last, for the sake of the counters and the audit log that it locks.
func (t *Tenant) queueReplays(b *pgx.Batch, run string) {
	b.Queue(sqlReplayLetters, t.key(), run)
	b.Queue(sqlAuditReplays, t.key(), run, string(store.LetterReplayedAct))
}
