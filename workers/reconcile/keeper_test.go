package reconcile_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// fakeLeadership lets its holder lead, and deposes it.
type fakeLeadership struct {
	taken  atomic.Bool // by another process
	depose chan struct{}
	leads  atomic.Int32
}

func (f *fakeLeadership) Lead(ctx context.Context, work func(context.Context)) (bool, error) {
	if f.taken.Load() {
		return false, nil
	}
	f.leads.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-f.depose:
			cancel()
		case <-ctx.Done():
		}
	}()
	work(ctx)
	return true, nil
}

func TestOnlyTheLeaderWorks(t *testing.T) {
	leadership := &fakeLeadership{depose: make(chan struct{})}
	leadership.taken.Store(true)
	registry := prometheus.NewRegistry()
	metrics := reconcile.NewMetrics(registry)
	config := reconcile.Config{RedriveAfter: time.Minute, RedriveInterval: time.Millisecond, Interval: 10 * time.Millisecond}
	f := &fakeStores{standings: []store.IndexStanding{standing("k")}}
	transport, overdue := newTransport(), &fakeOverdue{}
	redriver := reconcile.NewRedriver(overdue, func(id uuid.UUID) reconcile.OverdueRecords { return overdueOf{overdue, id} },
		transport, transport.topology, config, metrics, zerolog.Nop())
	reconciler := reconcile.New(fakePlatform{{ID: tenantA}}, f.stores(), "m", transport, transport.topology, config, zerolog.Nop())
	var runs, retired atomic.Int32
	more := reconcile.Task{
		Name: "more", Every: time.Millisecond, Retire: func() { retired.Add(1) },
		Run: func(context.Context) error { runs.Add(1); return nil },
	}
	keeper := reconcile.NewKeeper(leadership, redriver, reconciler, config, metrics, zerolog.Nop(), more)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keeper.Run(ctx); close(done) }()

	looks := func() int {
		transport.mu.Lock()
		defer transport.mu.Unlock()
		return transport.looks
	}
	require.Never(t, func() bool { return looks() > 0 || runs.Load() > 0 }, 50*time.Millisecond, time.Millisecond)
	leadership.taken.Store(false)
	const missing = "reos_reconcile_findings/missing"
	require.Eventually(t, func() bool { return samples(t, registry)[missing] == 1 && looks() > 1 && runs.Load() > 1 }, 10*time.Second, time.Millisecond)
	require.Zero(t, retired.Load())
	leadership.taken.Store(true)
	leadership.depose <- struct{}{}
	require.Eventually(t, func() bool { _, shown := samples(t, registry)[missing]; return !shown }, 10*time.Second, time.Millisecond,
		"what a former leader found is not shown")
	require.Eventually(t, func() bool { return retired.Load() == 1 }, 10*time.Second, time.Millisecond)
	leadership.taken.Store(false)
	require.Eventually(t, func() bool { return leadership.leads.Load() == 2 && samples(t, registry)[missing] == 1 }, 10*time.Second, time.Millisecond)
	require.Empty(t, f.doubted, "a schedule repairs nothing")
	stop()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the keeper does not end")
	}
}
