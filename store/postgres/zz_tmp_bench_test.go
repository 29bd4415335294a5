package postgres_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func BenchmarkZZ(b *testing.B) {
	for _, old := range []bool{true, false, true, false, true, false} {
		for _, size := range []int{1, 200} {
			b.Run(fmt.Sprintf("old=%v/%d", old, size), func(b *testing.B) {
				f := newFixture(b)
				if old {
					_, err := connect(b, f.AdminURL).Exec(context.Background(), `DO $$ DECLARE r regclass; BEGIN FOR r IN SELECT polrelid FROM pg_policy p JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attname='tenant_id' WHERE polname='tenant' LOOP
					EXECUTE format('ALTER POLICY tenant ON %s WITH CHECK (tenant_id = (SELECT NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid))', r); END LOOP; END $$`)
					require.NoError(b, err)
				}
				_ = os.Args
				for n := 0; b.Loop(); n++ {
					records := make([]events.Record, size)
					for i := range records {
						records[i] = property(fmt.Sprint("k", i), n)
					}
					require.NoError(b, ingestAll(b.Context(), f, records))
					verdicts := make([]store.Verdict, len(records))
					advances := make([]store.Advance, len(records))
					for i, record := range records {
						verdicts[i] = verdict(record, true)
						advances[i] = store.Advance{Event: eventOf(record), From: events.Quality, Next: events.Embedding}
					}
					require.NoError(b, f.db.Tenant(f.a).SaveVerdicts(b.Context(), verdicts, advances))
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/op")
			})
		}
	}
}
