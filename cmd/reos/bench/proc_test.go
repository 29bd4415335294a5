package bench

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseStatTakesAnyName(t *testing.T) {
	got, err := parseStat("42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44 20 0 1 0 100 1 2\n")
	require.NoError(t, err)
	require.Equal(t, usage{parent: 7, ticks: 33, reaped: 77}, got)
	for _, line := range []string{"", "42 (reos) S 7", "42 reos S 7 42 42 0 -1 4194560 1 2 3 4 11 22 33 44", "42 (x) S a b c d e f g h i j k l m n"} {
		_, err := parseStat(line)
		require.Error(t, err, line)
	}
}

func TestTreeEndsWhereAnotherBegins(t *testing.T) {
	all := map[int]usage{
		1: {parent: 0, ticks: 1}, 10: {parent: 1, ticks: 10, reaped: 5}, 11: {parent: 10, ticks: 20, reaped: 7},
		12: {parent: 10, ticks: 40}, 13: {parent: 12, ticks: 80},
	}
	require.EqualValues(t, 10+5+20+7+40+80, treeTicks(all, 10, nil))
	require.EqualValues(t, 10+20+7, treeTicks(all, 10, []int{12}), "nor are its reaped children's times known to be its own")
	require.EqualValues(t, 120, treeTicks(all, 12, []int{10}))
}

func TestPerEventLeavesOutWhatWasNotSeenTwice(t *testing.T) {
	got := perEvent(map[string]float64{cpuBroker: 1}, map[string]float64{cpuBroker: 3, cpuWorker: 9}, 1000)
	require.Equal(t, map[string]float64{cpuBroker: 2}, got)

	got = perEvent(map[string]float64{cpuBroker: 1, cpuMachine: 10}, map[string]float64{cpuBroker: 3, cpuMachine: 15}, 1000)
	require.Equal(t, map[string]float64{cpuBroker: 2, cpuOthers: 3}, got, "what no component accounts for")
}

func TestListeningInode(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   106        0 111 1 0000 100 0 0 10 0
   1: 0100007F:1539 0100007F:1538 01 00000000:00000000 00:00000000 00000000   106        0 222 1 0000 20 4 30 10 -1
`
	require.Equal(t, "111", listeningInode(table, 0x1538))
	require.Empty(t, listeningInode(table, 0x1539), "a connection is no listener")
	require.Empty(t, listeningInode("", 80))
}

func TestOwnTimeAndMemoryAreSeen(t *testing.T) {
	c := &clock{roots: map[string]int{cpuPublisher: os.Getpid(), cpuBroker: -1}}
	used := c.read()
	require.Contains(t, used, cpuPublisher)
	require.NotContains(t, used, cpuBroker, "what cannot be seen is left out")
	require.Greater(t, used[cpuMachine], used[cpuPublisher])
	require.Greater(t, memoryOf(os.Getpid(), "VmHWM"), 1.0)
	require.Zero(t, memoryOf(-1, "VmHWM"))
	require.Zero(t, parseKiB("much"))
	require.Equal(t, 12.0, parseKiB("12 kB"))
}
