package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// peerReport is the line that the baseline prints.
type peerReport struct {
	EventsPerSecond float64 `json:"events_per_s"`
	P50             float64 `json:"latency_p50_ms"`
	P99             float64 `json:"latency_p99_ms"`
}

// runPeer runs the baseline in a database of its own. perSecond is what is offered; 0 is as fast as possible.
func (s *session) runPeer(ctx context.Context, run Run, n, perSecond int) (Run, error) {
	err := s.in(ctx, 0, func(w *world) (err error) {
		if err := w.settle(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, removePeerQueues(w.options.RabbitMQ.URL)) }()
		var output, failure strings.Builder
		cmd := exec.CommandContext(ctx, s.options.Peer, "-n", strconv.Itoa(n), "-rate", strconv.Itoa(perSecond),
			"-subs", strconv.Itoa(s.options.Sizes.PeerHandlers))
		cmd.Env = append(os.Environ(), "RABBITMQ_URL="+w.options.RabbitMQ.URL, "DATABASE_URL="+w.options.Postgres.AdminURL)
		cmd.Stdout, cmd.Stderr = &output, &failure
		cpu := newClock(w)
		before := cpu.read()
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run the baseline: %w: %s", err, failure.String())
		}
		run.CPU = perEvent(before, cpu.read(), n)
		delete(run.CPU, cpuObjects)
		delete(run.CPU, cpuVectors)
		delete(run.CPU, cpuPublisher) // the baseline publishes in its own process
		used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		run.CPU[cpuPeer] = used.Seconds() * 1000 / float64(n)
		return run.readPeer(output.String(), n, perSecond)
	})
	return run, err
}

// readPeer takes over what the baseline printed.
func (r *Run) readPeer(output string, n, perSecond int) error {
	var said peerReport
	if err := json.Unmarshal([]byte(output), &said); err != nil || said.EventsPerSecond <= 0 {
		return fmt.Errorf("read what the baseline printed: want one JSON object, got %q", output)
	}
	r.Events, r.EventsPerSecond = n, said.EventsPerSecond
	r.Seconds = float64(n) / said.EventsPerSecond
	if perSecond > 0 { // at saturation it would be the time spent in queues
		r.Latency = &Latency{Samples: n, P50: said.P50, P99: said.P99}
	}
	return nil
}

// removePeerQueues removes what the baseline leaves at the broker.
func removePeerQueues(brokerURL string) error {
	conn, err := amqp.Dial(brokerURL)
	if err != nil {
		return fmt.Errorf("connect to remove the baseline's queues: %w", err)
	}
	defer conn.Close()
	channel, err := conn.Channel()
	if err != nil {
		return err
	}
	for stage := range 5 {
		if _, err := channel.QueueDelete(fmt.Sprintf("watermill-router.%d", stage), false, false, false); err != nil {
			return fmt.Errorf("delete the baseline's queue: %w", err)
		}
	}
	return nil
}
