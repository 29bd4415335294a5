package compose_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/compose"
)

// run runs a tool that must succeed, and returns what it says. A missing tool fails the test; it never skips.
func run(t *testing.T, environment []string, name string, arguments ...string) string {
	t.Helper()
	_, err := exec.LookPath(name)
	require.NoError(t, err, "compose/services install prometheus")
	command := exec.Command(name, arguments...)
	command.Env = append(os.Environ(), environment...)
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(arguments, " "), out)
	return string(out)
}

func rules(t *testing.T) []compose.Rule {
	t.Helper()
	read, err := compose.Rules()
	require.NoError(t, err)
	return read
}

func alerts(t *testing.T) []compose.Rule {
	t.Helper()
	return slices.DeleteFunc(rules(t), func(rule compose.Rule) bool { return rule.Alert == "" })
}

func TestPrometheusTakesTheConfiguration(t *testing.T) {
	run(t, nil, "promtool", "check", "config", "prometheus/prometheus.yml")
}

func TestRulesDoWhatTheirScenariosSay(t *testing.T) {
	files, err := filepath.Glob("prometheus/tests/*.test.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			run(t, nil, "promtool", "test", "rules", file)
		})
	}
}

// Every alert, at every severity, is seen firing in a scenario. That it is quiet before and after is what the scenarios'
// empty expectations say: they list all alerts that fire.
func TestEveryAlertHasAScenario(t *testing.T) {
	files, err := filepath.Glob("prometheus/tests/*.test.yml")
	require.NoError(t, err)
	var scenarios strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		scenarios.Write(content)
	}
	for _, alert := range alerts(t) {
		severity := alert.Labels["severity"]
		seen := regexp.MustCompile(fmt.Sprintf(`labels: '\{alertname="%s"[^}]*severity="%s"|alertname: %s\n(.*\n){1,4}.*severity: %s`,
			alert.Alert, severity, alert.Alert, severity))
		require.Regexp(t, seen, scenarios.String(), "%s at severity %s", alert.Alert, severity)
	}
}

// promtool knows only Prometheus' own language: a query that another parser would take does not pass.
func TestDashboardQueriesArePromQL(t *testing.T) {
	queries, err := compose.Queries()
	require.NoError(t, err)
	require.Greater(t, len(queries), 50)
	var file strings.Builder
	file.WriteString("groups:\n  - name: dashboards\n    rules:\n")
	for i, query := range queries {
		fmt.Fprintf(&file, "      - record: q%d\n        expr: %q\n", i, query.Expr)
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	require.NoError(t, os.WriteFile(path, []byte(file.String()), 0o600))
	run(t, nil, "promtool", "check", "rules", path)
}

func TestSelectorsNameMetricsAndTheLabelsAskedOfThem(t *testing.T) {
	for expr, want := range map[string][]compose.Selector{
		`up`:                                  {{Metric: "up"}},
		`sum by (a) (rate(m{b="1"}[5m])) > 1`: {{Metric: "m", Labels: []string{"a", "b"}}},
		`max by (t) (x * on (t) group_left (name) info)`:       {{Metric: "x", Labels: []string{"t"}}, {Metric: "info", Labels: []string{"t", "name"}}},
		`sum by (l) (label_replace(m, "l", "x", "", ""))`:      {{Metric: "m"}},
		`m unless on (s) sum by (s) (n offset 5m)`:             {{Metric: "m", Labels: []string{"s"}}, {Metric: "n", Labels: []string{"s"}}},
		`time() - max_over_time(max(m)[10m:15s]) or absent(n)`: {{Metric: "m"}, {Metric: "n"}},
	} {
		found, err := compose.Selectors(expr)
		require.NoError(t, err, expr)
		require.Len(t, found, len(want), expr)
		for i := range want {
			require.Equal(t, want[i].Metric, found[i].Metric, expr)
			require.ElementsMatch(t, want[i].Labels, slices.Compact(slices.Sorted(slices.Values(found[i].Labels))), expr)
		}
	}
	_, err := compose.Selectors("sum by (")
	require.Error(t, err)
}
