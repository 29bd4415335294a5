package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

func TestPoisonHarmsOnlyItself(t *testing.T) {
	for name, poison := range map[string]func() error{
		"panic": func() error { panic("poison") },
		"error": func() error { return errors.New("poison") },
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
				for _, m := range batch {
					if m.Step.Key == "K0123" {
						if err := poison(); err != nil {
							return nil, err
						}
					}
				}
				return allDone(batch), nil
			}})
			sent := b.send(steps(tenantA, 200)...)
			b.run().await(sent...)
			require.Len(t, b.transport.to(b.topology.Events()), 199)
			retried := b.transport.to("reos.retry.5s/" + b.topology.StageQueue(events.Quality, "a"))
			require.Len(t, retried, 1)
			require.Equal(t, "2", retried[0].Metadata["reos-attempt"])
			require.Equal(t, sent[123].Payload, retried[0].Payload)
		})
	}
}

func TestStageThatTakesTooLongIsRetriedNotPaused(t *testing.T) {
	b := start(t, &scripted{process: func(ctx context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if batch[0].Step.Key == "slow" {
			<-ctx.Done()
			return nil, fmt.Errorf("wait: %w", store.ErrUnavailable)
		}
		return allDone(batch), nil
	}}).run()
	b.await(b.send(step(tenantA, "slow"))...)
	require.Len(t, b.transport.to("reos.retry.5s/"), 1)
}

// errUnanswered is what a store's own timeout comes to.
var errUnanswered = fmt.Errorf("save: %w: %w", store.ErrUnavailable, context.DeadlineExceeded)

func TestMessageThatKeepsAStoreBusyIsFound(t *testing.T) {
	b := startProbed(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if slices.ContainsFunc(batch, func(m workers.Message) bool { return m.Step.Key == "K0003" }) {
			return nil, errUnanswered
		}
		return allDone(batch), nil
	}}, func(context.Context) error { return nil })
	b.await(b.send(steps(tenantA, 20)...)...)
	require.Len(t, b.transport.to(b.topology.Events()), 19)
	retried := b.transport.to("reos.retry.5s/")
	require.Len(t, retried, 1)
	require.Equal(t, "2", retried[0].Metadata["reos-attempt"])
}

func TestStoreThatDoesNotAnswerAnybodyBurnsNoAttempt(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	probe := func(context.Context) error {
		if down.Load() {
			return store.ErrUnavailable
		}
		return nil
	}
	calls := make(chan struct{}, 1000)
	b := startProbed(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		calls <- struct{}{}
		if down.Load() {
			return nil, errUnanswered
		}
		return allDone(batch), nil
	}}, probe)
	sent := b.send(steps(tenantA, 20)...)
	for range 4 {
		<-calls
	}
	require.ErrorIs(t, b.runner.Ready(), store.ErrUnavailable)
	down.Store(false)
	b.await(sent...)
	require.Len(t, b.transport.to(b.topology.Events()), 20)
	require.Empty(t, b.transport.to("reos.retry"))
}

func TestErrorWhileAStoreIsDownBurnsNoAttempt(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	withdrawn := errors.New("access denied")
	b := startProbed(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if down.Load() {
			return nil, withdrawn
		}
		return allDone(batch), nil
	}}, func(context.Context) error {
		if down.Load() {
			return withdrawn
		}
		return nil
	})
	sent := b.send(steps(tenantA, 20)...)
	require.Eventually(t, func() bool { return errors.Is(b.runner.Ready(), withdrawn) }, 5*time.Second, time.Millisecond)
	down.Store(false)
	b.await(sent...)
	require.Len(t, b.transport.to(b.topology.Events()), 20)
	require.Empty(t, b.transport.to("reos.retry"))
}

func TestWhatFailedBeforeIsTriedApart(t *testing.T) {
	var mu sync.Mutex
	var mixed bool
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		mixed = mixed || slices.ContainsFunc(batch, func(m workers.Message) bool { return m.Attempt != batch[0].Attempt })
		return allDone(batch), nil
	}})
	messages := steps(tenantA, 20)
	for _, msg := range messages[5:10] {
		msg.Metadata["reos-attempt"] = "2"
	}
	b.send(messages...)
	b.run().await(messages...)
	mu.Lock()
	defer mu.Unlock()
	require.False(t, mixed)
}
