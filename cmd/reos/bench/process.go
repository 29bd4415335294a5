package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child that runs until it is stopped. What it says on stderr is read line by line.
type process struct {
	name  string
	cmd   *exec.Cmd
	lines chan string // the lines until nobody reads them any more
	ended chan struct{}

	mu   sync.Mutex
	tail []string // of what it said
	err  error    // how it ended
}

const (
	tailLines    = 20
	startTimeout = time.Minute
	stopTimeout  = time.Minute
)

// startProcess starts a child. The caller stops it.
func startProcess(name, binary string, env []string, args ...string) (*process, error) {
	p := &process{name: name, lines: make(chan string, 64), ended: make(chan struct{})}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = env
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.read(stderr)
		err := p.cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.ended)
	}()
	return p, nil
}

func (p *process) read(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.tail = append(p.tail, lines.Text())
		p.tail = p.tail[max(0, len(p.tail)-tailLines):]
		p.mu.Unlock()
		select {
		case p.lines <- lines.Text():
		default: // only the first lines are waited for
		}
	}
	_, _ = io.Copy(io.Discard, stderr) // a line too long: the child must not block on its pipe
}

// await reads lines until find is content with one, and returns what it found.
func (p *process) await(ctx context.Context, find func(line string) (found string)) (string, error) {
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	for {
		select {
		case line := <-p.lines:
			if found := find(line); found != "" {
				return found, nil
			}
		case <-p.ended:
			return "", p.failure("ended at its start")
		case <-timer.C:
			return "", p.failure("does not start")
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}

// failure is an error with the child's last words.
func (p *process) failure(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(fmt.Errorf("%s %s: %s", p.name, what, strings.Join(p.tail, "\n")), p.err)
}

// running says whether the child has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// stop sends SIGTERM and waits; a child that takes too long is killed. A second call does nothing.
func (p *process) stop() error {
	if !p.running() {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.err != nil {
			return fmt.Errorf("%s ended: %w: %s", p.name, p.err, strings.Join(p.tail, "\n"))
		}
		return nil
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not stop within %s", p.name, stopTimeout)
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }
