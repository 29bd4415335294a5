package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// homes writes a feed of homes: each version of all of them after the version before.
func homes(t *testing.T, prefix string, n, versions int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "homes.ndjson")
	file, err := os.Create(path)
	require.NoError(t, err)
	lines := bufio.NewWriter(file)
	for version := range versions {
		for i := range n {
			line := strings.ReplaceAll(fmt.Sprintf(goodHome, fmt.Sprintf("%s-%05d", prefix, i)), "\n", " ")
			line = strings.Replace(line, "T12:00:00Z", fmt.Sprintf("T12:00:%02dZ", version), 1)
			line = strings.Replace(line, "450000", fmt.Sprint(450_000+1000*version+i), 1)
			fmt.Fprintln(lines, line)
		}
	}
	require.NoError(t, lines.Flush())
	require.NoError(t, file.Close())
	return path
}

// purge empties every queue of the namespace, as a broker does that loses its disk, and counts the messages.
func (w *world) purge() (messages int) {
	w.t.Helper()
	channel, done := w.channel()
	defer done()
	for _, queue := range w.topology.Queues() {
		n, err := channel.QueuePurge(queue.Name, false)
		require.NoError(w.t, err)
		messages += n
	}
	return messages
}

func (w *world) awaitNumber(want int, query string, arguments ...any) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.number(query, arguments...) == want }, 2*time.Minute, 50*time.Millisecond,
		"%s is not %d", query, want)
}

// requireWhole checks that what was accepted has come to its end, once, and that the stores agree.
func (w *world) requireWhole() {
	w.t.Helper()
	require.Zero(w.t, w.number("SELECT count(*) FROM progress WHERE finished_at IS NULL"), "unfinished")
	require.Zero(w.t, w.number("SELECT count(*) FROM dead_letters"), "dead")
	require.Equal(w.t, w.number("SELECT count(*) FROM progress"), w.number("SELECT sum(events)::int FROM endings"), "each ended once")
	require.Equal(w.t, w.number("SELECT count(*) FROM progress"), w.number(keptRaw))
	require.Zero(w.t, w.number(`SELECT count(*) FROM properties p LEFT JOIN index_entries i USING (tenant_id, record_key)
		WHERE (p.version_at, p.version_seq) IS DISTINCT FROM (i.version_at, i.version_seq)`), "not indexed at the newest version")
	require.Equal(w.t, w.number("SELECT count(*) FROM index_entries WHERE present AND tenant_id = $1", w.tenant), w.points())
}

// metric reads one of the process's metrics, named with its labels; 0 where it is absent.
func (p *process) metric(name string) (value float64) {
	p.t.Helper()
	response, err := http.Get(p.adminURL() + "/metrics")
	require.NoError(p.t, err)
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			_, err := fmt.Sscan(rest, &value)
			require.NoError(p.t, err)
		}
	}
	return value
}

func (p *process) awaitMetric(name string, enough func(value float64) bool) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return enough(p.metric(name)) }, time.Minute, 50*time.Millisecond, "%s of reos %s", name, p.name)
}

// adminURL is where the process said that it serves.
func (p *process) adminURL() string {
	_, rest, _ := strings.Cut(p.logged(), `"admin":"`)
	admin, _, _ := strings.Cut(rest, `"`)
	return admin
}

func TestInvariant6WhatIsAcceptedFinishesThoughTheBrokerForgetsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "REDRIVE_AFTER=3s", "REDRIVE_INTERVAL=500ms", "RECONCILE_INTERVAL=0")
	const first, versions, second = 2000, 2, 1000

	// A worker dies in the middle, and the broker forgets everything that it had not finished.
	ingestion := w.start("worker", "ingestion")
	w.ok("publish", homes(t, "first", first, versions), "--tenant", tenantName)
	w.awaitNumber(first*versions, "SELECT count(*) FROM progress")
	quality := w.start("worker", "quality")
	require.Eventually(t, func() bool { return w.number("SELECT count(*) FROM verdicts") > 200 }, time.Minute, time.Millisecond)
	quality.kill()
	ingestion.stop()
	require.Positive(t, w.purge())
	unfinished := w.number("SELECT count(*) FROM progress WHERE finished_at IS NULL")
	require.Positive(t, unfinished)
	t.Logf("%d events accepted and forgotten by the broker", unfinished)

	all := w.start("worker", "all")
	w.awaitNumber(0, "SELECT count(*) FROM progress WHERE finished_at IS NULL")
	require.Equal(t, first, w.points())
	w.requireWhole()
	require.Contains(t, all.logged(), "unfinished events driven again")

	// It forgets what waits, while workers have a part in hand and go on with it.
	all.stop()
	w.env = append(w.env, "RABBITMQ_PREFETCH=10", "WORKER_BATCH_SIZE=20")
	ingestion = w.start("worker", "ingestion")
	rest := w.start("worker", "quality", "embedding", "indexing", "freshness", "deadletters")
	require.NoError(t, rest.cmd.Process.Signal(syscall.SIGSTOP))
	w.ok("publish", homes(t, "second", second, 1), "--tenant", tenantName)
	w.awaitNumber(first*versions+second, "SELECT count(*) FROM progress")
	ingestion.stop()
	before := w.number("SELECT sum(redrives)::int FROM progress")
	require.Positive(t, w.purge())
	require.NoError(t, rest.cmd.Process.Signal(syscall.SIGCONT))
	w.awaitNumber(0, "SELECT count(*) FROM progress WHERE finished_at IS NULL")
	again := w.number("SELECT sum(redrives)::int FROM progress") - before
	require.Positive(t, again)
	t.Logf("%d of %d events driven again", again, second)
	w.settled()
	w.requireWhole()
	require.Equal(t, first+second, w.points())
	rest.stop()
}

func TestABacklogIsNotDrivenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "REDRIVE_AFTER=1s", "REDRIVE_INTERVAL=200ms", "RECONCILE_INTERVAL=0")
	const backlog = 300
	accepting := w.start("worker", "ingestion")
	watching := w.start("worker", "freshness", "deadletters")
	w.ok("publish", homes(t, "h", backlog, 1), "--tenant", tenantName)
	w.awaitNumber(backlog, "SELECT count(*) FROM progress WHERE accepted_at < now() - interval '1 second'")
	from := float64(time.Now().UnixMicro()) / 1e6
	const looked = "reos_redrive_run_timestamp_seconds"
	watching.awaitMetric(looked, func(at float64) bool { return at > from+1 })
	require.Zero(t, w.number("SELECT count(*) FROM progress WHERE redriven_at IS NOT NULL"), "messages wait in the queue")

	w.purge()
	w.awaitNumber(backlog, "SELECT count(*) FROM progress WHERE redriven_at IS NOT NULL")
	watching.awaitMetric(`reos_redriven_events_total{stage="quality"}`, func(n float64) bool { return n >= backlog })
	from = float64(time.Now().UnixMicro()) / 1e6
	watching.awaitMetric(looked, func(at float64) bool { return at > from+3 })
	require.Equal(t, backlog, w.number("SELECT sum(redrives)::int FROM progress"), "once they wait in a queue, they are left there")

	rest := w.start("worker", "quality", "embedding", "indexing")
	w.settled()
	w.requireWhole()
	require.Equal(t, backlog, w.points())
	for _, p := range []*process{accepting, watching, rest} {
		p.stop()
	}
}

func TestAnotherProcessDrivesWhenTheLeaderDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = append(w.env, "REDRIVE_AFTER=1s", "REDRIVE_INTERVAL=200ms", "RECONCILE_INTERVAL=0")
	one, two := w.start("worker", "all"), w.start("worker", "all")
	leading := func(p *process) bool { return p.metric("reos_redrive_run_timestamp_seconds") > 0 }
	require.Eventually(t, func() bool { return leading(one) != leading(two) }, 30*time.Second, 50*time.Millisecond)
	if leading(two) {
		one, two = two, one
	}
	one.kill()
	require.Eventually(t, func() bool { return leading(two) }, 30*time.Second, 50*time.Millisecond)
	two.stop()
}
