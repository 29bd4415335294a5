package postgres

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

var sqlEmbeddingStates = byKey(recordColumns+`, e.content_hash, e.version_at, e.version_seq`, "properties",
	`LEFT JOIN embeddings e ON e.tenant_id = $1 AND e.model = $3 AND e.record_key = k.key`)

// A write without a vector takes the one that is there, if that is still of the same content; if not, NULL is refused
// by its column.
//
// Invariants 2 and 3: an older version replaces nothing, and what is there already is not written again.
const sqlSaveEmbeddings = `
INSERT INTO embeddings AS e (tenant_id, model, record_key, version_at, version_seq, content_hash, vector)
SELECT $1, $2, w.record_key, w.version_at, w.version_seq, w.content_hash, coalesce(w.vector, (
	SELECT same.vector FROM embeddings same
	WHERE same.tenant_id = $1 AND same.model = $2 AND same.record_key = w.record_key AND same.content_hash = w.content_hash))
FROM unnest($3::text[], $4::timestamptz[], $5::bigint[], $6::bytea[], $7::bytea[])
	AS w (record_key, version_at, version_seq, content_hash, vector)
ON CONFLICT (tenant_id, model, record_key) DO UPDATE SET
	version_at = excluded.version_at, version_seq = excluded.version_seq,
	content_hash = excluded.content_hash, vector = excluded.vector
WHERE (e.version_at, e.version_seq) <= (excluded.version_at, excluded.version_seq)
	AND (e.version_at, e.version_seq, e.content_hash) IS DISTINCT FROM
		(excluded.version_at, excluded.version_seq, excluded.content_hash)`

// EmbeddingStates loads the newest versions of the properties that exist, tombstones among them, and what is embedded
// of them by a model; in no order.
func (t *Tenant) EmbeddingStates(ctx context.Context, model string, wanted []store.Wanted) ([]store.EmbeddingState, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	if states, ok := take[store.EmbeddingState](t, events.Embedding, model, wanted); ok {
		return states, nil
	}
	var states []store.EmbeddingState
	err := t.transact(ctx, "load embedding states", len(wanted), work{first: func(b *pgx.Batch) {
		b.Queue(sqlEmbeddingStates, t.key(), keysOf(wanted), model).Query(collect(&states, scanEmbeddingState))
	}})
	return states, err
}

func scanEmbeddingState(row pgx.CollectableRow) (store.EmbeddingState, error) {
	var state store.EmbeddingState
	var r recordRow
	var at *time.Time
	var sequence *int64
	if err := row.Scan(append(r.targets(), &state.ContentHash, &at, &sequence)...); err != nil {
		return state, err
	}
	state.Version = version(at, sequence)
	var err error
	state.Record, err = r.stored(events.Property)
	return state, err
}

// SaveEmbeddings stores vectors, unless a newer version's is there, and advances, in one transaction. No key may be
// named twice. store.ErrConflict says that the content changed under a write that carries no vector.
func (t *Tenant) SaveEmbeddings(ctx context.Context, model string, writes []store.EmbeddingWrite, advances []store.Advance) error {
	if len(writes)+len(advances) == 0 {
		return nil
	}
	w := slices.SortedFunc(slices.Values(writes), func(a, b store.EmbeddingWrite) int { return cmp.Compare(a.Key, b.Key) })
	columns := []any{
		t.key(), model,
		column(w, func(w store.EmbeddingWrite) string { return w.Key }),
		column(w, func(w store.EmbeddingWrite) time.Time { return w.Version.At }),
		column(w, func(w store.EmbeddingWrite) int64 { return w.Version.Sequence }),
		column(w, func(w store.EmbeddingWrite) []byte { return w.ContentHash }),
		column(w, func(w store.EmbeddingWrite) []byte { return vectorBytes(w.Vector) }),
	}
	err := t.transact(ctx, "save embeddings", max(len(w), len(advances)), work{first: func(b *pgx.Batch) {
		if len(w) > 0 {
			b.Queue(sqlSaveEmbeddings, columns...)
		}
		t.queueAdvances(b, advances)
	}, onward: onwardOfAdvances(advances)})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "23502" && refused.ColumnName == "vector" {
		return fmt.Errorf("save embeddings: %w", store.ErrConflict)
	}
	return err
}

// vectorBytes writes a vector as it is stored: float32, little-endian. A nil vector stays nil.
func vectorBytes(vector []float32) []byte {
	if vector == nil {
		return nil
	}
	encoded := make([]byte, 0, 4*len(vector))
	for _, value := range vector {
		encoded = binary.LittleEndian.AppendUint32(encoded, math.Float32bits(value))
	}
	return encoded
}

// vectorOf reads what vectorBytes wrote.
func vectorOf(encoded []byte) []float32 {
	if encoded == nil {
		return nil
	}
	vector := make([]float32, len(encoded)/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(encoded[4*i:]))
	}
	return vector
}
