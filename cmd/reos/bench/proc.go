package bench

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// procRoot is where the kernel tells about processes.
const procRoot = "/proc"

// usage is one process's line in /proc.
type usage struct {
	parent int
	ticks  uint64 // its own, user and system
	reaped uint64 // of its children that have ended
}

func readProcesses(root string) map[int]usage {
	all := map[int]usage{}
	stats, _ := filepath.Glob(root + "/[0-9]*/stat") // the pattern is well formed
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if one, err := parseStat(string(content)); err == nil {
			all[pid] = one
		}
	}
	return all
}

// parseStat reads /proc/<pid>/stat: `pid (name) state parent …`. A name may hold anything, parentheses included.
func parseStat(line string) (usage, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 15 {
		return usage{}, fmt.Errorf("read a process's state: %d fields", len(fields))
	}
	numbers := make([]uint64, 15)
	for _, i := range []int{1, 11, 12, 13, 14} { // parent, own user and system time, reaped children's
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return usage{}, fmt.Errorf("read a process's state: %w", err)
		}
		numbers[i] = n
	}
	return usage{parent: int(numbers[1]), ticks: numbers[11] + numbers[12], reaped: numbers[13] + numbers[14]}, nil
}

// machineTicks reads how long all processors together have worked, from the first line of /proc/stat: `cpu user nice
// system idle iowait irq softirq steal …`. Stolen time counts: it was wanted and not had.
func machineTicks(path string) (ticks uint64, ok bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(content), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, false
	}
	for _, i := range []int{1, 2, 3, 6, 7, 8} { // all but idle and iowait
		n, err := strconv.ParseUint(fields[i], 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	return ticks, true
}

// treeTicks adds up a process and all below it, but not the trees of others.
func treeTicks(all map[int]usage, root int, others []int) uint64 {
	total := all[root].ticks
	if len(others) == 0 || !slices.ContainsFunc(others, func(other int) bool { return all[other].parent == root }) {
		total += all[root].reaped // else they would be counted here once they end
	}
	for pid, one := range all {
		if one.parent == root && pid != root && !slices.Contains(others, pid) {
			total += treeTicks(all, pid, others)
		}
	}
	return total
}

// serverOf finds the process that listens on a URL's port on this machine.
func serverOf(location string) (pid int, found bool) {
	parsed, err := url.Parse(location)
	if err != nil || !slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, parsed.Hostname()) {
		return 0, false
	}
	port, err := strconv.ParseUint(parsed.Port(), 10, 16)
	if err != nil {
		return 0, false
	}
	for _, table := range []string{"/net/tcp", "/net/tcp6"} {
		content, err := os.ReadFile(procRoot + table)
		if err != nil {
			continue
		}
		if inode := listeningInode(string(content), uint16(port)); inode != "" {
			return socketOwner(inode)
		}
	}
	return 0, false
}

// listeningInode finds a listening socket in the kernel's table of TCP sockets; empty where there is none.
func listeningInode(table string, port uint16) string {
	const listening = "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[3] == listening && strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) {
			return fields[9]
		}
	}
	return ""
}

// socketOwner finds the process that has a socket open: the first one, where children have inherited it.
func socketOwner(inode string) (pid int, found bool) {
	links, _ := filepath.Glob(procRoot + "/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == "socket:["+inode+"]" {
			owner, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
			if err == nil && (!found || owner < pid) {
				pid, found = owner, true
			}
		}
	}
	return pid, found
}

// procField finds the first line `name: value` of a file; empty where there is none.
func procField(path, name string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if field, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(field) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// memoryOf reads a field of a process's status, in MiB; 0 where it cannot be read.
func memoryOf(pid int, field string) float64 {
	return parseKiB(procField(fmt.Sprintf("%s/%d/status", procRoot, pid), field)) / 1024
}

// parseKiB reads a size as the kernel writes it: `1234 kB`, which are KiB. It is 0 where there is none.
func parseKiB(text string) float64 {
	kib, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return 0
	}
	return kib
}
