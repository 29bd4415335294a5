package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

// releasedLetters are those of a run's released items: few, and so looked up by their ids, whatever the planner believes.
const releasedLetters = `ARRAY(SELECT letter_id FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND state = 'released' AND letter_id IS NOT NULL)`

const (
	// The letters of released items are replayed from here on: in the transaction that releases them, which holds the locks
	// that openLetters has taken. Items that were released before have theirs marked already.
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

	sqlAuditReplays = sqlAuditInto + `
SELECT $1, r.started_by, $3, l.id::text, r.why, jsonb_build_object('run_id', r.id, 'event_uid', i.event_uid, 'stage', i.stage,
	'event_id', l.event_id, 'reason', l.reason) || CASE WHEN e.letter_id IS NULL THEN '{}' ELSE jsonb_build_object(
		'before_sha256', encode(e.before_sha256, 'hex'), 'after_sha256', encode(e.after_sha256, 'hex')) END
FROM runs r
JOIN run_items i ON i.tenant_id = $1 AND i.run_id = $2 AND i.state = 'released' AND i.letter_id IS NOT NULL
JOIN dead_letters l ON l.tenant_id = $1 AND l.id = i.letter_id AND l.id = ANY (` + releasedLetters + `)
	AND l.replayed_run = $2 AND l.replayed_at = now()
LEFT JOIN replay_edits e ON e.tenant_id = $1 AND e.run_id = $2 AND e.letter_id = l.id
WHERE r.tenant_id = $1 AND r.id = $2 ORDER BY i.ordinal`
)

// openLetters locks the letters of items named next, and says which of them are still open: a letter is replayed once,
// whatever plans it is in.
const openLetters = `SELECT id, state FROM dead_letters WHERE tenant_id = $1
	AND id = ANY (ARRAY(SELECT letter_id FROM next WHERE letter_id IS NOT NULL)) ORDER BY id FOR UPDATE`

// queueReplays adds what a release means for letters: last, for the sake of the counters and the audit log that it locks.
func (t *Tenant) queueReplays(b *pgx.Batch, run string) {
	b.Queue(sqlReplayLetters, t.key(), run)
	b.Queue(sqlAuditReplays, t.key(), run, string(store.LetterReplayedAct))
}
