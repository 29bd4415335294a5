package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/cmd/reos/bench"
)

func TestBenchMeasuresAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	profile := t.TempDir() + "/cpu.prof"
	var report bench.Report
	w.okJSON(&report, "bench", "--scenario", "saturation", "--events", "300", "--pairs", "1", "--generated-only", "--cpuprofile", profile)
	require.Len(t, report.Runs, 1)
	run := report.Runs[0]
	require.Equal(t, 300, run.Events)
	require.Greater(t, run.EventsPerSecond, 1.0)
	require.Contains(t, run.CPU, "reos worker")
	require.NotEmpty(t, report.Versions["RabbitMQ"])
	require.NotEmpty(t, report.Commit)
	require.FileExists(t, profile)
	require.Zero(t, w.number("SELECT count(*) FROM pg_database WHERE starts_with(datname, $1)", w.topology.Namespace), "databases that were not removed")

	stdout, stderr, code := w.reos("bench", "--scenario", "speed")
	require.Equal(t, exitInput, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "must be one of saturation")
}
