package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// runReport is what trigger, watch and show say of one tenant's part of a run.
type runReport struct {
	ID    string `json:"run_id"`
	State string
	Work  struct {
		Selected, Released, Ended, Dead, Skipped, Cancelled int
	}
}

type triggerReport struct {
	RunID    string `json:"run_id"`
	Selected int
	Tenants  []struct {
		LeftOut map[string]int `json:"left_out"`
		Sample  []struct {
			Key string `json:"record_key"`
		}
	}
	Runs []runReport
}

// trigger starts a run, and waits for its end where it is told to.
func (w *world) trigger(args ...string) triggerReport {
	w.t.Helper()
	var r triggerReport
	w.okJSON(&r, append([]string{"pipeline", "trigger", "--tenant", tenantName, "--why", "test"}, args...)...)
	return r
}

// requireEachOnce checks that every item of a run has ended, by one event that ended once.
func (w *world) requireEachOnce(run string, items int) {
	w.t.Helper()
	require.Equal(w.t, items, w.number("SELECT count(*) FROM run_items WHERE run_id = $1 AND state = 'ended' AND outcome = 'done'", run))
	require.Equal(w.t, items, w.number("SELECT count(*) FROM progress WHERE run_id = $1 AND finished_at IS NOT NULL", run))
	require.Equal(w.t, items, w.number(`SELECT count(DISTINCT record_key) FROM progress JOIN run_items i USING (tenant_id, event_uid, record_key)
		WHERE i.run_id = $1`, run))
	require.Equal(w.t, w.number("SELECT count(*) FROM progress WHERE finished_at IS NOT NULL"), w.number("SELECT sum(events)::int FROM endings"), "each ended once")
	require.Zero(w.t, w.number("SELECT count(*) FROM dead_letters"))
}

func TestARunFinishesEachRecordOnceThoughWorkersDie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "RECONCILE_INTERVAL=0")
	const stored, live = 2000, 300
	worker := w.start("worker", "all")
	w.ok("publish", homes(t, "h", stored, 1), "--tenant", tenantName)
	w.settled()
	require.Equal(t, stored, w.points())

	// Somebody deletes all points behind the pipeline's back.
	behind, _, _ := w.behind()
	var keys []string
	for i := range stored {
		keys = append(keys, fmt.Sprintf("h-%05d", i))
	}
	require.NoError(t, behind.Tenant(w.tenant).Delete(t.Context(), keys))
	require.Zero(t, w.points())
	var dry triggerReport
	w.okJSON(&dry, "pipeline", "trigger", "--tenant", tenantName, "--stage", "indexing", "--dry-run")
	require.Equal(t, stored, dry.Selected)
	require.Equal(t, "h-00000", dry.Tenants[0].Sample[0].Key)
	require.Empty(t, dry.RunID)

	run := w.trigger("--stage", "indexing", "--rate", "1500").RunID
	ended := func() int { return w.number("SELECT ended::int FROM runs WHERE id = $1", run) }
	require.Eventually(t, func() bool { return ended() > 100 }, time.Minute, 5*time.Millisecond)
	worker.kill()
	require.Less(t, ended(), stored)
	w.ok("publish", homes(t, "live", live, 1), "--tenant", tenantName)
	worker = w.start("worker", "all")
	require.Eventually(t, func() bool { return ended() > 800 }, time.Minute, 5*time.Millisecond)
	worker.kill()
	t.Logf("killed after about 100 and %d of %d", ended(), stored)
	worker = w.start("worker", "all")

	var watched struct{ Runs []runReport }
	w.okJSON(&watched, "runs", "watch", run)
	require.Equal(t, "done", watched.Runs[0].State)
	require.Equal(t, stored, watched.Runs[0].Work.Ended)
	w.settled()
	w.requireEachOnce(run, stored)
	require.Equal(t, stored+live, w.points())
	worker.stop()
}

func TestRecordsAreWorkedOnAgainFromEveryStage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "RECONCILE_INTERVAL=0")
	const stored, changed = 60, 20
	worker := w.start("worker", "all")
	w.ok("publish", homes(t, "h", stored, 1), "--tenant", tenantName)
	w.settled()

	// An expectation that was wrong had them quarantined.
	w.exec(w.admin, `UPDATE verdicts SET passed = false, failures = '[{}]', suite = 'property/0' WHERE record_key < 'h-00020'`)
	judged := w.trigger("--filter", "verdict=quarantined", "--wait")
	require.Equal(t, changed, judged.Selected)
	require.Equal(t, "done", judged.Runs[0].State)
	w.requireEachOnce(judged.RunID, changed)
	require.Zero(t, w.number("SELECT count(*) FROM verdicts WHERE NOT passed"))

	// Records were read wrongly, and are read again.
	before := w.text("SELECT md5(string_agg(doc::text || version_at || version_seq, ',' ORDER BY record_key)) FROM properties")
	w.exec(w.admin, `UPDATE properties SET doc = doc || '{"City": "Wrong"}' WHERE record_key < 'h-00020'`)
	read := w.trigger("--stage", "ingestion", "--filter", "City=Wrong", "--wait")
	require.Equal(t, changed, read.Selected)
	w.requireEachOnce(read.RunID, changed)
	require.Equal(t, before, w.text("SELECT md5(string_agg(doc::text || version_at || version_seq, ',' ORDER BY record_key)) FROM properties"))
	require.Equal(t, changed, w.number("SELECT count(*) FROM properties p JOIN run_items i USING (tenant_id, event_uid)"), "by the new events")

	embedded := w.trigger("--stage", "embedding", "--keys", "h-00000,h-00001", "--wait")
	w.requireEachOnce(embedded.RunID, 2)
	require.Equal(t, stored, w.points())

	// One that is cancelled ends, and says so.
	slow := w.trigger("--stage", "quality", "--rate", "1").RunID
	w.ok("runs", "pause", slow, "--why", "test")
	w.ok("runs", "resume", slow, "--why", "test")
	w.ok("runs", "cancel", slow, "--why", "test")
	_, stderr, code := w.reos("runs", "watch", slow)
	require.Equal(t, exitRunEndedBadly, code, stderr)
	require.Positive(t, w.number("SELECT count(*) FROM run_items WHERE run_id = $1 AND state = 'cancelled'", slow))
	var listed struct{ Runs []runReport }
	w.okJSON(&listed, "runs", "list", "--tenant", tenantName)
	require.Equal(t, []string{"cancelled", "done", "done", "done"}, []string{
		listed.Runs[0].State, listed.Runs[1].State, listed.Runs[2].State, listed.Runs[3].State,
	})
	require.Len(t, listed.Runs, 5, "and the feed")
	for _, of := range [][]string{{"--tenant", tenantName}, {}} {
		w.okJSON(&listed, append([]string{"runs", "list", "--kind", "rerun", "--state", "cancelled"}, of...)...)
		require.Len(t, listed.Runs, 1)
		require.Equal(t, slow, listed.Runs[0].ID)
	}
	_, stderr, code = w.reos("runs", "list", "--state", "asleep")
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr, `--state must be one of publishing, published, interrupted, failed, running, paused`)
	require.Contains(t, w.ok("runs", "show", slow, "--items", "cancelled"), "cancelled")
	var audited struct{ Entries []struct{ Subject string } }
	w.okJSON(&audited, "audit", "list", "--action", "run.cancel")
	require.Len(t, audited.Entries, 1)
	require.Equal(t, slow, audited.Entries[0].Subject)
	worker.stop()
}

func TestTriggerSaysWhatItMustBeGiven(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"no tenant":   {[]string{"--why", "x"}, "--all-tenants"},
		"no reason":   {[]string{"--tenant", "a"}, "--why is missing"},
		"a stage":     {[]string{"--tenant", "a", "--stage", "freshness", "--why", "x"}, "--stage must be"},
		"a type":      {[]string{"--tenant", "a", "--stage", "indexing", "--type", "lease", "--why", "x"}, "--type must be"},
		"a filter":    {[]string{"--tenant", "a", "--filter", "City", "--why", "x"}, "--filter must be"},
		"a verdict":   {[]string{"--tenant", "a", "--filter", "verdict=good", "--why", "x"}, "--filter must be"},
		"a moment":    {[]string{"--tenant", "a", "--until", "soon", "--why", "x"}, "--until"},
		"a canary":    {[]string{"--tenant", "a", "--canary", "5", "--why", "x"}, "--stop-above"},
		"a share":     {[]string{"--tenant", "a", "--stop-above", "110%", "--why", "x"}, "--stop-above"},
		"an order":    {[]string{"--tenant", "a", "--since", "1h", "--until", "2h", "--why", "x"}, "--until must be behind"},
		"an id":       {[]string{"--tenant", "a", "--run", "seven", "--why", "x"}, "UUID"},
		"a small one": {[]string{"--tenant", "a", "--rate", "-1", "--why", "x"}, "negative"},
	} {
		_, stderr, code := runReos(t, []string{"HOME=" + t.TempDir()}, append([]string{"pipeline", "trigger"}, test.args...)...)
		require.Equal(t, exitInput, code, name)
		require.Contains(t, stderr, test.says, name)
	}
}
