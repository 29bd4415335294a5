package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// In a real browser: an operator of the platform sees the runs of all tenants in one list, which shows how they go on without
// being loaded again, and narrows it; a tenant's operator sees its own.
func TestThePlansOfAllTenantsAreWatchedInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("BREAKER_SHARE=2", "REDRIVE_INTERVAL=500ms", "ISOLATION_PROBE_INTERVAL=0s", "REOS_ACTOR=ann@example.com")
	base := w.start("api").apiURL
	const homes = 40
	w.die(homes)
	second := w.createTenant("northwind")
	w.publisher(second)("N-1", 1)
	w.awaitIndexed(second, "N-1")
	w.publishFeed("spring-feed", 10)
	w.settled()
	both := w.triggerAll()
	w.awaitNumber(2, "SELECT count(*) FROM runs WHERE id = $1 AND state = 'done'", both)
	slow := w.trigger("--stage", "quality", "--rate", "2", "--why", "suite 8 knows condos").RunID
	w.awaitNumber(1, "SELECT count(*) FROM runs WHERE id = $1 AND ended > 2", slow)
	w.ok("runs", "pause", slow, "--why", "search is slow")
	replay := w.plan("--kind", "transient", "--rate", "10", "--ticket", "OPS-7").RunID

	b := openBrowser(t)
	b.open(base + "/runs")
	b.signIn(strings.TrimSpace(w.ok("token", "--platform", "--role", "operator", "--subject", "ops@example.com")))
	row := func(id string) string { return fmt.Sprintf("[data-key=%q]", id) }
	require.Contains(t, b.text("h1"), "of all tenants")
	require.Contains(t, b.text(row(replay)), "planned")
	require.Contains(t, b.text(row(replay)), tenantName)
	require.Contains(t, b.text(row(replay)), "mended (OPS-7) by ann@example.com")
	require.Contains(t, b.text(row(slow)), "paused")
	require.Contains(t, b.text(row(both)), "2 tenants")
	require.Contains(t, b.text(row(both)), "100")
	require.Contains(t, b.text(row(w.tenant.String()+"/spring-feed")), "done")
	b.inspect("runs-of-all")

	value[bool](b, `window.loadedOnce = true`)
	w.ok("dlq", "run", replay)
	b.await(row(replay), "running")
	b.await("#said", "run "+replay+": running")
	b.await(row(replay), "done")
	require.True(t, value[bool](b, `window.loadedOnce === true`), "all of that without loading the page again")

	value[string](b, `document.querySelector("#kind").value = "replay", document.querySelector("#state").value = "done"`)
	b.press("form.filter button")
	require.Contains(t, b.text("#runs tbody"), replay)
	require.NotContains(t, b.text("#runs tbody"), "spring-feed")
	require.NotContains(t, b.text("#runs tbody"), both)
	b.press(row(replay) + " th a")
	require.Contains(t, b.text(".verdict"), "done", "the list leads to the run's page")

	b.open(base + "/sign-in")
	b.signIn(strings.TrimSpace(w.ok("token", "--tenant", "northwind", "--role", "operator")))
	b.open(base + "/runs")
	require.Equal(t, "Runs", b.text("h1"), "of one tenant")
	require.Contains(t, b.text("#runs tbody"), both)
	require.NotContains(t, b.text("main"), "spring-feed")
	require.NotContains(t, b.text("main"), replay)
}

// triggerAll works on the records of all tenants again, and returns the run's id.
func (w *world) triggerAll() string {
	w.t.Helper()
	var started triggerReport
	w.okJSON(&started, "pipeline", "trigger", "--all-tenants", "--stage", "indexing", "--rate", "500", "--why", "Qdrant was restored from yesterday")
	return started.RunID
}
