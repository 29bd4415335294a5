package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// processAttributes tie a child to this process: SIGINT lets a server write its checkpoint before it ends.
func processAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
}

// leftoverPatience is what each way to stop a leftover server gets, from gentle to hard.
const leftoverPatience = 10 * time.Second

// stopLeftovers ends the processes of a server that an earlier process left in data, and removes its note of itself. The
// caller holds the directory's lock, so no living process wants them. The note is not taken at its word: the process id
// in it may be anybody's by now, which would keep the server from starting.
func stopLeftovers(ctx context.Context, data string) error {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		gone, err := stopServersOf(ctx, data, signal)
		if err != nil {
			return fmt.Errorf("stop the server that was left behind: %w", err)
		}
		if gone {
			break
		}
	}
	if servers := serversOf(data); len(servers) > 0 {
		return fmt.Errorf("stop the server that was left behind: processes %v remain", servers)
	}
	err := os.Remove(filepath.Join(data, "postmaster.pid"))
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove the note of the server that was left behind: %w", err)
	}
	return nil
}

// stopServersOf signals the server's first process, or all that are left without it, and reports whether all are gone.
func stopServersOf(ctx context.Context, data string, signal syscall.Signal) (bool, error) {
	signalled := map[int]bool{}
	patience := time.NewTimer(leftoverPatience)
	defer patience.Stop()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		servers := serversOf(data)
		if len(servers) == 0 {
			return true, nil
		}
		for _, pid := range firstOf(servers, data) {
			if !signalled[pid] {
				signalled[pid] = true
				_ = syscall.Kill(pid, signal) // if it has ended meanwhile, the next look will tell
			}
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-patience.C:
			return false, nil
		case <-ticker.C:
		}
	}
}

// firstOf is the process that the server noted as its first if it lives, else all of them.
func firstOf(servers []int, data string) []int {
	if lines := pidFile(data); len(lines) > 0 {
		for _, pid := range servers {
			if lines[0] == strconv.Itoa(pid) {
				return []int{pid}
			}
		}
	}
	return servers
}

// serversOf are the ids of the processes that run a postgres and have data for their working directory: every process of
// a server does, and no other program is taken for one.
func serversOf(data string) []int {
	// The kernel names directories without symbolic links. Without a directory nothing works in it.
	data, err := filepath.EvalSymlinks(data)
	if err != nil {
		return nil
	}
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is well-formed
	for _, link := range links {
		if cwd, err := os.Readlink(link); err != nil || cwd != data {
			continue // ended, or another user's
		}
		process := filepath.Dir(link)
		program, err := os.Readlink(filepath.Join(process, "exe"))
		if err != nil || !strings.HasPrefix(filepath.Base(program), "postgres") {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(process)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
