package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestZZ(t *testing.T) {
	f := newFixture(t)
	for _, s := range []string{
		"ALTER DATABASE " + path(t, f.URL) + " SET session_preload_libraries = 'auto_explain'",
		"ALTER DATABASE " + path(t, f.URL) + " SET auto_explain.log_min_duration = '0'",
		"ALTER DATABASE " + path(t, f.URL) + " SET auto_explain.log_analyze = on",
		"ALTER DATABASE " + path(t, f.URL) + " SET auto_explain.log_nested_statements = on",
		"ALTER DATABASE " + path(t, f.URL) + " SET auto_explain.log_timing = off",
	} {
		_, err := connect(t, f.AdminURL).Exec(t.Context(), s)
		require.NoError(t, err)
	}
	f.db.Pool().Reset()
	for n := range 12 {
		records := make([]events.Record, 200)
		for i := range records {
			records[i] = property(fmt.Sprint("k", i), n)
		}
		start := time.Now()
		require.NoError(t, ingest(t.Context(), f.db, f.a, records...))
		fmt.Println(n, time.Since(start))
	}
}
