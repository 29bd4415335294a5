package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Few events at a time make small batches, whose raw bytes are staged first.
func TestStagedRawBytesAreArchived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "ARCHIVE_AFTER=1h", "RECONCILE_OBJECT_GRACE=0s", "RECONCILE_INTERVAL=0")
	rest := w.start("worker", "ingestion", "quality", "embedding", "indexing", "deadletters")
	watch := w.start("worker", "freshness") // it archives though it has no other use for the object store
	const homesOfEach = 5
	other := w.createTenant("other")
	for _, name := range []string{tenantName, "other"} {
		w.ok("publish", homes(t, "h", homesOfEach, 1), "--tenant", name)
	}
	w.settled()
	require.Equal(t, 2*homesOfEach, w.number("SELECT count(*) FROM staged_raw"))
	require.Zero(t, w.number("SELECT count(*) FROM raw_archive"))
	require.True(t, w.reconciled(exitOK).Clean, "what is staged is not missing")
	bytes := w.number("SELECT sum(bytes)::int FROM staged_raw")
	watch.stop()

	w.env = append(w.env, "ARCHIVE_AFTER=100ms")
	watch = w.start("worker", "freshness")
	watch.awaitMetric("reos_archived_events_total", func(n float64) bool { return n == 2*homesOfEach })
	require.Zero(t, w.number("SELECT count(*) FROM staged_raw"))
	require.Equal(t, 2*homesOfEach, w.number("SELECT count(*) FROM raw_archive"))
	require.Equal(t, bytes, w.number("SELECT sum(byte_length)::int FROM raw_archive"))
	report := w.reconciled(exitOK)
	require.True(t, report.Clean)
	for _, tenant := range report.Tenants {
		require.Positive(t, tenant.Objects, tenant.Name)
	}
	require.Equal(t, homesOfEach, w.number("SELECT count(*) FROM raw_archive WHERE tenant_id = $1", other))
	watch.awaitMetric("reos_staged_raw_bytes", func(n float64) bool { return n == 0 })
	watch.stop()
	rest.stop()
}
