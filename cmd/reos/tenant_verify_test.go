package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/cmd/reos/isolation"
)

// apiOf is where an API that has started is.
func apiOf(t *testing.T, p *process) string {
	t.Helper()
	for line := range strings.Lines(p.logged()) {
		var said struct{ API string }
		if json.Unmarshal([]byte(line), &said) == nil && said.API != "" {
			return said.API
		}
	}
	require.FailNow(t, "the API does not say where it is", p.logged())
	return ""
}

// outcomes are the attempts of a verdict.
func outcomes(report isolation.Report, verdict isolation.Verdict) []string {
	var all []string
	for _, r := range report.Results {
		if r.Verdict == verdict {
			all = append(all, string(r.Layer)+": "+r.Name+": "+r.Detail)
		}
	}
	return all
}

func TestTenantVerifyFindsNoLeakAndThenTheOneThatWasMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withUsers()
	w.start("worker", "all")
	withoutAPI := w.env
	w.env = append(w.env, "REOS_API_URL="+apiOf(t, w.start("api")))

	var report isolation.Report
	stdout, stderr, code := w.reos("tenant", "verify", "--json")
	decode(t, stdout, &report)
	require.Empty(t, outcomes(report, isolation.Leaked))
	require.Empty(t, outcomes(report, isolation.Fault))
	require.Equal(t, exitOK, code, stderr)
	require.Greater(t, len(report.Results), 200)
	cannot := "public key as a secret|there are no views|log lines are not kept here"
	if os.Getenv("QDRANT_URL") != "" { // a server may have been given without one; the embedded one has a key
		cannot += "|QDRANT_URL has no API key"
	}
	for _, one := range outcomes(report, isolation.NotApplicable) {
		require.Regexp(t, cannot, one, "all else can be tried here")
	}
	w.requireNoCanaries()

	w.env = withoutAPI
	w.exec(w.admin, "ALTER POLICY tenant ON properties USING (true)")
	stdout, stderr, code = w.reos("tenant", "verify")
	require.Equal(t, exitLeak, code, stdout, stderr)
	require.Contains(t, stdout, "leaked")
	require.Contains(t, stdout, "read tables: every row, without a condition: properties")
	w.requireNoCanaries()
}

// requireNoCanaries makes sure that nothing is left of the canaries but tombstones and the audit.
func (w *world) requireNoCanaries() {
	w.t.Helper()
	require.Zero(w.t, w.number("SELECT count(*) FROM tenants WHERE name LIKE 'reos-canary-%'"))
	require.Zero(w.t, w.number("SELECT count(*) FROM properties WHERE tenant_id <> $1", w.tenant))
	require.Zero(w.t, w.number("SELECT count(*) FROM dead_letters WHERE tenant_id <> $1", w.tenant))
}
