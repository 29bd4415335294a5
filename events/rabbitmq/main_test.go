package rabbitmq

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// sharedBroker is the broker of all tests that harm nobody.
func sharedBroker(t testing.TB) string {
	t.Helper()
	url := os.Getenv("RABBITMQ_URL")
	require.NotEmpty(t, url, `RABBITMQ_URL is not set: compose/services up rabbitmq && eval "$(compose/services env)"`)
	return url
}

// privateBroker is a broker that a test may block, kill and restart.
type privateBroker struct {
	t        testing.TB
	dir, url string
	ctl      string
}

var exported = regexp.MustCompile(`(?m)^export (RABBITMQ_URL|RABBITMQ_CTL)=(.*)$`)

func newPrivateBroker(t testing.TB) *privateBroker {
	t.Helper()
	dir, err := os.MkdirTemp("", "rq") // t.TempDir's paths are too long for what lies below
	require.NoError(t, err)
	b := &privateBroker{t: t, dir: dir}
	t.Cleanup(func() {
		b.services("down", "--remove")
		require.NoError(t, os.RemoveAll(dir))
	})
	b.services("up", "rabbitmq")
	for _, match := range exported.FindAllStringSubmatch(b.services("env"), -1) {
		if match[1] == "RABBITMQ_URL" {
			b.url = match[2]
		} else {
			b.ctl = match[2]
		}
	}
	require.NotEmpty(t, b.url)
	return b
}

func (b *privateBroker) services(arguments ...string) string {
	b.t.Helper()
	script, err := filepath.Abs("../../compose/services")
	require.NoError(b.t, err)
	return output(b.t, script, append(arguments, "--dir", b.dir)...)
}

func (b *privateBroker) restart() { b.services("restart", "rabbitmq") }

func (b *privateBroker) rabbitmqctl(arguments ...string) {
	b.t.Helper()
	output(b.t, b.ctl, arguments...)
}

func output(t testing.TB, name string, arguments ...string) string {
	t.Helper()
	var stderr strings.Builder
	command := exec.Command(name, arguments...)
	command.Stderr = &stderr
	out, err := command.Output()
	require.NoError(t, err, "%s %s: %s%s", name, strings.Join(arguments, " "), out, stderr.String())
	return string(out)
}

// newTopology is small and has a namespace of its own.
func newTopology() events.Topology {
	return events.Topology{
		Namespace: "t" + uuid.NewString()[:8], Lanes: []string{"a"},
		RetryDelays: []time.Duration{300 * time.Millisecond}, DeliveryLimit: 20,
	}
}

// patience bounds every wait; it ends a test that has failed.
const patience = 60 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// openAt opens a transport that is closed, and whose queues and exchanges are deleted, at the end of the test.
func openAt(t testing.TB, url string, topology events.Topology) *Transport {
	t.Helper()
	transport, err := Open(context.Background(), Config{URL: url, CloseTimeout: time.Second}, topology, zerolog.Nop())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, transport.Close())
		remove(t, url, transport)
	})
	return transport
}

func open(t testing.TB) *Transport { return openAt(t, sharedBroker(t), newTopology()) }

func declared(t testing.TB) *Transport {
	t.Helper()
	transport := open(t)
	require.NoError(t, transport.Declare(within(t)))
	return transport
}

// remove deletes what a transport may have declared.
func remove(t testing.TB, url string, transport *Transport) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(t, err)
	queues := []string{}
	for _, queue := range transport.topology.Queues() {
		queues = append(queues, queue.Name)
	}
	transport.targets.known.Range(func(name, _ any) bool {
		if !strings.HasSuffix(name.(string), "/") {
			queues = append(queues, name.(string))
		}
		return true
	})
	for _, queue := range queues {
		_, err := channel.QueueDelete(queue, false, false, false)
		require.NoError(t, err)
	}
	for _, exchange := range transport.topology.Exchanges() {
		require.NoError(t, channel.ExchangeDelete(exchange.Name, false, false))
	}
}
