package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

// replayed is a message of a replay, as the broker took it.
type replayed struct{ cause, run, data string }

// replayTap keeps what is published to the bulk intake of a world's tenant.
type replayTap struct {
	mu       sync.Mutex
	messages int
	events   map[string]map[replayed]bool // by the event's id: more than one where the same event was published in two ways
}

// tapReplays listens from now on; it ends with the test.
func (w *world) tapReplays() *replayTap {
	w.t.Helper()
	channel, done := w.channel()
	w.t.Cleanup(done)
	queue, err := channel.QueueDeclare("", false, true, true, false, nil)
	require.NoError(w.t, err)
	require.NoError(w.t, channel.QueueBind(queue.Name, w.tenant.String()+".#", w.topology.BulkIntake(), false, nil))
	deliveries, err := channel.Consume(queue.Name, "", true, true, false, false, nil)
	require.NoError(w.t, err)
	tap := &replayTap{events: map[string]map[replayed]bool{}}
	go func() {
		for delivery := range deliveries {
			tap.keep(delivery)
		}
	}()
	return tap
}

func (r *replayTap) keep(delivery amqp.Delivery) {
	header := func(name string) string { return fmt.Sprint(delivery.Headers["cloudEvents:"+name]) }
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages++
	id := header("id")
	if r.events[id] == nil {
		r.events[id] = map[replayed]bool{}
	}
	r.events[id][replayed{header("causationid"), header("runid"), string(delivery.Body)}] = true
}

// distinct counts the events that went over the wire.
func (r *replayTap) distinct() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events)
}

// heard is what went over the wire: the event of each cause, and how many messages there were. It fails where an event went
// out in two ways, or for a cause went out two events.
func (r *replayTap) heard(t *testing.T, run string, letters int) (eventOf map[string]string, messages int) {
	t.Helper()
	require.Eventually(t, func() bool { return r.distinct() >= letters }, time.Minute, 10*time.Millisecond, "what is done went over the wire")
	r.mu.Lock()
	defer r.mu.Unlock()
	eventOf = map[string]string{}
	for id, said := range r.events {
		require.Len(t, said, 1, "an event is the same however often it is published")
		for one := range said {
			require.Equal(t, run, one.run)
			require.NotContains(t, eventOf, one.cause, "a letter goes out as one event")
			eventOf[one.cause] = id
		}
	}
	return eventOf, r.messages
}

// The process that replays is killed again and again: every letter goes out once by the plan's account, and none is lost.
// What went over the wire, and what the stores hold, say the same.
func TestInvariant2AReplayIsOnceHoweverOftenItsProcessDies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("BREAKER_SHARE=2", "REDRIVE_INTERVAL=500ms")
	const letters, kills = 5000, 10
	stages := w.start("worker", "ingestion", "quality", "embedding", "indexing", "deadletters")
	w.publishRaw(w.topology.Intake(), w.intakeKey(), letters, early)
	w.awaitNumber(letters, "SELECT count(*) FROM dead_letters WHERE reason = 'version_invalid'")

	_, stderr, code := w.reos("dlq", "plan", "--why", "as it is", "--edit", os.DevNull)
	require.Equal(t, exitInput, code, stderr)
	report := w.plan("--reason", "version_invalid", "--edit", w.mend())
	require.EqualValues(t, letters, report.Selected)
	tap := w.tapReplays()
	w.ok("dlq", "run", report.RunID)
	w.killReplayers(report.RunID, tap, letters, kills)

	replayer := w.start("worker", "freshness")
	w.awaitRun(report.RunID, store.RunDone)
	w.settled()
	w.requireReplayedOnce(report.RunID, letters)
	eventOf, messages := tap.heard(t, report.RunID, letters)
	t.Logf("%d messages for %d letters", messages, letters)
	w.requireHeard(eventOf, letters)
	replayer.stop()
	stages.stop()
}

// killReplayers kills one process after another that works on a run, at moments spread over it: by turns while the broker
// takes a part of its messages, and when the plan accounts for one.
func (w *world) killReplayers(run string, tap *replayTap, items, kills int) {
	w.t.Helper()
	seed := rand.Uint64N(1_000_000)
	rng := rand.New(rand.NewPCG(seed, seed))
	published := func() int { return w.number("SELECT published::int FROM runs WHERE id = $1", run) }
	var at []string
	for kill := range kills {
		part := items * 8 / 10 / kills
		goal, pause := kill*part+rng.IntN(part), time.Duration(rng.IntN(60_000))*time.Microsecond
		done := published
		if kill%2 == 0 {
			done, pause = tap.distinct, 0
		}
		replayer := w.start("worker", "freshness")
		require.Eventually(w.t, func() bool { return done() >= goal }, time.Minute, time.Millisecond)
		time.Sleep(pause) // any moment of its work is as good as another
		replayer.kill()
		at = append(at, fmt.Sprintf("%d/%d", tap.distinct(), published()))
	}
	w.t.Logf("seed %d: of %d events, the broker had/the plan accounted for, when it was killed: %v", seed, items, at)
	require.Positive(w.t, w.number("SELECT count(*) FROM run_items WHERE state = 'selected'"), "it was killed in the middle")
}

// requireReplayedOnce checks what the stores hold when a replay of letters that were mended is done.
func (w *world) requireReplayedOnce(run string, letters int) {
	w.t.Helper()
	for what, query := range map[string]string{
		"items of the plan, each with an event and a letter of its own": `
			SELECT least(count(DISTINCT event_uid), count(DISTINCT letter_id)) FROM run_items WHERE state = 'ended' AND outcome = 'done'`,
		"items":                                    `SELECT count(*) FROM run_items`,
		"events beside those that died":            `SELECT count(*) FROM progress WHERE outcome IS DISTINCT FROM 'dead'`,
		"events that are done, under the run":      `SELECT count(*) FROM progress WHERE outcome = 'done' AND run_id = '` + run + `'`,
		"good ends":                                `SELECT sum(events)::int FROM endings WHERE outcome = 'done'`,
		"raw events that are kept":                 keptRaw,
		"records at the version of the edit":       `SELECT count(*) FROM properties WHERE version_at = '2026-01-31T12:00:00Z' AND NOT deleted`,
		"records that the items wrote":             `SELECT count(*) FROM properties JOIN run_items USING (tenant_id, event_uid)`,
		"index entries":                            `SELECT count(*) FROM index_entries WHERE present`,
		"letters, none of which died again":        `SELECT count(*) FROM dead_letters`,
		"letters that say which event they became": `SELECT count(*) FROM dead_letters JOIN run_items i ON letter_id = id WHERE replayed_event = i.event_uid`,
		"entries of the audit log":                 `SELECT count(*) FROM audit WHERE action = 'deadletter.replay'`,
	} {
		require.Equal(w.t, letters, w.number(query), what)
	}
	require.Equal(w.t, letters, w.points(), "points")
	w.ok("audit", "verify")
}

// requireHeard checks that what went over the wire is what the plan accounts for, letter by letter.
func (w *world) requireHeard(eventOf map[string]string, letters int) {
	w.t.Helper()
	require.Len(w.t, eventOf, letters)
	causes := slices.Collect(maps.Keys(eventOf))
	var uids []string
	for _, cause := range causes {
		uids = append(uids, eventOf[cause])
	}
	require.Equal(w.t, letters, w.number(`
		SELECT count(*) FROM unnest($1::text[], $2::uuid[]) AS heard (cause, uid)
		JOIN dead_letters l ON l.event_id = heard.cause AND l.replayed_event = heard.uid
		JOIN properties p ON p.event_uid = heard.uid AND p.record_key = 'E-' || lpad(substr(cause, 5), 5, '0')`, causes, uids), "each letter's event has written its record")
}
