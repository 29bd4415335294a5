package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// fakePauses keeps pauses as Postgres does.
type fakePauses struct {
	mu   sync.Mutex
	list []store.Pause
	gone []uuid.UUID
	down error
}

func (f *fakePauses) Gone(context.Context) ([]uuid.UUID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.gone), f.down
}

func (f *fakePauses) Pauses(context.Context) ([]store.Pause, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list), f.down
}

func (f *fakePauses) Pause(_ context.Context, tenant uuid.UUID, stage events.Stage, by, why string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, store.Pause{Tenant: tenant, Stage: stage, At: time.Now(), By: by, Why: why})
	return f.down
}

func (f *fakePauses) EndPause(context.Context, store.Pause) error { return f.down }

// set replaces what is paused.
func (f *fakePauses) set(down error, list ...store.Pause) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.down = list, down
}

// gated is a runner behind a gate.
func gated(t *testing.T, stage workers.Stage, pauses *fakePauses, config workers.BreakerConfig) *bench {
	t.Helper()
	b := start(t, stage)
	b.transport.queues[b.topology.HeldQueue(events.Quality, tenantA)] = make(chan *message.Message, 10_000)
	gate := workers.NewGate(pauses, b.transport, b.topology, config, prometheus.NewRegistry(), zerolog.Nop())
	b.runner = workers.NewRunner(stage, workers.Surroundings{
		Transport: b.transport, Topology: b.topology, Gate: gate, Metrics: workers.NewMetrics(prometheus.NewRegistry()), Log: zerolog.Nop(),
		Config: workers.Config{BatchSize: 20, BatchBytes: 1 << 20, StageTimeout: 2 * time.Second},
	})
	b.run()
	intake, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { gate.Run(intake, context.Background()); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	return b
}

var (
	never   = workers.BreakerConfig{Share: 2, Least: 1, Window: time.Minute}
	passing = &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		return allDone(batch), nil
	}}
)

func TestPausedTenantIsHeldAndOthersAreNot(t *testing.T) {
	pauses := &fakePauses{}
	paused := store.Pause{Tenant: tenantA, Stage: events.Quality, By: "ann", Why: "prices in cents"}
	pauses.set(nil, paused)
	b := gated(t, passing, pauses, never)
	held := b.send(steps(tenantA, 30)...)
	free := b.send(steps(tenantB, 30)...)
	b.await(append(held, free...)...)
	require.Len(t, b.transport.to(b.topology.Events()), 30)
	copies := b.transport.to(b.topology.HeldQueue(events.Quality, tenantA))
	require.Len(t, copies, 30)
	require.Empty(t, b.transport.to("reos.retry"))
	for i, msg := range copies {
		require.Equal(t, held[i].Payload, msg.Payload)
		require.Equal(t, "1", msg.Metadata["reos-attempt"], "no attempt is used up")
		b.transport.queues[b.topology.HeldQueue(events.Quality, tenantA)] <- msg.Copy()
	}
	paused.ResumedAt = time.Now()
	pauses.set(nil, paused)
	queue := b.topology.StageQueue(events.Quality, "a")
	require.Eventually(t, func() bool { return len(b.transport.to(b.topology.RedeliverTopic(queue))) == 30 }, 10*time.Second, time.Millisecond)
	back := b.transport.to(b.topology.RedeliverTopic(queue))
	require.Equal(t, held[0].Payload, back[0].Payload)
	require.NotContains(t, back[0].Metadata, "reos-queue")
}

func TestNothingIsTakenBeforeTheGateHasLooked(t *testing.T) {
	pauses := &fakePauses{}
	pauses.set(errors.New("postgres is away"))
	b := gated(t, passing, pauses, never)
	sent := b.send(steps(tenantA, 3)...)
	require.Never(t, func() bool { return slices.ContainsFunc(sent, acked) }, time.Second, 50*time.Millisecond)
	pauses.set(nil)
	b.await(sent...)
}

func TestBreakerPausesATenantWhoseMessagesDie(t *testing.T) {
	pauses := &fakePauses{}
	b := gated(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		results := allDone(batch)
		if tenant == tenantA {
			for i := range results {
				results[i] = workers.Missing(batch[i])
			}
		}
		return results, nil
	}}, pauses, workers.BreakerConfig{Share: 0.5, Least: 50, Window: time.Minute})
	sent := append(b.send(steps(tenantA, 500)...), b.send(steps(tenantB, 500)...)...)
	b.await(sent...)
	died := len(b.transport.to(b.topology.DeadLetterQueue()))
	require.GreaterOrEqual(t, died, 50)
	require.Less(t, died, 100, "at most the batch that filled the tally")
	require.Len(t, b.transport.to(b.topology.HeldQueue(events.Quality, tenantA)), 500-died, "the rest is held")
	require.Len(t, b.transport.to(b.topology.Events()), 500, "the other tenant's go on")
	list, _ := pauses.Pauses(t.Context())
	require.Len(t, list, 1)
	require.Equal(t, "breaker", list[0].By)
	require.Contains(t, list[0].Why, "messages died within 1m0s")
	require.NoError(t, b.runner.Ready(), "the stage itself works")
}

func TestBreakerStaysClosedForAFewBadMessages(t *testing.T) {
	pauses := &fakePauses{}
	b := gated(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		results := allDone(batch)
		for i, m := range batch {
			if m.Step.Key[4] == '7' { // one in ten
				results[i] = workers.Missing(m)
			}
		}
		return results, nil
	}}, pauses, workers.BreakerConfig{Share: 0.5, Least: 20, Window: time.Minute})
	b.await(b.send(steps(tenantA, 500)...)...)
	require.Len(t, b.transport.to(b.topology.DeadLetterQueue()), 50)
	require.Empty(t, b.transport.to(b.topology.HeldQueue(events.Quality, tenantA)))
	list, _ := pauses.Pauses(t.Context())
	require.Empty(t, list)
}

// Messages of a tenant that an operator has deleted are neither held, nor let go, nor brought to the stage, nor made dead
// letters: the deletion has overtaken them.
func TestInvariant5ADeletedTenantsMessagesAreStale(t *testing.T) {
	pauses := &fakePauses{gone: []uuid.UUID{tenantA}}
	pauses.set(nil, store.Pause{Tenant: tenantA, Stage: events.Quality, By: "ann", Why: "prices in cents"})
	b := gated(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if tenant == tenantA {
			return nil, errors.New("it is not asked")
		}
		return allDone(batch), nil
	}}, pauses, workers.BreakerConfig{Share: 0.1, Least: 1, Window: time.Minute})
	sent := append(b.send(steps(tenantA, 30)...), b.send(steps(tenantB, 30)...)...)
	unreadable := message.NewMessage("x", []byte("no event"))
	unreadable.Metadata = message.Metadata{events.MetaRoutingKey: "a." + tenantA.String() + ".reos.property.ingested.v1"}
	b.await(append(sent, b.send(unreadable)...)...)
	require.Len(t, b.transport.to(b.topology.Events()), 30)
	require.Empty(t, b.transport.to(b.topology.HeldQueue(events.Quality, tenantA)))
	require.Len(t, b.transport.to(b.topology.DeadLetterQueue()), 1, "whose an unreadable message is nobody can tell behind ingestion")
	list, _ := pauses.Pauses(t.Context())
	require.Len(t, list, 1, "the breaker does not mind")
}

// A process that has not heard of the deletion is told by the stores.
func TestWhatTheStoresRefuseForADeletedTenantIsStale(t *testing.T) {
	b := gated(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if tenant == tenantA {
			return nil, fmt.Errorf("save verdicts: %w", store.ErrTenantDeleted)
		}
		return allDone(batch), nil
	}}, &fakePauses{}, workers.BreakerConfig{Share: 0.1, Least: 1, Window: time.Minute})
	b.await(append(b.send(steps(tenantA, 30)...), b.send(steps(tenantB, 30)...)...)...)
	require.Len(t, b.transport.to(b.topology.Events()), 30)
	require.Empty(t, b.transport.to(b.topology.DeadLetterQueue()))
	require.Empty(t, b.transport.to("reos.retry"))
}
