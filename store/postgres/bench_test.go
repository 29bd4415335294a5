package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Each benchmark writes batches of new versions of the same records, one batch at a time, and reports rows/s. What
// prepare does is not measured; nil prepares nothing.
func benchmark(b *testing.B, prepare, write func(ctx context.Context, f fixture, records []events.Record) error) {
	for _, size := range []int{1, 50, 200} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			f := newFixture(b)
			for n := 0; b.Loop(); n++ {
				records := make([]events.Record, size)
				for i := range records {
					records[i] = property(fmt.Sprint("k", i), n)
				}
				if prepare != nil {
					b.StopTimer()
					require.NoError(b, prepare(b.Context(), f, records))
					b.StartTimer()
				}
				require.NoError(b, write(b.Context(), f, records))
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func ingestAll(ctx context.Context, f fixture, records []events.Record) error {
	return ingest(ctx, f.db, f.a, records...)
}

func BenchmarkIngest(b *testing.B) { benchmark(b, nil, ingestAll) }

func BenchmarkSaveVerdicts(b *testing.B) {
	benchmark(b, ingestAll, func(ctx context.Context, f fixture, records []events.Record) error {
		verdicts := make([]store.Verdict, len(records))
		advances := make([]store.Advance, len(records))
		for i, record := range records {
			verdicts[i] = verdict(record, true)
			advances[i] = store.Advance{Event: eventOf(record), From: events.Quality, Next: events.Embedding}
		}
		return f.db.Tenant(f.a).SaveVerdicts(ctx, verdicts, advances)
	})
}

func BenchmarkSaveEmbeddings(b *testing.B) {
	vector := make([]float32, 384)
	content := byte(0)
	benchmark(b, ingestAll, func(ctx context.Context, f fixture, records []events.Record) error {
		content++
		writes := make([]store.EmbeddingWrite, len(records))
		advances := make([]store.Advance, len(records))
		for i, record := range records {
			writes[i] = embedding(record, content)
			writes[i].Vector = vector
			advances[i] = store.Advance{Event: eventOf(record), From: events.Embedding, Next: events.Indexing}
		}
		return f.db.Tenant(f.a).SaveEmbeddings(ctx, "m", writes, advances)
	})
}
