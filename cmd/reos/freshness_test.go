package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// freshnessReport is what `reos freshness --json` prints, as far as tests read it.
type freshnessReport struct {
	States  map[string]int
	Tenants []struct {
		Name, State, Stage, Source, Reason string
		Stages                             []struct {
			Stage, State string
			Live, Bulk   struct{ Events int }
			Ended        struct{ Done int }
		}
		Sources    []struct{ Source, State string }
		Success    []struct{ Ended int }
		Searchable []struct{ Events int }
		Coverage   *struct{ Records int }
	}
}

// freshness runs the verb and checks its code.
func (w *world) freshness(code int, args ...string) (r freshnessReport) {
	w.t.Helper()
	stdout, stderr, got := w.reos(append([]string{"freshness", "--json"}, args...)...)
	require.Equal(w.t, code, got, stdout+stderr)
	require.Empty(w.t, stderr)
	require.NoError(w.t, json.Unmarshal([]byte(stdout), &r), stdout)
	return r
}

// A pipeline is fresh; its embedding ends, and the state names stage and source in time; it comes back, and all is well.
func TestFreshnessNamesTheStageThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "FRESHNESS_INTERVAL=250ms")
	require.Equal(t, "unknown", w.freshness(exitOK).Tenants[0].State)
	w.createTenant("globex")
	reports, done := w.sliReports()
	defer done()

	all := w.start("worker", "ingestion", "quality", "indexing", "freshness", "deadletters")
	embedding := w.start("worker", "embedding")
	w.backlog(w.tenant, 20)
	w.settled()
	r := w.freshness(exitOK, "--tenant", tenantName)
	require.Equal(t, "fresh", r.Tenants[0].State, r.Tenants[0].Reason)
	require.Equal(t, 20, r.Tenants[0].Success[0].Ended)
	w.ok("freshness", "thresholds", "--tenant", tenantName, "--late", "1s", "--warning", "2s", "--critical", "1h", "--why", "test")

	embedding.stop()
	w.backlog(w.tenant, 25) // five of them are news
	require.Eventually(t, func() bool {
		_, _, code := w.reos("freshness")
		return code == exitWarning
	}, 30*time.Second, 100*time.Millisecond)
	r = w.freshness(exitWarning)
	require.Equal(t, []string{tenantName, "warning", "embedding"}, []string{r.Tenants[0].Name, r.Tenants[0].State, r.Tenants[0].Stage})
	require.Contains(t, r.Tenants[0].Reason, "wait at embedding")
	require.Equal(t, map[string]int{"critical": 0, "warning": 1, "late": 0, "unknown": 1, "fresh": 0}, r.States, "nobody else")
	w.freshness(exitOK, "--tenant", "globex")
	w.freshness(exitOK, "--state", "unknown")
	require.Contains(t, w.text("SELECT string_agg(DISTINCT state, ' ' ORDER BY state) FROM sli_history WHERE stage = 'embedding'"), "warning")
	require.Eventually(t, func() bool { return strings.Contains(reports(), `"state":"warning"`) }, 10*time.Second, 50*time.Millisecond)

	embedding = w.start("worker", "embedding")
	require.Eventually(t, func() bool {
		stdout, _, code := w.reos("freshness", "--tenant", tenantName, "--json")
		return code == exitOK && strings.Contains(stdout, `"state": "fresh"`)
	}, 30*time.Second, 100*time.Millisecond)
	embedding.stop()
	all.stop()
	require.Positive(t, w.number("SELECT coalesce(sum(n), 0) FROM searchable_times, unnest(buckets) AS n"), "written at the end")
	require.Equal(t, 1, w.number("SELECT count(*) FROM coverage WHERE tenant_id = $1", w.tenant), "it was measured")
}

// sliReports listens to what the tracker publishes.
func (w *world) sliReports() (all func() string, done func()) {
	w.t.Helper()
	channel, done := w.channel()
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	require.NoError(w.t, err)
	require.NoError(w.t, channel.QueueBind(queue.Name, w.tenant.String(), w.topology.SLI(), false, nil))
	messages, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	require.NoError(w.t, err)
	var text strings.Builder
	return func() string {
		for {
			select {
			case m, ok := <-messages:
				if !ok {
					return text.String()
				}
				text.Write(m.Body)
			default:
				return text.String()
			}
		}
	}, done
}

// heartbeat is one of a source of the world's tenant.
func (w *world) heartbeat(source, id, data string) {
	w.t.Helper()
	channel, done := w.channel()
	defer done()
	require.NoError(w.t, channel.PublishWithContext(context.Background(), w.topology.Intake(), w.tenant.String()+".reos.source.heartbeat.v1", true, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: []byte(data), Headers: amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": id, "cloudEvents:source": source,
			"cloudEvents:type": "reos.source.heartbeat.v1", "cloudEvents:tenantid": w.tenant.String(),
		},
	}))
}

// A source that has nothing to send says so, and its tenant stays fresh.
func TestHeartbeatKeepsAQuietTenantFresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ingestion := w.start("worker", "ingestion", "deadletters")
	const source = "mls/quiet"
	w.heartbeat(source, "1", `{"every_seconds": 600}`)
	w.heartbeat(source, "2", `{"every_seconds": "now and then"}`)
	require.Eventually(t, func() bool { return w.number("SELECT count(*) FROM sources") == 1 }, 30*time.Second, 50*time.Millisecond)
	r := w.freshness(exitOK, "--tenant", tenantName)
	require.Equal(t, "fresh", r.Tenants[0].State, r.Tenants[0].Reason)
	require.Equal(t, source, r.Tenants[0].Sources[0].Source)
	require.Eventually(t, func() bool {
		return w.number("SELECT count(*) FROM dead_letters WHERE error LIKE '%every_seconds%'") == 1
	}, 30*time.Second, 50*time.Millisecond)
	require.Zero(t, w.number("SELECT count(*) FROM progress WHERE outcome IS DISTINCT FROM 'dead'"), "a heartbeat has no row of its own")
	ingestion.stop()

	w.exec(w.admin, "UPDATE sources SET heartbeat_at = now() - interval '1 hour'")
	require.Equal(t, "unknown", w.freshness(exitOK, "--tenant", tenantName).Tenants[0].State)
}

func TestFreshnessTableAndThresholds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	table := w.ok("freshness", "--tenant", tenantName)
	for _, part := range []string{"nobody tracks freshness", "1 unknown", "TENANT", "acme", "no source has been heard of", "SOURCE", "indexing"} {
		require.Contains(t, table, part)
	}
	require.NotContains(t, table, "\x1b", "no colour where nobody looks")

	type line struct{ Name, Source, Late, Silence, By string }
	var set struct{ Thresholds []line }
	w.okJSON(&set, "freshness", "thresholds")
	require.Equal(t, []line{{Late: "2h0m0s"}}, set.Thresholds)
	w.ok("freshness", "thresholds", "--tenant", tenantName, "--late", "30m")
	w.ok("freshness", "thresholds", "--tenant", tenantName, "--source", "mls/nightly", "--late", "26h", "--warning", "30h", "--critical", "50h", "--silence", "25h")
	w.okJSON(&set, "freshness", "thresholds", "--tenant", tenantName)
	require.Len(t, set.Thresholds, 3)
	require.Equal(t, []string{"30m0s", ""}, []string{set.Thresholds[1].Late, set.Thresholds[1].Silence})
	require.Equal(t, []string{"mls/nightly", "26h0m0s", "25h0m0s"}, []string{set.Thresholds[2].Source, set.Thresholds[2].Late, set.Thresholds[2].Silence})
	require.Contains(t, w.ok("freshness", "thresholds"), "mls/nightly")
	require.Equal(t, 2, w.number("SELECT count(*) FROM audit WHERE action = 'freshness.thresholds'"))
	w.ok("freshness", "thresholds", "--tenant", tenantName, "--unset")

	for says, args := range map[string][]string{
		"--tenant is missing":               {"thresholds", "--late", "1h"},
		"a source is a tenant's":            {"thresholds", "--source", "x"},
		"--late must be more than 0s":       {"thresholds", "--tenant", tenantName, "--late", "0s"},
		"--warning must be more than late":  {"thresholds", "--tenant", tenantName, "--late", "9h"},
		"nothing is set":                    {"thresholds", "--tenant", tenantName, "--unset"},
		"no tenant":                         {"--tenant", "nobody"},
		"--state must be of":                {"--state", "stale"},
		"--limit must be 1 or more":         {"--limit", "0"},
		"--watch shows a table":             {"--watch", "--json"},
		"--every must be more than 0s, got": {"--watch", "--every", "0s"},
	} {
		_, stderr, code := w.reos(append([]string{"freshness"}, args...)...)
		require.Equal(t, exitInput, code, says)
		require.Contains(t, stderr, says)
	}
}

// Each row of a table of docs/metrics.md: | `name` | type | `label`, … | help |
var metricRow = regexp.MustCompile("(?m)^\\| `(reos_[a-z_]+)` \\| [a-z]+ \\| ?([^|]*?) ?\\| [^|]+ \\|$")

func TestMetricsPageIsAboutTheProgram(t *testing.T) {
	page, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	documented := map[string][]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		documented[row[1]] = append([]string{}, regexp.MustCompile("[a-z_]+").FindAllString(row[2], -1)...)
	}
	ours := map[string][]string{}
	for name, labels := range exported(t) {
		if strings.HasPrefix(name, "reos_") {
			ours[name] = append([]string{}, labels...)
		}
	}
	require.Equal(t, ours, documented)
}
