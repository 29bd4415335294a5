package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/compose"
	"github.com/codybias9/real-estate-os/events"
)

// alertPatience bounds each wait of the alert test.
const alertPatience = 90 * time.Second

// Any one worker of the pipeline stops: Prometheus and Alertmanager, on the rules and routes of the stack, tell of its stage
// and of the tenant whose data are late, of nothing else, and of the end.
func TestAStoppedWorkerAlertsByStageAndTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calm := w.createTenant("calm")
	admins := map[events.Stage]string{}
	running := map[events.Stage]*process{}
	start := func(stage events.Stage) {
		running[stage] = startReos(t, w.with("ADMIN_ADDR="+admins[stage], "FRESHNESS_INTERVAL=500ms", "RECONCILE_INTERVAL=0s", "ISOLATION_PROBE_INTERVAL=0s"),
			"worker", string(stage))
	}
	workers := []string{}
	for _, stage := range events.Stages {
		admins[stage] = freeAddress(t)
		workers = append(workers, admins[stage])
		start(stage)
	}
	api := freeAddress(t)
	startReos(t, w.with("ADMIN_ADDR="+api), "api")
	told := newReceiver(t)
	m := startMonitoring(t, told, map[string][]string{"reos": workers, "reos-api": {api}})

	publishAcme, publishCalm := w.publisher(w.tenant), w.publisher(calm)
	publishAcme("A-1", 1)
	publishCalm("C-1", 1)
	w.awaitIndexed(w.tenant, "A-1")
	w.awaitIndexed(calm, "C-1")
	m.awaitTargets(len(workers) + 1)
	calmed := func() {
		t.Helper()
		require.Eventually(t, func() bool { return len(m.firing()) == 0 }, alertPatience, 50*time.Millisecond, "all is well")
		told.forget()
	}
	calmed()
	w.exec(w.admin, fmt.Sprintf(`INSERT INTO freshness_thresholds (tenant_id, source, late, warning, critical, set_by)
		VALUES ('%s', '', '5s', '6s', '7s', 'test')`, w.tenant))

	// A source that promised signs of life, and is silent since ingestion stands still, is late by that.
	w.heartbeat("live", "beat", `{"every_seconds": 4}`)
	require.Eventually(t, func() bool { return w.number("SELECT count(*) FROM sources WHERE heartbeat_at IS NOT NULL") == 1 }, alertPatience, 10*time.Millisecond)
	for n, stage := range events.Pausable {
		running[stage].stop()
		key := fmt.Sprintf("A-%d", n+2)
		publishAcme(key, 1)
		require.Eventually(t, func() bool {
			return told.of("LaneStuck", "firing") != nil && told.of("FreshnessLate", "firing") != nil
		}, alertPatience, 50*time.Millisecond, "%s: %v", stage, told)
		for _, alert := range told.all() {
			require.Contains(t, []string{"LaneStuck", "FreshnessLate"}, alert.Labels["alertname"], "nothing else: %v", alert)
			require.Equal(t, string(stage), alert.Labels["stage"], "%v", alert)
			require.NotContains(t, fmt.Sprint(alert), calm.String(), "its work is done")
		}
		late, stuck := told.of("FreshnessLate", "firing"), told.of("LaneStuck", "firing")
		require.Equal(t, w.tenant.String(), late.Labels["tenant"])
		require.Contains(t, late.Annotations["summary"], tenantName+": unfinished work at stage "+string(stage)+" is ")
		whose := w.tenant.String() + " (1)"
		if stage == events.Ingestion {
			whose = "none is known" // what is not accepted is in the broker, which does not count by tenant
		}
		require.Contains(t, stuck.Annotations["description"], whose)
		for _, alert := range m.firing() {
			require.Equal(t, string(stage), alert.Labels["stage"], "nothing else fires, told or not: %v", alert)
		}

		start(stage)
		w.awaitIndexed(w.tenant, key)
		require.Eventually(t, func() bool {
			return told.of("LaneStuck", "resolved") != nil && told.of("FreshnessLate", "resolved") != nil
		}, alertPatience, 50*time.Millisecond, "%s: %v", stage, told)
		require.Eventually(t, func() bool { return strings.Contains(told.slack(), "resolved: LaneStuck at "+string(stage)) },
			alertPatience, 50*time.Millisecond, "Slack hears of the end, too")
		require.Contains(t, told.slack(), "critical: LaneStuck at "+string(stage))
		require.Contains(t, told.slack(), "docs/runbooks/lane-stuck.md")
		calmed()
	}

	// The stages beside: nobody's data are late by them, and what they do not do shows all the same.
	running[events.Freshness].stop()
	require.Eventually(t, func() bool { return told.of("TrackerAbsent", "firing") != nil }, alertPatience, 50*time.Millisecond, "%v", told)
	for _, alert := range told.all() {
		require.Equal(t, "TrackerAbsent", alert.Labels["alertname"], "nothing else: %v", alert)
	}
	start(events.Freshness)
	require.Eventually(t, func() bool { return told.of("TrackerAbsent", "resolved") != nil }, alertPatience, 50*time.Millisecond, "%v", told)
	calmed()

	// What fails meanwhile has a tenant only when it is kept; the alert says so.
	running[events.DeadLetters].stop()
	w.publishBroken(1)
	require.Eventually(t, func() bool { return told.of("LaneStuck", "firing") != nil }, alertPatience, 50*time.Millisecond, "%v", told)
	for _, alert := range slices.Concat(told.all(), m.firing()) {
		require.Equal(t, "LaneStuck", alert.Labels["alertname"], "nothing else, told or not: %v", alert)
		require.Equal(t, string(events.DeadLetters), alert.Labels["stage"])
		require.Contains(t, alert.Annotations["description"], "Whose it is shows when it is kept")
	}
	start(events.DeadLetters)
	w.awaitNumber(1, "SELECT count(*) FROM dead_letters WHERE tenant_id = $1", w.tenant)
	require.Eventually(t, func() bool { return told.of("LaneStuck", "resolved") != nil }, alertPatience, 50*time.Millisecond, "%v", told)
	require.Contains(t, told.slack(), "critical: LaneStuck at "+string(events.DeadLetters))
	calmed()
	m.requireQueries()
}

// firingAlert is an alert as Prometheus lists it, and as Alertmanager tells of it.
type firingAlert struct {
	Status, State       string // of Alertmanager; of Prometheus
	StartsAt            time.Time
	Labels, Annotations map[string]string
}

// firing lists what fires just now.
func (m *monitoring) firing() []firingAlert {
	m.t.Helper()
	var answer struct {
		Data struct{ Alerts []firingAlert }
	}
	m.ask("/api/v1/alerts", &answer)
	return slices.DeleteFunc(answer.Data.Alerts, func(a firingAlert) bool { return a.State != "firing" })
}

// awaitTargets waits until each of so many processes has been scraped and the rules have been evaluated.
func (m *monitoring) awaitTargets(processes int) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		var targets struct {
			Data struct{ ActiveTargets []struct{ Health string } }
		}
		var recorded struct{ Data struct{ Result []any } }
		m.ask("/api/v1/targets", &targets)
		m.ask("/api/v1/query?query=reos:queue_messages:max", &recorded)
		for _, target := range targets.Data.ActiveTargets {
			if target.Health != "up" {
				return false
			}
		}
		return len(targets.Data.ActiveTargets) == processes && len(recorded.Data.Result) > 0
	}, alertPatience, 50*time.Millisecond)
}

// requireQueries runs every query of the dashboards, and looks at every rule: some mistakes show only on data.
func (m *monitoring) requireQueries() {
	m.t.Helper()
	queries, err := compose.Queries()
	require.NoError(m.t, err)
	empty := 0
	for _, query := range queries {
		var answer struct {
			Status, Error string
			Data          struct{ Result []any }
		}
		m.ask("/api/v1/query?query="+url.QueryEscape(query.Expr), &answer)
		require.Equal(m.t, "success", answer.Status, "%s, %s: %s\n%s", query.Dashboard, query.Panel, answer.Error, query.Expr)
		if len(answer.Data.Result) == 0 {
			empty++
		}
	}
	require.Less(m.t, empty, len(queries)/2, "most panels show something")
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	m.ask("/api/v1/rules", &answer)
	require.NotEmpty(m.t, answer.Data.Groups)
	for _, group := range answer.Data.Groups {
		for _, rule := range group.Rules {
			require.NotEqual(m.t, "err", rule.Health, "%s: %s", rule.Name, rule.LastError)
		}
	}
}

func (m *monitoring) ask(path string, into any) {
	m.t.Helper()
	response, err := http.Get(m.prometheus + path)
	require.NoError(m.t, err)
	defer response.Body.Close()
	require.NoError(m.t, json.NewDecoder(response.Body).Decode(into))
}
