package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startPatience = 90 * time.Second // for a worker to start, outages included
	drainBudget   = 20 * time.Second // of DRAIN_TIMEOUT
)

// crew are worker processes, with a supervisor that starts again what was ended on purpose, and nothing else.
type crew struct {
	world   *world
	members []*member
}

// member is one place in the crew: the process in it changes.
type member struct {
	stages []string
	turn   sync.Mutex // held while its process is ended and started

	mu      sync.Mutex
	process *process
	admin   string
}

// startCrew starts workers so that every stage but the two that watch runs in two processes.
func startCrew(w *world) (*crew, error) {
	c := &crew{world: w}
	for _, stages := range [][]string{{"all"}, {"ingestion", "quality"}, {"embedding", "indexing"}} {
		c.members = append(c.members, &member{stages: stages})
	}
	for _, m := range c.members {
		if err := c.start(m); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// start starts a member's process. One that cannot start because of its environment is started again, as any
// supervisor would.
func (c *crew) start(m *member) error {
	for deadline := time.Now().Add(startPatience); ; {
		p, err := launchReos(c.world.t, c.world.env, append([]string{"worker"}, m.stages...)...)
		if err != nil {
			return err
		}
		select {
		case admin := <-p.admin:
			m.set(p, admin)
			return nil
		case err := <-p.ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.ExitCode() != exitEnvironment || time.Now().After(deadline) {
				return fmt.Errorf("reos %s ended at its start: %w\n%s", p.name, err, p.logged())
			}
			time.Sleep(300 * time.Millisecond)
		case <-time.After(startPatience):
			return fmt.Errorf("reos %s does not start:\n%s", p.name, p.logged())
		}
	}
}

func (m *member) set(p *process, admin string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.process, m.admin = p, admin
}

func (m *member) current() (*process, string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.process, m.admin
}

// kill sends SIGKILL to a member's process and starts another one.
func (c *crew) kill(m *member) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	p, _ := m.current()
	if err := p.alive(); err != nil {
		return err
	}
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	<-p.ended
	return c.start(m)
}

// terminate sends SIGTERM, expects a drained end with code 0 within its budget, and starts another process.
func (c *crew) terminate(m *member) error {
	m.turn.Lock()
	defer m.turn.Unlock()
	p, _ := m.current()
	if err := p.alive(); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		if err != nil {
			return fmt.Errorf("reos %s after SIGTERM: %w", p.name, err)
		}
	case <-time.After(drainBudget):
		return fmt.Errorf("reos %s is not drained within %s", p.name, drainBudget)
	}
	return c.start(m)
}

// alive is an error for a process that ended by itself.
func (p *process) alive() error {
	select {
	case err := <-p.ended:
		p.ended <- err
		return fmt.Errorf("reos %s (process %d) ended by itself: %v", p.name, p.cmd.Process.Pid, err)
	default:
		return nil
	}
}

// awaitReady waits until every process is alive and ready.
func (c *crew) awaitReady(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(recoveryPatience)
	for _, m := range c.members {
		for {
			p, admin := m.current()
			reason := readiness(admin)
			if reason == "" {
				break
			}
			if err := m.ended(); err != nil {
				t.Fatal(err)
			}
			if time.Now().After(deadline) {
				t.Fatalf("reos %s is not ready after %s: %s", p.name, recoveryPatience, reason)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// ended is an error where the member's process ended by itself; not while another one is being started.
func (m *member) ended() error {
	if !m.turn.TryLock() {
		return nil
	}
	defer m.turn.Unlock()
	p, _ := m.current()
	return p.alive()
}

// awaitNotReady waits until some process says that it cannot work, and why.
func (c *crew) awaitNotReady(ctx context.Context, mentions string) error {
	var said []string
	for ctx.Err() == nil {
		said = said[:0]
		for _, m := range c.members {
			_, admin := m.current()
			reason := readiness(admin)
			if strings.Contains(reason, mentions) {
				return nil
			}
			said = append(said, reason)
		}
		pause(ctx, 100*time.Millisecond)
	}
	return fmt.Errorf("no worker says that %q is away; they say %q", mentions, said)
}

// readiness is what /readyz says against a process; empty where it is ready.
func readiness(admin string) string {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(admin + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err.Error()
	case response.StatusCode != http.StatusOK:
		return string(body)
	}
	return ""
}
