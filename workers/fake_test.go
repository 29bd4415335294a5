package workers_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
)

var tenantA, tenantB = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001"), uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")

// fakeTransport keeps what is published and hands out what a test sends. Everything else is its embedded nil.
type fakeTransport struct {
	events.Transport
	mu        sync.Mutex
	queues    map[string]chan *message.Message
	published []events.Outgoing
	fail      func(batch []events.Outgoing) error // what PublishBatch answers
	arrived   chan struct{}
}

func newFakeTransport(topology events.Topology, stage events.Stage) *fakeTransport {
	f := &fakeTransport{queues: map[string]chan *message.Message{}, arrived: make(chan struct{}, 10_000)}
	for _, source := range topology.Sources(stage) {
		f.queues[source.Queue] = make(chan *message.Message, 10_000)
	}
	return f
}

func (f *fakeTransport) Subscribe(ctx context.Context, queue string) (<-chan *message.Message, error) {
	deliveries := make(chan *message.Message) // what has left the queue is with the runner
	go func() {
		defer close(deliveries)
		for {
			select {
			case msg := <-f.queues[queue]:
				deliveries <- msg
			case <-ctx.Done():
				return
			}
		}
	}()
	return deliveries, nil
}

func (f *fakeTransport) PublishBatch(_ context.Context, batch []events.Outgoing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(batch); err != nil {
			return err
		}
	}
	f.published = append(f.published, batch...)
	for range batch {
		f.arrived <- struct{}{}
	}
	return nil
}

func (f *fakeTransport) Held(context.Context, uuid.UUID) (map[string]int, error) { return nil, nil }

// to lists what was published to topics that begin with prefix, bundles taken apart.
func (f *fakeTransport) to(prefix string) []*message.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []*message.Message
	for _, out := range f.published {
		if strings.HasPrefix(out.Topic, prefix) {
			found = append(found, unbundled(out.Message)...)
		}
	}
	return found
}

// unbundled gives the messages of a bundle, or the message itself.
func unbundled(msg *message.Message) []*message.Message {
	members, ok := events.Unbundle(msg)
	if !ok {
		return []*message.Message{msg}
	}
	var messages []*message.Message
	for _, member := range members {
		messages = append(messages, member.Message)
	}
	return messages
}

// scripted is a stage whose work a test writes.
type scripted struct {
	workers.Steps
	process func(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error)
}

func (s *scripted) Name() events.Stage { return events.Quality }

func (s *scripted) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	return s.process(ctx, tenant, batch)
}

// bench is a runner on a fake transport.
type bench struct {
	t         *testing.T
	topology  events.Topology
	transport *fakeTransport
	runner    *workers.Runner
	drain     context.CancelFunc
	abort     context.CancelFunc
	done      chan error
}

func start(t *testing.T, stage workers.Stage) *bench {
	t.Helper()
	topology := events.DefaultTopology()
	b := &bench{t: t, topology: topology, transport: newFakeTransport(topology, stage.Name()), done: make(chan error, 1)}
	b.runner = workers.NewRunner(stage, workers.Surroundings{
		Transport: b.transport, Topology: topology, Version: "1.4.0", Metrics: workers.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop(),
		Config: workers.Config{BatchSize: 200, BatchBytes: 1 << 20, StageTimeout: 2 * time.Second},
	})
	return b
}

// startProbed is start with a probe of the stores, running.
func startProbed(t *testing.T, stage workers.Stage, probe func(context.Context) error) *bench {
	t.Helper()
	b := start(t, stage)
	b.runner = workers.NewRunner(stage, workers.Surroundings{
		Transport: b.transport, Topology: b.topology, Probe: probe, Metrics: workers.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop(),
		Config: workers.Config{BatchSize: 200, BatchBytes: 1 << 20, StageTimeout: 2 * time.Second},
	})
	return b.run()
}

func (b *bench) run() *bench {
	intake, drain := context.WithCancel(context.Background())
	work, abort := context.WithCancel(context.Background())
	b.drain, b.abort = drain, abort
	go func() { b.done <- b.runner.Run(intake, work) }()
	b.t.Cleanup(func() { drain(); abort() })
	return b
}

// step makes a message between stages.
func step(tenant uuid.UUID, key string) *message.Message {
	s := events.Step{
		RecordType: events.Property, Key: key, VersionAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Origin: uuid.NewSHA1(tenant, []byte(key)),
	}
	return s.Event(events.Ingestion, events.Ingested, events.Event{ID: "cause-" + key, TenantID: tenant}).Message()
}

// send puts messages into lane a and returns them.
func (b *bench) send(messages ...*message.Message) []*message.Message {
	queue := b.topology.StageQueue(events.Quality, "a")
	for _, msg := range messages {
		msg.Metadata[events.MetaExchange] = b.topology.Events()
		msg.Metadata[events.MetaRoutingKey] = "a." + msg.Metadata["cloudEvents:tenantid"] + ".reos.property.ingested.v1"
		b.transport.queues[queue] <- msg
	}
	return messages
}

func (b *bench) await(messages ...*message.Message) {
	b.t.Helper()
	for _, msg := range messages {
		select {
		case <-msg.Acked():
		case <-time.After(10 * time.Second):
			require.FailNow(b.t, "not acked", msg.UUID)
		}
	}
}

func (b *bench) awaitDrained() {
	b.t.Helper()
	select {
	case err := <-b.done:
		require.NoError(b.t, err)
	case <-time.After(10 * time.Second):
		require.FailNow(b.t, "the runner does not end")
	}
}

func acked(msg *message.Message) bool {
	select {
	case <-msg.Acked():
		return true
	default:
		return false
	}
}
