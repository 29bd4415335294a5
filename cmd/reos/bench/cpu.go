package bench

import "os"

// The components whose CPU time is told apart.
const (
	cpuBroker    = "broker"
	cpuPostgres  = "postgres"
	cpuObjects   = "s3"
	cpuVectors   = "vector store"
	cpuWorker    = "reos worker"
	cpuPublisher = "publisher"
	cpuPeer      = "peer"
	cpuOthers    = "others" // on the machine: whatever disturbed the run, and the kernel's own work
)

// cpuMachine is a reading of all processors together; what no component accounts for is that of others.
const cpuMachine = "machine"

// ticksPerSecond is the unit of /proc's times, the same on every Linux machine.
const ticksPerSecond = 100

// clock reads the CPU time of components, each a tree of processes. A component that cannot be seen, because it runs
// elsewhere or as a user whose processes are hidden, is left out.
type clock struct {
	roots map[string]int // process that the tree hangs from
}

// newClock finds the servers of this machine by their listening ports.
func newClock(w *world) *clock {
	c := &clock{roots: map[string]int{cpuPublisher: os.Getpid()}}
	for component, location := range map[string]string{
		cpuBroker: w.options.RabbitMQ.URL, cpuPostgres: w.options.Postgres.AdminURL,
		cpuObjects: w.options.Objects.URL, cpuVectors: w.options.Qdrant.URL,
	} {
		if pid, ok := serverOf(location); ok {
			c.roots[component] = pid
		}
	}
	return c
}

// with adds a component.
func (c *clock) with(component string, pid int) *clock {
	c.roots[component] = pid
	return c
}

// read returns the seconds used so far, per component.
func (c *clock) read() map[string]float64 {
	all := readProcesses(procRoot)
	used := make(map[string]float64, len(c.roots))
	for component, root := range c.roots {
		if _, ok := all[root]; ok {
			used[component] = float64(treeTicks(all, root, c.others(root))) / ticksPerSecond
		}
	}
	if ticks, ok := machineTicks(procRoot + "/stat"); ok {
		used[cpuMachine] = float64(ticks) / ticksPerSecond
	}
	return used
}

// others are the roots of other components: a tree ends where another begins, as the worker's does below the publisher.
func (c *clock) others(root int) []int {
	var others []int
	for _, other := range c.roots {
		if other != root {
			others = append(others, other)
		}
	}
	return others
}

// perEvent is the CPU time spent between two readings, in milliseconds per event, and what others spent meanwhile.
func perEvent(before, after map[string]float64, n int) map[string]float64 {
	spent := make(map[string]float64, len(after))
	sum := 0.0
	for component, seconds := range after {
		if earlier, ok := before[component]; ok {
			spent[component] = (seconds - earlier) * 1000 / float64(n)
			sum += spent[component]
		}
	}
	if all, ok := spent[cpuMachine]; ok {
		delete(spent, cpuMachine)
		spent[cpuOthers] = max(0, all-(sum-all))
	}
	return spent
}
