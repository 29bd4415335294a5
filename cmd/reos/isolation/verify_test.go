package isolation

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInvariant4NoAttemptGetsToAnotherTenant(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.work(t)
	report := f.verify(t)
	for _, r := range report.Results {
		t.Logf("%-9s %-80s %-14s %4d %7.1f ms %s", r.Layer, r.Name, r.Verdict, r.Probes, r.Milliseconds, r.Detail)
	}
	require.Empty(t, of(report, Leaked))
	require.Empty(t, of(report, Fault))
	require.Greater(t, len(report.Results), 100)
	f.requireTelemetry(t, report)
}
