package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// press clicks what a selector finds, and waits for the page that it leads to.
func (b *browser) press(selector string) {
	b.t.Helper()
	b.awaitTrue(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
	value[bool](b, fmt.Sprintf(`window.before = true, document.querySelector(%q).click(), true`, selector))
	b.awaitTrue(`window.before !== true && document.readyState === "complete" && document.querySelector("main") !== null`)
}

// write puts a text into a field.
func (b *browser) write(selector, text string) {
	b.t.Helper()
	value[string](b, fmt.Sprintf(`document.querySelector(%q).value = %q`, selector, text))
}

// die lets homes of the tenant die at quality, all of the same cause, and mends it.
func (w *world) die(homes int) {
	w.t.Helper()
	w.exec(w.admin, `CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $poison$ BEGIN RAISE check_violation USING MESSAGE = 'no more than ' || clock_timestamp(); END $poison$`)
	w.exec(w.admin, `CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON verdicts FOR EACH ROW EXECUTE FUNCTION poison()`)
	w.backlog(w.tenant, homes)
	w.hurryRetries()
	w.start("worker", "all")
	w.awaitNumber(homes, "SELECT count(*) FROM dead_letters")
	w.exec(w.admin, "DROP TRIGGER poison ON verdicts")
}

// In a real browser: letters whose cause was mended are planned; a first replay is stopped by its button, a second one
// goes to its end, and the page shows how far it is without being loaded again. What is overtaken is discarded.
func TestAReplayIsPlannedAndStoppedInTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("BREAKER_SHARE=2", "REDRIVE_INTERVAL=500ms", "ISOLATION_PROBE_INTERVAL=0s")
	base := w.start("api").apiURL
	const homes, overtaken = 40, 2
	w.die(homes)
	publish := w.publisher(w.tenant)
	for i := range overtaken {
		publish(fmt.Sprintf("B-%05d", i), 1)
	}
	w.awaitNumber(overtaken, "SELECT count(*) FROM index_entries WHERE present")
	b := openBrowser(t)
	b.open(base + "/tenants/" + w.tenant.String() + "/dead-letters")
	b.signIn(strings.TrimSpace(w.ok("token", "--tenant", tenantName, "--role", "operator", "--subject", "ann@example.com")))
	b.press("tbody th a")
	group := value[string](b, `location.href`)
	b.press("#plan")
	b.press("form.form button")
	require.Contains(t, b.text("#w-why"), "Say what was mended", "what is wrong stands beside its field")
	b.inspect("replay-plan")

	plan := func(rate, canary string) {
		b.write("#p-why", "the constraint is gone since 1.4.1")
		b.write("#p-ticket", "OPS-7")
		b.write("#p-rate", rate)
		b.write("#p-canary", canary)
		b.press("form.form button")
		require.Contains(t, b.text(".verdict"), "planned", b.text("main"))
		require.Contains(t, b.text("#content"), "overtaken")
	}
	plan("2", "")
	b.inspect("replay-planned")
	require.Equal(t, homes, w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'"), "a plan does nothing")
	b.press("#act-begin")
	b.awaitTrue(`/[1-9][0-9]* released/.test(document.querySelector("main > dl").innerText)`)
	b.write("#why", "the wrong ones")
	b.press("#act-cancel")
	b.await(".verdict", "cancelled")
	b.await("main > p > .progress", "100 %")
	w.settled()
	left := w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'")
	require.Greater(t, left, overtaken, "most of them were not touched")
	require.Less(t, left, homes)

	b.open(group)
	b.press("#plan")
	plan("20", "5")
	b.press("#act-begin")
	value[bool](b, `window.loadedOnce = true`)
	b.await(".verdict", "done")
	b.await("main > p > .progress", "100 %")
	require.True(t, value[bool](b, `window.loadedOnce === true`), "all of that without loading the page again")
	b.inspect("replay-done")
	w.settled()
	require.Equal(t, overtaken, w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'"))
	require.Equal(t, homes, w.number("SELECT count(*) FROM index_entries WHERE present"))
	require.Equal(t, homes-overtaken, w.number("SELECT count(*) FROM audit WHERE action = 'deadletter.replay' AND actor = 'ann@example.com'"))
	require.Equal(t, 1, w.number("SELECT count(*) FROM audit WHERE action = 'run.cancel' AND actor = 'ann@example.com' AND why = 'the wrong ones'"))
	b.open(group)
	b.await("main > dl", fmt.Sprintf("%d replayed", homes-overtaken))
	require.Contains(t, b.text("section:last-of-type tbody"), "replayed")
	value[bool](b, `document.querySelector("#discard").open = true`)
	b.inspect("dead-letter-group-discard")
	b.write("#why", "newer versions are there")
	b.press("#discard button")
	b.await("main > dl", fmt.Sprintf("%d replayed, %d discarded", homes-overtaken, overtaken))
	require.Equal(t, overtaken, w.number("SELECT count(*) FROM dead_letters WHERE discarded_by = 'ann@example.com' AND discarded_why = 'newer versions are there'"))
	w.ok("audit", "verify")

	b.open(base + "/sign-in")
	b.signIn(strings.TrimSpace(w.ok("token", "--platform", "--role", "operator", "--subject", "ops@example.com")))
	b.open(base + "/runs/" + w.text("SELECT id FROM runs WHERE state = 'done' AND kind = 'replay'"))
	require.Contains(t, b.text("main"), "over 1 tenant")
	require.Contains(t, b.text("#planned"), "What was planned")
	b.inspect("replay-over-tenants")
	b.open(base + "/dead-letters/plan?kind=transient")
	require.Contains(t, b.text("h1"), "over all tenants")
	b.inspect("replay-plan-over-tenants")
}
