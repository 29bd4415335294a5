package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// A letter that is there already changes nothing, its event's progress included.
	//
	// Invariants 2, 5 and 6: the letter and the end of its event are committed together. An event that died before
	// anybody accepted it gets its row here; one that is finished stays as it is.
	sqlSaveDeadLetter = `
WITH kept AS (
	INSERT INTO dead_letters (tenant_id, id, event_uid, event_id, event_type, record_type, record_key, stage, lane, reason,
		error, attempts, routing_key, header_names, header_values, payload, run_id, first_failed_at, failed_at,
		version_at, version_seq, worker_version, traceparent, failed_times, kind, fingerprint)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
		$20, $21, $22, $23, $24, $25, $26)
	ON CONFLICT (tenant_id, id) DO NOTHING
	RETURNING event_uid, event_id, event_type, record_type, record_key, coalesce(nullif(stage, ''), 'deadletters') AS stage,
		lane, reason, run_id, first_failed_at
), died AS (
	INSERT INTO progress AS p (tenant_id, event_uid, event_id, event_type, record_type, record_key, occurred_at,
		run_id, traceparent, lane, ended_in, outcome, reason, finished_at)
	SELECT $1, event_uid, event_id, event_type, nullif(record_type, ''), nullif(record_key, ''), first_failed_at,
		run_id, '', lane, stage, 'dead', reason, now()
	FROM kept WHERE event_uid IS NOT NULL
	ON CONFLICT (tenant_id, event_uid) DO UPDATE SET
		stage = NULL, ended_in = excluded.ended_in, outcome = 'dead', reason = excluded.reason, finished_at = now()
	WHERE p.finished_at IS NULL
	RETURNING p.ended_in AS stage, p.outcome, p.reason
)
` + sqlCountEndings + ` FROM died` + sqlAddEndings

	sqlSaveGroups = `
INSERT INTO dead_letter_groups (tenant_id, fingerprint, kind, stage, reason, pattern, sample)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
ON CONFLICT (tenant_id, fingerprint) DO NOTHING`

	// Only those that this very transaction has written are counted: a letter that was there was counted then.
	sqlCountLetters = `
INSERT INTO dead_letter_counts AS c (tenant_id, fingerprint, hour, worker_version, open, first_at, last_at)
SELECT $1, fingerprint, date_trunc('hour', failed_at, 'UTC'), worker_version, count(*), min(failed_at), max(failed_at)
FROM dead_letters WHERE tenant_id = $1 AND id = ANY ($2::uuid[]) AND xmin = pg_current_xact_id()::xid
GROUP BY 2, 3, 4 ORDER BY 2, 3, 4
ON CONFLICT (tenant_id, fingerprint, hour, worker_version) DO UPDATE SET open = c.open + excluded.open,
	first_at = least(c.first_at, excluded.first_at), last_at = greatest(c.last_at, excluded.last_at)`
)

// SaveDeadLetters keeps letters, each once by its id, counts them in their groups, and ends their events' progress as dead,
// in one transaction. An event that was never accepted gets a finished row; one that is finished already stays as it is.
func (t *Tenant) SaveDeadLetters(ctx context.Context, letters []store.DeadLetter) error {
	if len(letters) == 0 {
		return nil
	}
	// Statement by statement: headers are lists of their own, and letters are rare.
	sorted := slices.SortedFunc(slices.Values(letters), func(a, b store.DeadLetter) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	groups := map[string]letterGroup{}
	for i := range sorted {
		describeLetter(&sorted[i])
		groups[sorted[i].Fingerprint] = groupOf(sorted[i])
	}
	return t.roundTrip(ctx, "save dead letters", func(b *pgx.Batch) {
		for _, letter := range sorted {
			b.Queue(sqlSaveDeadLetter, t.letterColumns(letter)...)
		}
		b.Queue(sqlSaveGroups, t.groupColumns(groups)...)
		b.Queue(sqlCountLetters, t.key(), column(sorted, func(l store.DeadLetter) [16]byte { return l.ID })) // last: many share these rows
	})
}

// maxDescribed bounds what describes a letter and is indexed: an index takes no value of several thousand bytes, and a
// letter is never refused. All of it is in the headers and the payload, as it came.
const maxDescribed = 255

// describeLetter makes what describes a letter fit to be kept, and says which kind and group it is of.
func describeLetter(l *store.DeadLetter) {
	short := func(text string) string { return events.Cut(printable(text), maxDescribed) }
	l.EventID, l.EventType, l.Key, l.RunID = short(l.EventID), short(l.EventType), short(l.Key), short(l.RunID)
	l.RecordType, l.Stage, l.Reason = events.RecordType(short(string(l.RecordType))), events.Stage(short(string(l.Stage))), events.Reason(short(string(l.Reason)))
	l.Lane, l.WorkerVersion, l.TraceParent = short(l.Lane), short(l.WorkerVersion), short(l.TraceParent)
	l.Error = printable(l.Error)
	l.Kind, l.Fingerprint = store.KindOf(l.Reason), store.Fingerprint(l.Stage, l.Reason, l.Error)
}

func (t *Tenant) letterColumns(l store.DeadLetter) []any {
	names := slices.Sorted(maps.Keys(l.Headers))
	payload := l.Payload
	if payload == nil {
		payload = []byte{} // NULL is for what is not known
	}
	var versionAt *time.Time
	var versionSeq *int64
	if !l.Version.At.IsZero() {
		versionAt, versionSeq = &l.Version.At, &l.Version.Sequence
	}
	return []any{
		t.key(), [16]byte(l.ID), nullableUUID(l.Event), l.EventID, l.EventType, string(l.RecordType), l.Key, string(l.Stage), l.Lane,
		string(l.Reason), l.Error, l.Attempts, []byte(l.RoutingKey),
		column(names, func(name string) []byte { return []byte(name) }),
		column(names, func(name string) []byte { return []byte(l.Headers[name]) }),
		payload, l.RunID, l.FirstFailedAt, l.FailedAt,
		versionAt, versionSeq, l.WorkerVersion, l.TraceParent, append([]time.Time{}, l.Failures...), string(l.Kind), l.Fingerprint,
	}
}

// letterGroup is what a letter says of its group.
type letterGroup struct {
	kind            store.LetterKind
	stage           events.Stage
	reason          events.Reason
	pattern, sample string
}

func groupOf(l store.DeadLetter) letterGroup {
	return letterGroup{kind: l.Kind, stage: l.Stage, reason: l.Reason, pattern: store.Pattern(l.Error), sample: l.Error}
}

func (t *Tenant) groupColumns(groups map[string]letterGroup) []any {
	fingerprints := slices.Sorted(maps.Keys(groups))
	of := func(value func(letterGroup) string) []string {
		return column(fingerprints, func(fingerprint string) string { return value(groups[fingerprint]) })
	}
	return []any{
		t.key(), fingerprints,
		of(func(g letterGroup) string { return string(g.kind) }),
		of(func(g letterGroup) string { return string(g.stage) }),
		of(func(g letterGroup) string { return string(g.reason) }),
		of(func(g letterGroup) string { return g.pattern }),
		of(func(g letterGroup) string { return g.sample }),
	}
}

// letterIDs are the ids of letters as a parameter.
func letterIDs(letters []store.DeadLetter) []uuid.UUID {
	return column(letters, func(l store.DeadLetter) uuid.UUID { return l.ID })
}
