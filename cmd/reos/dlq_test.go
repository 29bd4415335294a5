package main

import (
	"fmt"
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

// publishRaw publishes messages of the tenant to a topic, all of them confirmed.
func (w *world) publishRaw(exchange, routingKey string, n int, body func(i int) string) {
	w.t.Helper()
	channel, done := w.channel()
	defer done()
	require.NoError(w.t, channel.Confirm(false))
	var confirms []*amqp.DeferredConfirmation
	for i := range n {
		confirm, err := channel.PublishWithDeferredConfirm(exchange, routingKey, true, false, amqp.Publishing{
			ContentType: "application/json", DeliveryMode: amqp.Persistent, Body: []byte(body(i)),
			Headers: amqp.Table{
				"cloudEvents:specversion": "1.0", "cloudEvents:id": fmt.Sprintf("raw-%d", i), "cloudEvents:source": "raw",
				"cloudEvents:type": "reos.property.upserted.v1", "cloudEvents:tenantid": w.tenant.String(),
			},
		})
		require.NoError(w.t, err)
		confirms = append(confirms, confirm)
	}
	for _, confirm := range confirms {
		require.True(w.t, confirm.Wait())
	}
}

// early is a home whose source's clock is wrong.
func early(i int) string {
	return strings.Replace(fmt.Sprintf(goodHome, fmt.Sprintf("E-%05d", i)), "2026-01-31", "2126-01-31", 1)
}

func (w *world) intakeKey() string { return w.tenant.String() + ".reos.property.upserted.v1" }

// mend is the edit that puts the clock right.
func (w *world) mend() string {
	path := filepath.Join(w.t.TempDir(), "patch.json")
	patch := `[{"op":"replace","path":"/ModificationTimestamp","value":"2026-01-31T12:00:00Z"}]`
	require.NoError(w.t, os.WriteFile(path, []byte(patch), 0o600))
	return path
}

func (w *world) plan(args ...string) store.ReplayReport {
	w.t.Helper()
	var report store.ReplayReport
	w.okJSON(&report, append([]string{"dlq", "plan", "--why", "mended"}, args...)...)
	return report
}

func (w *world) awaitRun(id string, want store.RunState) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return w.text("SELECT state FROM runs WHERE id = $1", id) == string(want) && w.number("SELECT count(*) FROM runs WHERE id = $1 AND settled_at IS NOT NULL", id) == 1
	}, time.Minute, 20*time.Millisecond, "%s is not %s", id, want)
}

// A cause that is not mended: the canary tries, and nothing else is touched. Then it is mended.
func TestAReplayWhoseCauseIsNotMendedStopsAfterItsCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("BREAKER_SHARE=2", "REDRIVE_INTERVAL=500ms", "REOS_ACTOR=ann")
	const homes, canary = 40, 5
	w.exec(w.admin, `CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $poison$ BEGIN RAISE check_violation USING MESSAGE = 'no more than ' || clock_timestamp(); END $poison$`)
	w.exec(w.admin, `CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON verdicts FOR EACH ROW EXECUTE FUNCTION poison()`)
	w.backlog(w.tenant, homes)
	w.hurryRetries()
	workers := w.start("worker", "all")
	w.awaitNumber(homes, "SELECT count(*) FROM dead_letters")

	var listed struct{ Groups []store.LetterGroup }
	w.okJSON(&listed, "dlq", "groups")
	require.Len(t, listed.Groups, 1, "the same error, but for the time in it")
	group := listed.Groups[0]
	require.EqualValues(t, homes, group.Open)
	require.Contains(t, group.Sentence, fmt.Sprintf("%d events of 1 tenant since ", homes))
	require.Contains(t, group.Sentence, "all in quality")

	report := w.plan("--fingerprint", group.Fingerprint, "--canary", fmt.Sprint(canary), "--stop-above", "10%")
	require.EqualValues(t, homes, report.Selected)
	require.Equal(t, homes, w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'"), "a plan does nothing")
	w.ok("dlq", "run", report.RunID)
	w.awaitRun(report.RunID, store.RunStopped)
	require.NotEmpty(t, w.text("SELECT error FROM runs WHERE id = $1", report.RunID))
	w.settled()
	require.Equal(t, canary, w.number("SELECT count(*) FROM dead_letters WHERE state = 'replayed'"))
	require.Equal(t, homes, w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'"), "the canary died again")
	require.Equal(t, homes-canary, w.number("SELECT count(*) FROM run_items WHERE state = 'cancelled'"))
	require.Equal(t, homes+canary, w.number("SELECT count(*) FROM progress"))

	w.exec(w.admin, "DROP TRIGGER poison ON verdicts")
	again := w.plan("--fingerprint", group.Fingerprint, "--canary", fmt.Sprint(canary))
	require.EqualValues(t, homes, again.Selected)
	w.ok("dlq", "run", again.RunID)
	w.awaitRun(again.RunID, store.RunDone)
	w.settled()
	require.Equal(t, homes, w.number("SELECT count(*) FROM index_entries WHERE present"))
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters WHERE state = 'open'"))
	require.Equal(t, homes, w.number("SELECT count(*) FROM progress WHERE run_id = $1 AND outcome = 'done'", again.RunID))
	require.Equal(t, homes+canary, w.number("SELECT count(*) FROM audit WHERE action = 'deadletter.replay' AND actor = 'ann' AND why = 'mended'"))
	w.ok("audit", "verify")

	var shown letter
	w.okJSON(&shown, "dlq", "show", again.Sample[0].Letter.String())
	require.Equal(t, store.LetterReplayed, shown.State)
	require.Equal(t, events.Done, shown.Replay.Outcome)
	require.Len(t, shown.FailedTimes, len(w.topology.RetryDelays)+1)
	require.NotEmpty(t, shown.WorkerVersion)
	workers.stop()
}

func TestLettersOfAnotherQueueAreBroughtHere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const letters = 30
	queue := "legacy-" + w.topology.Namespace
	channel, done := w.channel()
	defer done()
	_, err := channel.QueueDeclare(queue, true, false, false, false, amqp.Table{"x-max-length": 1000}) // a classic one, not as ours
	require.NoError(t, err)
	t.Cleanup(func() {
		channel, done := w.channel()
		defer done()
		_, err := channel.QueueDelete(queue, false, false, false)
		require.NoError(t, err)
	})
	w.publishRaw("", queue, letters, func(i int) string { return fmt.Sprintf(goodHome, fmt.Sprintf("L-%d", i)) })

	for _, wrong := range []string{w.topology.DeadLetterQueue(), "no-such-queue"} {
		_, stderr, code := w.reos("dlq", "import", "--queue", wrong)
		require.Equal(t, exitInput, code, stderr)
	}
	var brought struct {
		Letters int `json:"dead_letters"`
	}
	w.okJSON(&brought, "dlq", "import", "--queue", queue, "--tenant", tenantName, "--why", "the old consumer is gone")
	require.Equal(t, letters, brought.Letters)
	state, err := channel.QueueDeclarePassive(queue, true, false, false, false, nil)
	require.NoError(t, err)
	require.Zero(t, state.Messages)
	require.Equal(t, letters, w.number("SELECT count(*) FROM dead_letters WHERE reason = 'imported' AND tenant_id = $1", w.tenant))

	exported := filepath.Join(t.TempDir(), "letters.ndjson")
	w.ok("dlq", "export", "--reason", "imported", "-o", exported)
	content, err := os.ReadFile(exported)
	require.NoError(t, err)
	require.Equal(t, letters, strings.Count(string(content), "\n"))
	w.start("worker", "all")
	report := w.plan("--reason", "imported", "--payload", "ListingKey=L-7")
	require.EqualValues(t, 1, report.Selected)
	rest := w.plan("--reason", "imported")
	w.ok("dlq", "run", rest.RunID)
	w.awaitRun(rest.RunID, store.RunDone)
	w.settled()
	require.Equal(t, letters, w.number("SELECT count(*) FROM index_entries WHERE present"))
}

func TestManyLettersAreDiscardedByTwo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("BREAKER_SHARE=2", "DLQ_DISCARD_LIMIT=5", "REOS_ACTOR=ann")
	w.start("worker", "ingestion", "deadletters")
	w.publishRaw(w.topology.Intake(), w.intakeKey(), 10, early)
	w.awaitNumber(10, "SELECT count(*) FROM dead_letters")
	discard := func(args ...string) (string, int) {
		_, stderr, code := w.reos(append([]string{"dlq", "discard", "--why", "test data", "--tenant", tenantName}, args...)...)
		return stderr, code
	}
	token := func(subject, tenant string, roles string) string {
		var minted struct{ Token string }
		w.okJSON(&minted, "token", "--tenant", tenant, "--role", roles, "--subject", subject)
		return minted.Token
	}
	w.createTenant("other")
	for name, args := range map[string][]string{
		"nobody":            nil,
		"no token":          {"--second-token", "x"},
		"the same person":   {"--second-token", token("ann", tenantName, "operator")},
		"another role":      {"--second-token", token("bob", tenantName, "reader")},
		"of another tenant": {"--second-token", token("bob", "other", "operator")},
	} {
		stderr, code := discard(args...)
		require.Equal(t, exitInput, code, name)
		require.Contains(t, stderr, "--second-token", name)
	}
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters WHERE state = 'discarded'"))
	stderr, code := discard("--second-token", token("bob", tenantName, "operator"))
	require.Equal(t, exitOK, code, stderr)
	require.Equal(t, 10, w.number("SELECT count(*) FROM dead_letters WHERE state = 'discarded' AND discarded_by = 'ann'"))
	require.Equal(t, 1, w.number("SELECT count(*) FROM audit WHERE action = 'deadletters.discard' AND details ->> 'second' = 'bob'"))
	require.Equal(t, 10, w.number("SELECT count(*) FROM audit WHERE action = 'deadletter.discard'"))
}

func TestUnroutableMessagesAreReplayedOnceTheirTenantExists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("REDRIVE_INTERVAL=500ms")
	const letters = 20
	later := uuid.NewString()
	w.start("worker", "all")
	channel, done := w.channel()
	defer done()
	require.NoError(t, channel.Confirm(false))
	for i := range letters {
		confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), later+".reos.property.upserted.v1", true, false, amqp.Publishing{
			ContentType: "application/cloudevents+json", DeliveryMode: amqp.Persistent,
			Body: fmt.Appendf(nil, `{"specversion":"1.0","id":"later-%d","source":"raw","type":"reos.property.upserted.v1","tenantid":%q,"data":%s}`,
				i, later, fmt.Sprintf(goodHome, fmt.Sprintf("U-%d", i))),
		})
		require.NoError(t, err)
		require.True(t, confirm.Wait())
	}
	w.awaitNumber(letters, "SELECT count(*) FROM dead_letters WHERE reason = 'tenant_unknown'")
	_, stderr, code := w.reos("dlq", "plan", "--why", "too early")
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr, "20 no_tenant")

	w.ok("tenant", "create", "later", "--id", later)
	report := w.plan("--reason", "tenant_unknown")
	require.EqualValues(t, letters, report.Selected)
	w.ok("dlq", "run", report.RunID)
	w.awaitRun(report.RunID, store.RunDone)
	w.settled()
	require.Equal(t, letters, w.number("SELECT count(*) FROM index_entries WHERE present AND tenant_id = $1", later))
	require.Equal(t, letters, w.number("SELECT count(*) FROM progress WHERE tenant_id = $1 AND run_id = $2", later, report.RunID))
}
