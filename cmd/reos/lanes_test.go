package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// laneWorld is a world whose topology, which is deleted at the end, has a reserved lane.
func laneWorld(t *testing.T) *world {
	w := newWorld(t)
	w.topology.ReservedLanes = []string{"giant"}
	return w
}

// with is the world's environment, and more.
func (w *world) with(variables ...string) []string {
	return append(w.env[:len(w.env):len(w.env)], variables...)
}

func (w *world) createTenantIn(name, lane string) uuid.UUID {
	w.t.Helper()
	var created struct {
		ID   uuid.UUID
		Lane string
	}
	w.okJSON(&created, "tenant", "create", name, "--lane", lane)
	require.Equal(w.t, lane, created.Lane)
	return created.ID
}

// backlog publishes homes of a tenant before anybody works on them.
func (w *world) backlog(tenant uuid.UUID, homes int, flags ...string) {
	w.t.Helper()
	var feed bytes.Buffer
	for i := range homes {
		fmt.Fprintln(&feed, strings.ReplaceAll(fmt.Sprintf(goodHome, fmt.Sprintf("B-%05d", i)), "\n", ""))
	}
	path := filepath.Join(w.t.TempDir(), "homes.ndjson")
	require.NoError(w.t, os.WriteFile(path, feed.Bytes(), 0o600))
	w.ok(append([]string{"publish", path, "--tenant", tenant.String()}, flags...)...)
}

// publisher publishes one live home after the other, each confirmed.
func (w *world) publisher(tenant uuid.UUID) (publish func(key string, sequence int)) {
	channel, done := w.channel()
	w.t.Cleanup(done)
	require.NoError(w.t, channel.Confirm(false))
	return func(key string, sequence int) {
		headers := amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": fmt.Sprintf("%s-%d", key, sequence), "cloudEvents:source": "live",
			"cloudEvents:subject": key, "cloudEvents:type": "reos.property.upserted.v1", "cloudEvents:tenantid": tenant.String(),
			"cloudEvents:sequence": int64(sequence),
		}
		confirm, err := channel.PublishWithDeferredConfirm(w.topology.Intake(), tenant.String()+".reos.property.upserted.v1",
			true, false, amqp.Publishing{
				ContentType: "application/json", DeliveryMode: amqp.Persistent, Headers: headers, Body: fmt.Appendf(nil, goodHome, key),
			})
		if assert.NoError(w.t, err) {
			assert.True(w.t, confirm.Wait())
		}
	}
}

// awaitIndexed waits until a tenant's home is searchable.
func (w *world) awaitIndexed(tenant uuid.UUID, key string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		return w.number("SELECT count(*) FROM index_entries WHERE tenant_id = $1 AND record_key = $2 AND present", tenant, key) == 1
	}, 2*time.Minute, 10*time.Millisecond, key)
}

// overtaken says how much of a backlog was finished when the last of a tenant's live events was.
const overtaken = `SELECT count(*) FROM progress WHERE tenant_id = $1 AND lane = $2 AND finished_at <
	(SELECT max(finished_at) FROM progress WHERE tenant_id = $3 AND lane = $4)`

const backlogHomes = 6000

// Behind a backlog in one queue, every live event would wait for all of it.
func TestABacklogDoesNotStarveOtherLanes(t *testing.T) {
	t.Parallel()
	w := laneWorld(t)
	a, b := w.createTenantIn("burst", "a"), w.createTenantIn("calm", "b")
	w.backlog(a, backlogHomes)
	w.backlog(b, backlogHomes, "--bulk")
	w.start("worker", "all")
	publish := w.publisher(b)
	for i := range 5 {
		publish(fmt.Sprintf("L-%d", i), 1)
		w.awaitIndexed(b, fmt.Sprintf("L-%d", i))
	}
	w.settled()
	require.Less(t, w.number(overtaken, a, "a", b, "b"), backlogHomes*3/4, "another tenant's burst")
	require.Less(t, w.number(overtaken, b, events.BulkLane, b, "b"), backlogHomes*3/4, "the tenant's own backfill")
	t.Logf("of %d events, %d of the burst and %d of the backfill were finished when the last live one was", backlogHomes,
		w.number(overtaken, a, "a", b, "b"), w.number(overtaken, b, events.BulkLane, b, "b"))
	require.Equal(t, 2*backlogHomes+5, w.number("SELECT count(*) FROM index_entries WHERE present"))
}

// Invariants 1, 2 and 3: a tenant that is moved while it publishes loses nothing, doubles nothing, and no record of it
// goes backwards.
func TestATenantMovesUnderLoad(t *testing.T) {
	t.Parallel()
	w := laneWorld(t)
	tenant := w.createTenantIn("mover", "a")
	w.start("worker", "all")
	w.start("worker", "all")
	const homes, least = 50, 20
	publish, rounds := w.publisher(tenant), 0
	stop := make(chan struct{})
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for stopped := false; !stopped || rounds < least; rounds++ {
			for i := range homes {
				publish(fmt.Sprintf("M-%d", i), rounds+1)
			}
			select {
			case <-stop:
				stopped = true
			default:
			}
		}
	})
	at := "a"
	for _, lane := range []string{"b", "c", "a"} {
		var move laneMove
		w.okJSON(&move, "tenant", "lane", "mover", lane)
		require.True(t, move.Moved)
		require.Equal(t, lane, move.Tenant.Lane)
		require.Equal(t, []string{at}, move.Drained)
		require.Empty(t, move.Left)
		require.Zero(t, w.number("SELECT count(*) FROM progress WHERE tenant_id = $1 AND lane = $2 AND finished_at IS NULL", tenant, at))
		at = lane
	}
	close(stop)
	publishing.Wait()
	w.settled()
	require.Equal(t, homes*rounds, w.number("SELECT count(*) FROM progress WHERE tenant_id = $1", tenant))
	require.Equal(t, homes*rounds, w.number("SELECT sum(events)::int FROM endings WHERE tenant_id = $1", tenant), "each ended once")
	require.Equal(t, 3, w.number("SELECT count(DISTINCT lane) FROM progress WHERE tenant_id = $1", tenant))
	require.Equal(t, homes, w.number("SELECT count(*) FROM properties WHERE tenant_id = $1 AND version_seq = $2", tenant, rounds))
	require.Equal(t, homes, w.number("SELECT count(*) FROM index_entries WHERE tenant_id = $1 AND present AND version_seq = $2", tenant, rounds))
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters"))
}

func TestAMoveThatWasCutOffIsFinished(t *testing.T) {
	t.Parallel()
	w := laneWorld(t)
	tenant := w.createTenantIn("mover", "a")
	w.backlog(tenant, 3)

	// Nobody works: the old lane cannot drain, and the verb says what is left.
	stdout, stderr, code := w.reos("tenant", "lane", "mover", "b", "--timeout", "1s", "--json")
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, stderr, "run it again")
	var move laneMove
	decode(t, stdout, &move)
	require.True(t, move.Moved)
	require.Equal(t, []laneRest{{Lane: "a", Queued: 3}}, move.Left)
	require.Contains(t, w.ok("tenant", "list"), "b (left: a)")

	// As if it had been killed between its first and its last step.
	channel, done := w.channel()
	defer done()
	intake, pattern := w.topology.Intake(), tenant.String()+".#"
	require.NoError(t, channel.QueueBind(w.topology.StageQueue(events.Ingestion, "a"), pattern, intake, false, nil))
	require.NoError(t, channel.QueueUnbind(w.topology.StageQueue(events.Ingestion, "b"), pattern, intake, nil))
	p := w.start("worker", "all") // which heals the bindings
	w.publisher(tenant)("L-1", 1)
	w.awaitIndexed(tenant, "L-1")
	require.Equal(t, 1, w.number("SELECT count(*) FROM progress WHERE record_key = 'L-1' AND lane = 'b'"))

	// Two at once: one waits for the lane to drain, the other is told.
	move = laneMove{}
	w.okJSON(&move, "tenant", "lane", "mover", "b")
	require.False(t, move.Moved)
	require.Equal(t, []string{"a"}, move.Drained)
	move = laneMove{}
	w.okJSON(&move, "tenant", "lane", tenant.String(), "b")
	require.False(t, move.Moved)
	require.Empty(t, move.Drained, "nothing to do")
	require.Equal(t, 4, w.number("SELECT count(*) FROM index_entries WHERE present"))
	p.stop()

	w.publisher(tenant)("L-2", 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		_, _, code := runReos(t, w.env, "tenant", "lane", "mover", "c", "--timeout", "5s")
		assert.Equal(t, exitEnvironment, code, "nobody works")
	})
	require.Eventually(t, func() bool {
		return w.number("SELECT count(*) FROM tenants WHERE name = 'mover' AND lane = 'c'") == 1
	}, time.Minute, 10*time.Millisecond)
	_, stderr, code = w.reos("tenant", "lane", "mover", "d")
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, stderr, "another `reos tenant lane` moves tenant")
	waiting.Wait()
}

func TestLanesAreCheckedWhereTheyAreNamed(t *testing.T) {
	t.Parallel()
	w := laneWorld(t)
	for variable, says := range map[string]string{
		"REOS_LANES=a,bulk":      "REOS_LANES must not name \"bulk\"",
		"REOS_LANES=a,B":         "REOS_LANES must be names",
		"REOS_LANES=a,a":         "named already",
		"REOS_RESERVED_LANES=d":  "named already",
		"REOS_LANES=a.b":         "REOS_LANES must be names",
		"REOS_LANES=a,,b":        "REOS_LANES must be names",
		"REOS_RESERVED_LANES=a*": "REOS_RESERVED_LANES must be names",
	} {
		_, stderr, code := runReos(t, w.with(variable), "tenant", "list")
		require.Equal(t, exitEnvironment, code, variable)
		require.Contains(t, stderr, says)
	}
	for lane, says := range map[string]string{"giant": "must be one of a, b, c, d;", "bulk": "backfills"} {
		_, stderr, code := w.reos("tenant", "lane", tenantName, lane)
		require.Equal(t, exitInput, code)
		require.Contains(t, stderr, says)
		_, stderr, code = w.reos("tenant", "create", "new", "--lane", lane)
		require.Equal(t, exitInput, code)
		require.Contains(t, stderr, says)
	}
	_, stderr, code := w.reos("tenant", "lane", "nobody", "a")
	require.Equal(t, exitInput, code)
	require.Contains(t, stderr, "no tenant")
	_, _, code = w.reos("tenant", "create", tenantName)
	require.Equal(t, exitInput, code, "the name is taken")
}

func TestNewTenantsTakeTheEmptiestLane(t *testing.T) {
	t.Parallel()
	w := laneWorld(t) // its own tenant is the first
	w.env = w.with("REOS_RESERVED_LANES=giant")
	w.createTenantIn("second", "b")
	for i := range 6 {
		w.createTenant(fmt.Sprintf("tenant %d", i))
	}
	require.Equal(t, "a2 b2 c2 d2", w.text(`SELECT string_agg(lane || n, ' ' ORDER BY lane) FROM
		(SELECT lane, count(*) AS n FROM tenants WHERE lane <> '' GROUP BY lane) AS lanes`))
	id := w.text("SELECT id::text FROM tenants WHERE name = 'second'")
	var again struct{ Lane string }
	w.okJSON(&again, "tenant", "create", "second", "--id", id, "--lane", "d")
	require.Equal(t, "b", again.Lane, "it stays where it is")
}

// A giant gets a lane of its own. A process that does not know the lane says so, and does not leave it aside silently.
func TestAProcessThatDoesNotKnowALaneSaysSo(t *testing.T) {
	t.Parallel()
	w := laneWorld(t)
	old := w.start("worker", "quality")
	admin := regexp.MustCompile(`"admin":"([^"]+)"`).FindStringSubmatch(old.logged())[1]
	giant := w.with("REOS_RESERVED_LANES=giant")
	startReos(t, giant, "worker", "all")
	_, stderr, code := runReos(t, giant, "tenant", "lane", tenantName, "giant")
	require.Equal(t, exitOK, code, stderr)

	require.Eventually(t, func() bool {
		response, err := http.Get(admin + "/readyz")
		require.NoError(t, err)
		defer response.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(response.Body)
		require.NoError(t, err)
		return response.StatusCode == http.StatusServiceUnavailable && strings.Contains(body.String(), "giant")
	}, time.Minute, 50*time.Millisecond, "the running worker is not ready")
	_, stderr, code = w.reos("worker", "quality")
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, stderr, "is in lane \"giant\"")
	require.Contains(t, stderr, "REOS_RESERVED_LANES of every process")

	_, stderr, code = w.reos("tenant", "lane", tenantName, "a")
	require.Equal(t, exitEnvironment, code)
	require.Contains(t, stderr, "nobody can see whether it drains")

	w.publisher(w.tenant)("G-1", 1)
	w.awaitIndexed(w.tenant, "G-1")
	require.Equal(t, 1, w.number("SELECT count(*) FROM progress WHERE lane = 'giant'"))
}

// The same on the queues in Postgres.
func TestATenantMovesWithoutRabbitMQ(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env = w.with("RABBITMQ_URL=")
	tenant := w.createTenantIn("mover", "a")
	w.backlog(tenant, 500)
	w.start("up")
	var move laneMove
	w.okJSON(&move, "tenant", "lane", "mover", "b")
	require.True(t, move.Moved)
	require.Equal(t, []string{"a"}, move.Drained)
	require.Equal(t, 500, w.number("SELECT count(*) FROM progress WHERE lane = 'a' AND finished_at IS NOT NULL"))
	w.ok("publish", home(t, "after"), "--tenant", "mover")
	w.settled()
	require.Equal(t, 1, w.number("SELECT count(*) FROM progress WHERE lane = 'b' AND record_key = 'after'"))
	require.Equal(t, 501, w.number("SELECT count(*) FROM index_entries WHERE present"))
	require.Zero(t, w.number("SELECT count(*) FROM dead_letters"))
}
