package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// In a real browser: somebody signs in, an event comes, and the page shows it without being loaded again; embedding stops,
// and the page names the stage; it comes back, and all is well.
func TestTheConsoleShowsWhatHappensAsItHappens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "FRESHNESS_INTERVAL=500ms", "RECONCILE_INTERVAL=0s", "ISOLATION_PROBE_INTERVAL=0s")
	base := w.start("api").apiURL
	w.start("worker", "ingestion", "quality", "indexing", "freshness", "deadletters")
	embedding := w.start("worker", "embedding")
	publish := w.publisher(w.tenant)
	w.exec(w.admin, fmt.Sprintf(`INSERT INTO freshness_thresholds (tenant_id, source, late, warning, critical, silence, set_by)
		VALUES ('%s', '', '2s', '4s', '1h', '1h', 'test')`, w.tenant))
	b := openBrowser(t)

	page := base + "/tenants/" + w.tenant.String()
	b.open(page)
	require.Equal(t, "Sign in", b.text("h1"), "nobody sees anything without a token")
	b.signIn("no token")
	require.Contains(t, b.text("#why"), "not a JSON Web Token")
	b.signIn(strings.TrimSpace(w.ok("token", "--tenant", tenantName, "--role", "reader")))
	require.Equal(t, tenantName, b.text("h1"), "signing in leads to where one wanted to go")
	value[bool](b, `window.loadedOnce = true`)
	require.Contains(t, b.text(".verdict"), "unknown")

	publish("HOME-1", 1)
	b.await(".verdict", "fresh")
	b.await("[data-key=live]", "fresh")
	b.await("[data-key=indexing] dl", "passed, 1 h 1")
	require.Contains(t, b.text("#said"), tenantName+": fresh", "a screen reader hears of it")

	embedding.stop()
	value[string](b, `document.querySelector("#q").focus(), document.querySelector("#q").value = "HOME-"`)
	publish("HOME-2", 1)
	b.await(".verdict", "warning")
	require.Contains(t, b.text(".verdict"), "1 event of live waits at embedding")
	require.Contains(t, b.text("[data-key=embedding]"), "warning")
	require.Contains(t, b.text("[data-key=quality]"), "fresh", "no other stage is to blame")
	require.Contains(t, b.text("[data-key=indexing]"), "fresh")
	require.Equal(t, "HOME-", value[string](b, `document.activeElement.value`), "focus and what was typed stay")

	w.start("worker", "embedding")
	b.await(".verdict", "fresh")
	require.True(t, value[bool](b, `window.loadedOnce === true`), "all of that without loading the page again")
}

// Every page of the console is inspected, with something on it, in every view; with REOS_SCREENSHOTS set its pictures go to
// docs/console.
func TestEverybodyCanUseTheConsole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "FRESHNESS_INTERVAL=500ms", "RECONCILE_INTERVAL=0s", "ISOLATION_PROBE_INTERVAL=0s", "REOS_ACTOR=ann@example.com")
	base := w.start("api").apiURL
	w.start("worker", "ingestion", "quality", "indexing", "freshness", "deadletters")
	embedding := w.start("worker", "embedding")
	w.furnish()
	embedding.stop()
	w.neglect()
	b := openBrowser(t)
	b.open(base + "/")
	b.inspect("sign-in")
	b.signIn(strings.TrimSpace(w.ok("token", "--platform", "--role", "operator", "--subject", "ops@example.com")))
	b.await("#tenants", "critical")
	tenant := base + "/tenants/" + w.tenant.String()
	text := func(query string) string { return url.PathEscape(w.text(query, w.tenant)) }
	for _, one := range []struct{ name, path, says string }{
		{"overview", "/", tenantName},
		{"overview-filtered", "/?state=fresh&name=no+such", "No tenant is like that"},
		{"tenant", tenant, "embedding"},
		{"event", tenant + "/events/" + text(`SELECT event_uid::text FROM progress WHERE tenant_id = $1 AND outcome = 'done' LIMIT 1`), "searchable"},
		{"event-quarantined", tenant + "/events/" + text(`SELECT event_uid::text FROM progress WHERE tenant_id = $1 AND outcome = 'quarantined' LIMIT 1`), "Failed expectations"},
		{"event-waiting", tenant + "/events/" + text(`SELECT event_uid::text FROM progress WHERE tenant_id = $1 AND stage = 'embedding' LIMIT 1`), "waits"},
		{"record", tenant + "/records/property/" + text(`SELECT record_key FROM verdicts WHERE tenant_id = $1 AND NOT passed LIMIT 1`), "quarantined"},
		{"runs", tenant + "/runs", "spring-feed"},
		{"runs-narrowed", tenant + "/runs?kind=feed&state=failed", "No run is like that"},
		{"run", tenant + "/runs/spring-feed", "Where its events are"},
		{"dead-letters", tenant + "/dead-letters", "envelope invalid"},
		{"dead-letters-of-all", "/dead-letters", "of all tenants"},
		{"dead-letter-group", tenant + "/dead-letters/groups/" + text(`SELECT fingerprint FROM dead_letters WHERE tenant_id = $1 AND event_id <> 'evt-2999' LIMIT 1`), "When they died"},
		{"dead-letter", tenant + "/dead-letters/" + text(`SELECT id::text FROM dead_letters WHERE tenant_id = $1 AND event_id = 'evt-2999'`), "••••••"},
		{"found-nothing", tenant + "/find?q=no+such", "Nothing found"},
		{"error", base + "/no/such/page", "There is no such page"},
	} {
		at := one.path
		if strings.HasPrefix(at, "/") {
			at = base + at
		}
		b.open(at)
		require.Contains(t, b.text("main"), one.says, one.name)
		html := value[string](b, `document.documentElement.outerHTML`)
		require.NotContains(t, html, apiSecret, "secrets are masked")
		require.NotContains(t, html, "ZgotmplZ", "templates let everything through")
		b.inspect(one.name)
	}
	b.withoutScripts()
	b.open(tenant)
	require.Contains(t, b.text("[data-key=embedding]"), "critical", "a page says everything without a script")
	require.Contains(t, b.text(".asof"), "reload the page to see what has changed")
}

// furnish gives the world's tenant something of everything, and neighbours.
func (w *world) furnish() {
	w.t.Helper()
	for _, name := range []string{"northwind", "contoso", "fabrikam", "blue-harbor", "cedar-and-co", "summit-homes"} {
		id := w.createTenant(name)
		w.publisher(id)("HOME-1", 1)
		w.awaitIndexed(id, "HOME-1")
		w.remember(id, store.Fresh)
	}
	w.createTenant("brand-new")
	w.publishFeed("spring-feed", 40)
	w.publishFeed("summer-feed", 12)
	w.publishBroken(3)
	w.publishUnreadable()
	w.ok("pipeline", "pause", "--tenant", "contoso", "--stage", "embedding", "--why", "prices came in cents")
	w.remember(w.tenant, store.Late)
	require.Eventually(w.t, func() bool { return w.number(`SELECT count(*) FROM progress WHERE finished_at IS NULL`) == 0 }, time.Minute, 50*time.Millisecond)
}

// publishFeed publishes homes as a run, each fifth with a fault, and a line that is no record.
func (w *world) publishFeed(run string, homes int) {
	w.t.Helper()
	faults := []*strings.Replacer{
		strings.NewReplacer(`"YearBuilt":1987`, `"YearBuilt":1492`), strings.NewReplacer(`"ListPrice":450000`, `"ListPrice":0`),
		strings.NewReplacer(`"ListPrice":450000`, `"ListPrice":0`, `"Latitude":47.68`, `"Latitude":147.68`),
	}
	var lines strings.Builder
	for n := range homes {
		line := strings.ReplaceAll(fmt.Sprintf(goodHome, fmt.Sprintf("%s-%03d", run, n)), "\n", "")
		if n%5 == 0 {
			line = faults[n/5%len(faults)].Replace(line)
		}
		lines.WriteString(line + "\n")
	}
	lines.WriteString(`{"City":"Kirkland"}` + "\n")
	file := filepath.Join(w.t.TempDir(), "homes.ndjson")
	require.NoError(w.t, os.WriteFile(file, []byte(lines.String()), 0o600))
	_, stderr, code := w.reos("publish", file, "--tenant", tenantName, "--run", run, "--source", "mls/northwest")
	require.Contains(w.t, []int{exitOK, exitInput}, code, stderr)
}

// publishUnreadable publishes an event whose version lies ahead, with what should not be shown.
func (w *world) publishUnreadable() {
	channel, done := w.channel()
	defer done()
	require.NoError(w.t, channel.Confirm(false))
	confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), w.tenant.String()+".reos.property.upserted.v1", true, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, Headers: amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": "evt-2999", "cloudEvents:source": "mls/northwest", "cloudEvents:subject": "HOME-2999",
			"cloudEvents:type": "reos.property.upserted.v1", "cloudEvents:tenantid": w.tenant.String(), "x-api-key": apiSecret,
		},
		Body: []byte(`{"ListingKey":"HOME-2999","ModificationTimestamp":"2999-01-31T12:00:00Z","ListPrice":450000.00,"PublicRemarks":"Lake <view>",` +
			`"Agent":{"Name":"Ann","ApiToken":"` + apiSecret + `"}}`),
	})
	require.NoError(w.t, err)
	require.True(w.t, confirm.Wait())
	w.awaitNumber(1, `SELECT count(*) FROM dead_letters WHERE event_id = 'evt-2999'`)
}

// remember gives a tenant a past: a day of history, with some hours in another state.
func (w *world) remember(tenant uuid.UUID, state store.FreshnessState) {
	w.t.Helper()
	w.exec(w.admin, fmt.Sprintf(`INSERT INTO sli_history (tenant_id, at, stage, waiting, done, stale, quarantined, dead, state)
		SELECT '%s', now() - n * interval '30 minutes', 'indexing', 0, 48 - n, 0, 0, 0, CASE WHEN n BETWEEN 17 AND 23 THEN '%s' ELSE 'fresh' END
		FROM generate_series(1, 48) AS n`, tenant, state))
}

// neglect lets work wait at embedding, for long.
func (w *world) neglect() {
	w.t.Helper()
	publish := w.publisher(w.tenant)
	for n := range 5 {
		publish(fmt.Sprintf("LATE-%d", n), 1)
	}
	w.awaitNumber(5, `SELECT count(*) FROM progress WHERE tenant_id = $1 AND stage = $2`, w.tenant, string(events.Embedding))
	w.exec(w.admin, `UPDATE progress SET accepted_at = accepted_at - interval '9 hours', occurred_at = occurred_at - interval '9 hours'
		WHERE stage = 'embedding' AND finished_at IS NULL`)
}
