package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// closeTimeout bounds a stop in order, whatever the caller allows.
	closeTimeout = time.Minute
	// stopTimeout is what a stop at once gets before the processes are killed.
	stopTimeout = 5 * time.Second
	// readyInterval is how often the server's own note of its state is read while it starts.
	readyInterval = 5 * time.Millisecond
	// statusLine of postmaster.pid says "ready" when connections are taken; pg_ctl goes by it too.
	statusLine = 7
)

// settings of the server, on its command line so that they hold for clusters made by earlier versions as well.
func settings(port int) []string {
	values := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(port),
		"unix_socket_directories=", // a socket's path has 107 bytes at most, a directory's has not
		"max_connections=100",
		"shared_buffers=128MB",
		// What is committed survives everything that the disk survives.
		"fsync=on",
		"synchronous_commit=on",
		"full_page_writes=on",
		// No replica reads this log.
		"wal_level=minimal",
		"max_wal_senders=0",
		"max_wal_size=1GB",
		"checkpoint_timeout=15min",
		"jit=off", // statements are short: compiling them costs more than they do
		"timezone=UTC",
		"log_timezone=UTC",
		"password_encryption=scram-sha-256",
		// Invariant 9: errors, with the values in them, go to the client; the log gets what concerns the server.
		"log_destination=stderr",
		"logging_collector=off",
		"log_min_messages=log",
		"log_min_error_statement=panic",
		"log_error_verbosity=terse",
		"log_checkpoints=off",
	}
	args := make([]string, 0, 2*len(values))
	for _, value := range values {
		args = append(args, "-c", value)
	}
	return args
}

// postmaster is the server's first process.
type postmaster struct{ *child }

// launch starts the server and waits until it takes connections.
func (c cluster) launch(ctx context.Context, port int) (*postmaster, error) {
	child, err := c.spawn(nil, c.log, "postgres", append([]string{"-D", c.data}, settings(port)...)...)
	if err != nil {
		return nil, err
	}
	server := &postmaster{child}
	if err := server.awaitReady(ctx, c.data); err != nil {
		child.kill()
		return nil, err
	}
	return server, nil
}

func (p *postmaster) awaitReady(ctx context.Context, data string) error {
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.done:
			return fmt.Errorf("the server ended: %w: %s", p.exit(), p.output)
		case <-ctx.Done():
			return fmt.Errorf("wait for the server: %w: %s", context.Cause(ctx), p.output)
		case <-ticker.C:
			if isReady(data, p.pid) {
				return nil
			}
		}
	}
}

// isReady reports whether the server of that process id says that it takes connections.
func isReady(data string, pid int) bool {
	lines := pidFile(data)
	return len(lines) > statusLine && lines[0] == strconv.Itoa(pid) && lines[statusLine] == "ready"
}

// pidFile is what the server of data notes about itself, nil if there is none.
func pidFile(data string) []string {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(content) {
		lines = append(lines, strings.TrimSpace(string(line)))
	}
	return lines
}

// stop disconnects the clients and waits for the checkpoint; when ctx ends, it stops at once.
func (p *postmaster) stop(ctx context.Context) error {
	select {
	case <-p.done:
		return fmt.Errorf("the server had ended by itself: %w: %s", p.exit(), p.output)
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	p.signal(syscall.SIGINT) // "fast" in the server's words
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
	}
	p.signal(syscall.SIGQUIT) // "immediate"
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill()
	}
	return fmt.Errorf("stopped without a checkpoint: %w", context.Cause(ctx))
}

// exit is how the process ended; it has.
func (p *postmaster) exit() error {
	if p.err == nil {
		return errors.New("exit status 0")
	}
	return p.err
}
