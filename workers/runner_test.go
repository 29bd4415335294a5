package workers_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func allDone(batch []workers.Message) []workers.Result {
	results := make([]workers.Result, len(batch))
	for i, m := range batch {
		results[i] = workers.Done(m.Step.Event(events.Quality, events.Passed, m.Event))
	}
	return results
}

func steps(tenant uuid.UUID, n int) []*message.Message {
	all := make([]*message.Message, n)
	for i := range all {
		all[i] = step(tenant, fmt.Sprintf("K%04d", i))
	}
	return all
}

func TestBurstGoesInHundredsAndALoneMessageAtOnce(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	gate := make(chan struct{})
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		mu.Lock()
		sizes = append(sizes, len(batch))
		mu.Unlock()
		<-gate
		return allDone(batch), nil
	}}).run()
	lone := b.send(step(tenantA, "lone"))
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(sizes) == 1 }, 5*time.Second, time.Millisecond)
	burst := b.send(steps(tenantA, 600)...)
	require.Eventually(t, func() bool { return len(b.transport.queues[b.topology.StageQueue(events.Quality, "a")]) == 0 }, 5*time.Second, time.Millisecond)
	close(gate)
	b.await(append(lone, burst...)...)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 1, sizes[0], "a lone message does not wait for others")
	require.LessOrEqual(t, len(sizes), 8, "600 messages that wait go in few batches: %v", sizes)
	require.LessOrEqual(t, slices.Max(sizes), 200)
}

func TestTenantsAreNeverMixed(t *testing.T) {
	b := start(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		for _, m := range batch {
			if m.Tenant != tenant || m.Event.TenantID != tenant {
				return nil, errors.New("a foreign message in the batch")
			}
		}
		return allDone(batch), nil
	}})
	var sent []*message.Message
	for i := range 100 {
		tenant := tenantA
		if i%3 == 0 {
			tenant = tenantB
		}
		sent = append(sent, b.send(step(tenant, strconv.Itoa(i)))...)
	}
	b.run().await(sent...)
	require.Len(t, b.transport.to(b.topology.Events()+"/a."+tenantA.String()), 66)
	require.Len(t, b.transport.to(b.topology.Events()+"/a."+tenantB.String()), 34)
	require.Empty(t, b.transport.to("reos.retry"))
}

func TestManyTenantsMakeALargerBatch(t *testing.T) {
	var mu sync.Mutex
	parts := map[uuid.UUID]int{}
	gate := make(chan struct{})
	b := start(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		<-gate
		mu.Lock()
		defer mu.Unlock()
		parts[tenant]++
		return allDone(batch), nil
	}}).run()
	sent := b.send(step(tenantA, "first"))
	for i := range 800 {
		sent = append(sent, b.send(step(uuid.NewSHA1(tenantA, []byte{byte(i % 100)}), strconv.Itoa(i)))...)
	}
	require.Eventually(t, func() bool { return len(b.transport.queues[b.topology.StageQueue(events.Quality, "a")]) == 0 }, 5*time.Second, time.Millisecond)
	close(gate)
	b.await(sent...)
	mu.Lock()
	defer mu.Unlock()
	require.Len(t, parts, 101)
	calls := 0
	for _, n := range parts {
		calls += n
	}
	require.LessOrEqual(t, calls, 1+3*100, "not 200 at a time, but what waits: the rest behind the first batch, and a late one")
}

// What makes small parts cheap is that the stores get many of them at once.
func TestManySmallPartsAreInTheStoresAtOnceAndFewLargeOnes(t *testing.T) {
	for name, c := range map[string]struct{ tenants, each, atLeast, atMost int }{
		"small": {tenants: 100, each: 1, atLeast: 50, atMost: 64}, "large": {tenants: 8, each: 20, atLeast: 4, atMost: 4},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var inside, most int
			began, first, full := make(chan struct{}), make(chan struct{}), make(chan struct{})
			fill := sync.OnceFunc(func() { close(full) })
			b := start(t, &scripted{process: func(_ context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
				if tenant == tenantA {
					close(began)
					<-first
					return allDone(batch), nil
				}
				mu.Lock()
				if inside++; inside == c.atLeast {
					fill()
				}
				most = max(most, inside)
				mu.Unlock()
				<-full
				mu.Lock()
				inside--
				mu.Unlock()
				return allDone(batch), nil
			}}).run()
			sent := b.send(step(tenantA, "first"))
			<-began
			for i := range c.tenants * c.each {
				sent = append(sent, b.send(step(uuid.NewSHA1(tenantA, []byte{byte(i % c.tenants)}), strconv.Itoa(i)))...)
			}
			require.Eventually(t, func() bool { return len(b.transport.queues[b.topology.StageQueue(events.Quality, "a")]) == 0 }, 5*time.Second, time.Millisecond)
			close(first)
			b.await(sent...)
			require.LessOrEqual(t, most, c.atMost)
		})
	}
}

func TestInvariant5UsedUpAttemptsBecomeADeadLetterWithOriginalBytesAndHeaders(t *testing.T) {
	b := start(t, &scripted{process: func(context.Context, uuid.UUID, []workers.Message) ([]workers.Result, error) {
		return nil, errors.New("no such function")
	}}).run()
	first := step(tenantA, "doomed")
	first.Metadata["x-upstream"] = "kept"
	current := first
	for attempt := 1; attempt <= 3; attempt++ {
		b.await(b.send(current)...)
		topic, _, ok := b.topology.RetryTopic(b.topology.StageQueue(events.Quality, "a"), attempt)
		require.True(t, ok)
		retried := b.transport.to(topic)
		require.Len(t, retried, 1)
		current = retried[0].Copy()
	}
	b.await(b.send(current)...)
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 1)
	raw := letters[0]
	require.Equal(t, first.Payload, raw.Payload)
	require.Equal(t, "kept", raw.Metadata["x-upstream"])

	letter := workers.Letter(b.topology, workers.Delivery{Raw: raw, Queue: b.topology.DeadLetterQueue(), Attempt: 4, RoutingKey: raw.Metadata["reos-origin-key"]})
	require.Equal(t, tenantA, letter.Tenant)
	require.Equal(t, events.StageError, letter.Reason)
	require.Equal(t, events.Quality, letter.Stage)
	require.Equal(t, "a", letter.Lane)
	require.Equal(t, "no such function", letter.Error)
	require.Equal(t, uuid.NewSHA1(tenantA, []byte("doomed")), letter.Event, "the accepted event, whose progress ends")
	require.NotContains(t, letter.Headers, "reos-attempt")
	require.Equal(t, "kept", letter.Headers["x-upstream"])
	require.Equal(t, "1.4.0", letter.WorkerVersion)
	require.Len(t, letter.Failures, 4, "when each attempt failed")
	require.True(t, slices.IsSortedFunc(letter.Failures, time.Time.Compare))
	require.WithinDuration(t, letter.FailedAt, letter.Failures[3], 0)
	require.False(t, letter.Version.At.IsZero(), "the step names it")
}

func TestUnavailableStorePausesAndBurnsNoAttempt(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		if down.Load() {
			return nil, fmt.Errorf("dial: %w", store.ErrUnavailable)
		}
		return allDone(batch), nil
	}}).run()
	sent := b.send(steps(tenantA, 50)...)
	require.Eventually(t, func() bool { return b.runner.Ready() != nil }, 5*time.Second, time.Millisecond)
	require.ErrorIs(t, b.runner.Ready(), store.ErrUnavailable)
	down.Store(false)
	b.await(sent...)
	require.NoError(t, b.runner.Ready())
	require.Len(t, b.transport.to(b.topology.Events()), 50)
	require.Empty(t, b.transport.to("reos.retry"))
	require.Empty(t, b.transport.to(b.topology.DeadLetterQueue()))
}

func TestInvariant1NothingIsAckedBeforeItsOutputIsConfirmed(t *testing.T) {
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		results := make([]workers.Result, len(batch))
		for i, verb := range []events.Verb{events.Passed, events.Quarantined, events.Removed} { // a message each
			results[i] = workers.Done(batch[i].Step.Event(events.Quality, verb, batch[i].Event))
		}
		return results, nil
	}})
	sent := []*message.Message{b.bundled(tenantA, "K1", "K2", "K3")} // in one message, so in one batch
	calls := 0
	b.transport.fail = func(batch []events.Outgoing) error {
		for _, msg := range sent {
			require.False(t, acked(msg), "acked before the confirm")
		}
		calls++
		switch calls {
		case 1: // the broker is away
			return errors.New("connection reset")
		case 2: // one of three was nacked
			failures := make(events.PublishErrors, len(batch))
			failures[1] = errors.New("nack")
			return failures
		}
		require.Len(t, batch, 1, "only what was not confirmed is published again")
		return nil
	}
	b.run().await(sent...)
	require.Equal(t, 3, calls)
}

func TestInvariant8ShutdownDrains(t *testing.T) {
	entered, gate := make(chan struct{}, 10), make(chan struct{})
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		entered <- struct{}{}
		<-gate
		return allDone(batch), nil
	}})
	sent := b.send(steps(tenantA, 10)...)
	b.run()
	<-entered
	b.drain()
	close(gate)
	b.awaitDrained()
	handed := 0
	for _, msg := range sent {
		if acked(msg) {
			handed++
		}
	}
	require.Positive(t, handed)
	require.Equal(t, handed, len(b.transport.to(b.topology.Events())), "what was handed out is finished and acked")
}

func TestInvariant8SecondSignalLeavesMessagesUnacked(t *testing.T) {
	entered := make(chan struct{}, 10)
	b := start(t, &scripted{process: func(ctx context.Context, _ uuid.UUID, _ []workers.Message) ([]workers.Result, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}).run()
	sent := b.send(steps(tenantA, 5)...)
	<-entered
	b.drain()
	b.abort()
	b.awaitDrained()
	for _, msg := range sent {
		require.False(t, acked(msg), "the broker delivers it again")
	}
	require.Empty(t, b.transport.to("reos."))
}

// bundled makes one message of steps, as the stage before sends it.
func (b *bench) bundled(tenant uuid.UUID, keys ...string) *message.Message {
	var said []events.Event
	for _, key := range keys {
		event, err := events.Decode(step(tenant, key))
		require.NoError(b.t, err)
		said = append(said, event)
	}
	out := workers.Outgoing(b.topology, "a", said)
	require.Len(b.t, out, 1)
	return b.send(out[0].Message)[0]
}

func TestPoisonInABundleHarmsOnlyItself(t *testing.T) {
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		for _, m := range batch {
			if m.Step.Key == "poison" {
				return nil, errors.New("poison")
			}
		}
		return allDone(batch), nil
	}})
	carrier := b.bundled(tenantA, "K1", "poison", "K2")
	sent := unbundled(carrier)
	b.run().await(carrier)
	require.Len(t, b.transport.to(b.topology.Events()), 2)
	queue := b.topology.StageQueue(events.Quality, "a")
	retried := b.transport.to("reos.retry.5s/" + queue)
	require.Len(t, retried, 1)
	require.Equal(t, string(sent[1].Payload), string(retried[0].Payload))

	current := retried[0]
	for attempt := 2; attempt <= 4; attempt++ {
		current = current.Copy()
		current.Metadata[events.MetaExchange], current.Metadata[events.MetaRoutingKey] = "reos.redeliver", queue
		b.transport.queues[queue] <- current
		b.await(current)
		if topic, _, ok := b.topology.RetryTopic(queue, attempt); ok {
			current = b.transport.to(topic)[0]
		}
	}
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 1)
	letter := workers.Letter(b.topology, workers.Delivery{Raw: letters[0], Queue: b.topology.DeadLetterQueue()})
	require.Equal(t, uuid.NewSHA1(tenantA, []byte("poison")), letter.Event)
	require.Equal(t, string(sent[1].Payload), string(letter.Payload))
}

func TestInvariant1BundleIsAckedOnlyAsAWhole(t *testing.T) {
	entered, gate := make(chan int, 10), make(chan struct{})
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		entered <- len(batch)
		<-gate
		return allDone(batch), nil
	}})
	keys := make([]string, events.MaxBundle)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	var carriers []*message.Message
	for range 5 { // more than a batch of 200 holds
		carriers = append(carriers, b.bundled(tenantA, keys...))
	}
	b.run()
	for n := range entered {
		require.Zero(t, n%events.MaxBundle, "a bundle is never taken apart")
		break
	}
	for _, carrier := range carriers {
		require.False(t, acked(carrier))
	}
	close(gate)
	b.await(carriers...)
	require.Len(t, b.transport.to(b.topology.Events()), 5*events.MaxBundle)
}

func TestUnreadableMessageIsDeadAndHarmsNoOther(t *testing.T) {
	b := start(t, &scripted{process: func(_ context.Context, _ uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
		return allDone(batch), nil
	}})
	broken := step(tenantA, "broken")
	broken.Payload = []byte("\x00not json")
	typeless := step(tenantA, "typeless")
	delete(typeless.Metadata, "cloudEvents:type")
	good := step(tenantA, "good")
	b.send(broken, typeless, good)
	b.run().await(broken, typeless, good)
	letters := b.transport.to(b.topology.DeadLetterQueue())
	require.Len(t, letters, 2)
	require.Equal(t, string(events.DataNotJSON), letters[0].Metadata["reos-reason"])
	require.Equal(t, []byte("\x00not json"), []byte(letters[0].Payload))
	require.Contains(t, letters[1].Metadata["reos-error"], "type must be present")
	require.Len(t, b.transport.to(b.topology.Events()), 1)
}
