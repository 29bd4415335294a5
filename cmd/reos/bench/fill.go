package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/indexing"
)

// stored is what a world was filled with.
type stored struct {
	generator *generator // goes on where the filling ended: its next events are newer
	base      int        // records that came through the pipeline
	copies    int        // of each, made in the stores
}

// fillBase is how many records come through the pipeline; more are copies of these.
const fillBase = 20_000

// fill stores records: the first through the pipeline, the rest as copies of their rows under other keys, with points
// to match. Tables, indexes and the vector store have then the size and the shape that the pipeline would have given
// them, but for the archive, whose objects are shared.
func (w *world) fill(ctx context.Context, p *worker, records int) (*stored, error) {
	st := &stored{generator: newGenerator(w.options.Seed), base: min(records, fillBase)}
	st.copies = records/st.base - 1
	if err := w.publish(ctx, w.generated(st.generator, st.base)); err != nil {
		return nil, err
	}
	if _, err := w.awaitEnded(ctx, p, st.base); err != nil {
		return nil, err
	}
	if st.copies > 0 {
		for _, table := range []string{"properties", "raw_archive", "verdicts", "embeddings", "index_entries", "progress"} {
			if err := w.copyRows(ctx, table, st.copies); err != nil {
				return nil, err
			}
		}
		if err := w.indexCopies(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := w.admin.Exec(ctx, "VACUUM ANALYZE"); err != nil { // as autovacuum would have done on the way
		return nil, fmt.Errorf("vacuum: %w", err)
	}
	return st, nil
}

// copyKey names a copy of a record; 0 is the record itself.
func copyKey(recordKey string, nth int) string {
	if nth == 0 {
		return recordKey
	}
	return fmt.Sprintf("%s~%d", recordKey, nth)
}

// randomKey chooses a stored record.
func (st *stored) randomKey() string {
	r := st.generator.random
	return copyKey(key(r.IntN(st.base)), r.IntN(st.copies+1))
}

// copyRows copies every row of a table under other keys.
func (w *world) copyRows(ctx context.Context, table string, copies int) error {
	rows, err := w.admin.Query(ctx, `SELECT column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position`, table)
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table, err)
	}
	columns, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the columns of %s: %w", table, err)
	}
	values := make([]string, len(columns))
	for i, column := range columns {
		columns[i] = pgx.Identifier{column}.Sanitize()
		switch column {
		case "record_key", "event_id":
			values[i] = columns[i] + " || '~' || nth"
		case "event_uid":
			values[i] = "md5(event_uid::text || nth)::uuid"
		default:
			values[i] = columns[i]
		}
	}
	name := pgx.Identifier{table}.Sanitize()
	_, err = w.admin.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s, generate_series(1, %d) AS nth",
		name, strings.Join(columns, ", "), strings.Join(values, ", "), name, copies))
	if err != nil {
		return fmt.Errorf("copy the rows of %s: %w", table, err)
	}
	return nil
}

// indexCopies puts every record into the vector store, from Postgres.
func (w *world) indexCopies(ctx context.Context) error {
	client, err := qdrant.Open(ctx, w.options.Qdrant)
	if err != nil {
		return err
	}
	defer client.Close()
	embedder := embedding.NewHashing()
	if err := client.Ensure(ctx, embedder.Model(), embedder.Dimensions()); err != nil {
		return err
	}
	points := func(tenant uuid.UUID) indexing.Points { return client.Tenant(tenant) }
	if err := indexing.Rebuild(ctx, w.db.Platform(), points, embedder.Model()); err != nil {
		return fmt.Errorf("index the copies: %w", err)
	}
	return nil
}
