package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// recoveryPatience is how soon after a fault everything must work again, without help.
const recoveryPatience = 60 * time.Second

// settlePatience is how soon after the last event nothing must be unfinished.
const settlePatience = 2 * time.Minute

// form is how much the kill test does.
type form struct {
	rounds int // in each, every fault strikes once, and all is counted
	kills  int // of workers in a round
}

var (
	shortForm = form{rounds: 1, kills: 4}
	longForm  = form{rounds: 3, kills: 7}
)

// chosenForm reads REOS_CHAOS (long) and REOS_CHAOS_ROUNDS (a number).
func chosenForm(t *testing.T) form {
	t.Helper()
	chosen := shortForm
	switch value := os.Getenv("REOS_CHAOS"); value {
	case "", "short":
	case "long":
		chosen = longForm
	default:
		require.FailNow(t, "REOS_CHAOS must be short or long", value)
	}
	if value := os.Getenv("REOS_CHAOS_ROUNDS"); value != "" {
		rounds, err := strconv.Atoi(value)
		require.NoError(t, err, "REOS_CHAOS_ROUNDS must be a number")
		require.Positive(t, rounds, "REOS_CHAOS_ROUNDS")
		chosen.rounds = rounds
	}
	return chosen
}

// chosenSeed reads REOS_CHAOS_SEED, else makes a seed.
func chosenSeed(t *testing.T) uint64 {
	t.Helper()
	value := os.Getenv("REOS_CHAOS_SEED")
	if value == "" {
		return rand.Uint64N(1_000_000)
	}
	seed, err := strconv.ParseUint(value, 10, 64)
	require.NoError(t, err, "REOS_CHAOS_SEED must be a number")
	return seed
}

// chaos is one run: workers under load on servers to which things happen.
type chaos struct {
	t       *testing.T
	seed    uint64
	began   time.Time
	rng     *rand.Rand // of the faults
	servers *privateServers
	world   *world
	stream  *stream
	load    *load
	crew    *crew
}

// Real processes on real servers, and everything that operators fear happens while thousands of events are in flight.
// What was published and confirmed is compared with what the stores hold. The events, the order of the faults and
// their times derive from the seed.
func TestNothingIsLostOrRegressedUnderFire(t *testing.T) {
	t.Parallel()
	chosen := chosenForm(t)
	c := &chaos{t: t, seed: chosenSeed(t), began: time.Now()}
	c.note("replay with REOS_CHAOS_SEED=%d", c.seed)
	c.rng = rand.New(rand.NewPCG(c.seed, 2))
	c.setUp()
	for round := range chosen.rounds {
		c.load.resume()
		c.round(round, chosen.kills)
		c.settle()
		c.requireTruth()
		c.requireArchived()
	}
	for _, m := range c.crew.members {
		p, _ := m.current()
		p.stop()
	}
}

// note tells what happens. It goes to stderr, where it is kept even when the test does not live to report.
func (c *chaos) note(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "chaos %5.1f s: %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, arguments...))
}

func (c *chaos) setUp() {
	c.t.Helper()
	c.servers = startPrivateServers(c.t)
	c.world = emptyWorld(c.t, c.servers.wired)
	c.world.env = append(c.world.env,
		"REDRIVE_AFTER=24h", "RECONCILE_INTERVAL=0", // what heals must not hide what was lost
		"ARCHIVE_AFTER=3s",     // objects are made of staged bytes all the time
		"WORKER_BATCH_SIZE=50") // more moments between commit, publish and ack, and a backlog that lasts
	c.world.exec(c.servers.direct.admin.String(), "CREATE DATABASE "+c.world.database())
	c.world.ok("migrate", "up")
	c.stream = newStream(c.seed)
	for i, tenant := range c.stream.tenants {
		c.world.ok("tenant", "create", fmt.Sprintf("tenant-%d", i), "--id", tenant.String())
	}
	c.tapRetries()
	var err error
	c.crew, err = startCrew(c.world)
	require.NoError(c.t, err)
	c.load = newLoad(c.world, c.stream)
	c.load.start()
}

// round brings every fault once, in the seed's order, and kills workers at the seed's moments beside them.
func (c *chaos) round(round, kills int) {
	c.t.Helper()
	killed := c.startKilling(rand.New(rand.NewPCG(c.seed, uint64(100+round))), kills)
	for _, i := range c.rng.Perm(len(faults)) {
		fault := faults[i]
		time.Sleep(time.Duration(c.rng.IntN(1500)) * time.Millisecond)
		require.NoError(c.t, c.load.awaitInFlight(context.Background()))
		confirmed, finished := c.load.state()
		c.note("%s, with %d events in flight and %d finished", fault.name, confirmed-finished, finished)
		fault.do(c, int(c.seed%2)+round)
		over := time.Now()
		c.crew.awaitReady(c.t)
		c.load.awaitProgress(c.t, 200)
		c.note("all goes on %.1f s after its end", time.Since(over).Seconds())
	}
	require.NoError(c.t, killed())
	c.crew.awaitReady(c.t)
}

// startKilling kills workers beside what else happens. The function that it returns waits for the last one's successor.
func (c *chaos) startKilling(rng *rand.Rand, kills int) (wait func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	killed := make(chan error, 1)
	go func() { killed <- c.killWorkers(ctx, rng, kills) }()
	wait = sync.OnceValue(func() error { return <-killed })
	c.t.Cleanup(func() { // a test that fails must not end before the process that is being started
		cancel()
		_ = wait()
	})
	return wait
}

// killWorkers kills one worker after the other, each at a random moment.
func (c *chaos) killWorkers(ctx context.Context, rng *rand.Rand, kills int) error {
	for range kills {
		pause(ctx, time.Duration(1000+rng.IntN(16_000))*time.Millisecond)
		m := c.crew.members[rng.IntN(len(c.crew.members))]
		if err := errors.Join(ctx.Err(), c.load.awaitInFlight(ctx)); err != nil {
			return err
		}
		c.note("reos worker %v gets SIGKILL, with %d events in flight", m.stages, c.load.inFlight())
		if err := c.crew.kill(m); err != nil {
			return err
		}
	}
	return nil
}

// settle ends publishing and waits until nothing is unfinished and nothing is queued.
func (c *chaos) settle() {
	c.t.Helper()
	c.load.finish()
	began := time.Now()
	for {
		queued := ""
		if c.load.inFlight() == 0 {
			if queued = c.queued(); queued == "" {
				break
			}
		}
		if time.Since(began) > settlePatience {
			require.FailNow(c.t, "unfinished", "%d events, %s after the last one; queues: %s", c.load.inFlight(), settlePatience, queued)
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.NoError(c.t, c.load.failure)
	confirmed, _ := c.load.state()
	c.note("%d events in %d messages: settled %.1f s after the last one", confirmed, c.load.messages, time.Since(began).Seconds())
}

// queued lists the queues that hold messages, unacked ones among them; empty where none does. The tap is another's.
func (c *chaos) queued() string {
	c.t.Helper()
	var waiting []string
	for line := range strings.Lines(c.servers.rabbit("--quiet", "list_queues", "--no-table-headers", "name", "messages")) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[1] != "0" && fields[0] != c.retriedQueue() {
			waiting = append(waiting, strings.Join(fields, " "))
		}
	}
	return strings.Join(waiting, ", ")
}
