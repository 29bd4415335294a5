package rabbitmq

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/codybias9/real-estate-os/events"
)

// ledger is the broker's side of a channel: a tag may be settled once, and `multiple` settles all below it.
type ledger struct {
	mu       sync.Mutex
	open     map[uint64]*message.Message
	requeued map[uint64]bool
	acks     int
	fault    error
	changed  chan struct{}
}

func newLedger() *ledger {
	return &ledger{open: map[uint64]*message.Message{}, requeued: map[uint64]bool{}, changed: make(chan struct{}, 1)}
}

func (l *ledger) deliver(tag uint64, msg *message.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[tag] = msg
}

func (l *ledger) Ack(tag uint64, multiple bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acks++
	if l.open[tag] == nil {
		l.fault = fmt.Errorf("unknown delivery tag %d", tag)
	}
	for each, msg := range l.open {
		if each == tag || multiple && each < tag {
			select {
			case <-msg.Acked():
			default:
				l.fault = fmt.Errorf("tag %d acked over by %d", each, tag)
			}
			delete(l.open, each)
		}
	}
	l.signal()
	return nil
}

func (l *ledger) Nack(tag uint64, multiple, requeue bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if multiple || !requeue || l.open[tag] == nil {
		l.fault = fmt.Errorf("nack %d", tag)
	}
	delete(l.open, tag)
	l.requeued[tag] = true
	l.signal()
	return nil
}

func (l *ledger) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// settledBut waits until only these tags are open.
func (l *ledger) settledBut(t require.TestingT, tags ...uint64) {
	deadline := time.After(patience)
	for {
		l.mu.Lock()
		left := len(l.open)
		l.mu.Unlock()
		if left == len(tags) {
			break
		}
		select {
		case <-l.changed:
		case <-deadline:
			require.FailNow(t, "not settled", "%d are open", left)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	require.NoError(t, l.fault)
	for _, tag := range tags {
		require.Contains(t, l.open, tag)
	}
}

// hand gives the settler n messages.
func hand(s *settler, l *ledger, n int) []*message.Message {
	messages := make([]*message.Message, n)
	for i := range messages {
		ctx, cancel := context.WithCancel(context.Background())
		messages[i] = message.NewMessageWithContext(ctx, "", nil)
		l.deliver(uint64(i+1), messages[i])
		s.fresh <- &delivery{tag: uint64(i + 1), msg: messages[i], cancel: cancel}
	}
	return messages
}

func TestSettleInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLedger()
		s := newSettler(l, 16, nil, nil)
		go s.run()
		n := rapid.IntRange(1, 300).Draw(t, "messages")
		nacks := map[uint64]bool{}
		messages := hand(s, l, n)
		close(s.fresh)
		for _, i := range rapid.Permutation(indices(n)).Draw(t, "order") {
			if rapid.IntRange(0, 9).Draw(t, "one in ten is nacked") == 0 {
				nacks[uint64(i+1)] = true
				messages[i].Nack()
			} else {
				messages[i].Ack()
			}
		}
		<-s.done
		l.settledBut(t)
		require.Equal(t, nacks, l.requeued)
		for _, msg := range messages {
			require.Error(t, msg.Context().Err())
		}
	})
}

func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func TestAcksCoalesce(t *testing.T) {
	l := newLedger()
	s := newSettler(l, 200, nil, nil)
	messages := hand(s, l, 200)
	for _, msg := range messages {
		msg.Ack()
	}
	close(s.fresh)
	s.run()
	l.settledBut(t)
	require.Equal(t, 1, l.acks)
}

// A broker forgets acks of quorum queues that follow each other too closely, when the channel is closed behind them.
func TestAcksGather(t *testing.T) {
	for name, c := range map[string]struct {
		prefetch, messages int
		pause              time.Duration // before each is done
		acks               int
		most               time.Duration // until all are acked
	}{
		"one after the other":                {200, 30, time.Millisecond, 3, 40 * time.Millisecond},
		"half of the prefetch is done":       {gatherAtLeast, gatherAtLeast / 2, 0, 1, 0},
		"a prefetch that acks would hold up": {2, 2, time.Millisecond, 2, 2 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLedger()
				s := newSettler(l, c.prefetch, nil, nil)
				began := time.Now()
				messages := hand(s, l, c.messages)
				if c.pause > 0 {
					go s.run()
				}
				for _, msg := range messages {
					time.Sleep(c.pause)
					msg.Ack()
				}
				if c.pause == 0 {
					go s.run()
				}
				l.settledBut(t)
				require.LessOrEqual(t, time.Since(began), c.most)
				require.Equal(t, c.acks, l.acks)
				close(s.fresh)
				<-s.done
			})
		})
	}
}

// What is done when Close waits no longer is acked all the same.
func TestGatheredAcksAreNotLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, giveUp := newLedger(), make(chan struct{})
		s := newSettler(l, 200, nil, giveUp)
		messages := hand(s, l, 2)
		go s.run()
		messages[0].Ack()
		synctest.Wait()
		require.Zero(t, l.acks)
		close(giveUp)
		<-s.done
		l.settledBut(t, 2)
	})
}

func TestASlowHeadHoldsUpNobody(t *testing.T) {
	l := newLedger()
	s := newSettler(l, 10, nil, nil)
	go s.run()
	messages := hand(s, l, 10)
	for _, msg := range messages[1:] {
		msg.Ack()
	}
	l.settledBut(t, 1)
	require.NoError(t, messages[0].Context().Err())
	messages[0].Ack()
	l.settledBut(t)
	close(s.fresh)
	<-s.done
}

func TestAcksOfALostChannelAreDropped(t *testing.T) {
	l, gone := newLedger(), make(chan *amqp.Error, 1)
	s := newSettler(l, 10, gone, nil)
	go s.run()
	messages := hand(s, l, 2)
	gone <- amqp.ErrClosed
	require.Eventually(t, func() bool { return len(gone) == 0 }, patience, time.Millisecond)
	messages[1].Ack()
	messages[0].Ack()
	close(s.fresh)
	<-s.done
	require.Zero(t, l.acks)
	require.Error(t, messages[0].Context().Err())
}

func TestCloseWaitsNoLonger(t *testing.T) {
	l, giveUp := newLedger(), make(chan struct{})
	s := newSettler(l, 10, nil, giveUp)
	messages := hand(s, l, 2)
	close(giveUp)
	s.run()
	require.Zero(t, l.acks)
	require.Error(t, messages[1].Context().Err())
}

// The broker is the judge: one wrong tag closes the channel, and messages come again.
func TestSettleInAnyOrderOnTheBroker(t *testing.T) {
	transport := declared(t)
	queue := transport.topology.StageQueue(events.Quality, "a")
	const count = 5000
	require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, count)))
	messages, err := transport.Subscribe(context.Background(), queue)
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	var held []*message.Message
	for received := 0; received < count; {
		msg := receive(t, messages)
		received++
		require.NotContains(t, msg.Metadata, MetaRedelivered)
		held = append(held, msg)
		for len(held) > random.IntN(defaultPrefetch) || received == count && len(held) > 0 {
			i := random.IntN(len(held))
			held[i].Ack()
			held = append(held[:i], held[i+1:]...)
		}
	}
	requireOnlyProbesLeft(t, transport, queue, messages)
}

// requireOnlyProbesLeft closes a transport whose messages are all acked, and demands that the broker kept none of them.
//
// A channel that closes takes with it acks that the broker had accepted but not yet passed on to the queue. So a
// prefetch full of probes comes first: the queue hands out the last of them only when it knows of every ack before.
func requireOnlyProbesLeft(t *testing.T, transport *Transport, queue string, messages <-chan *message.Message) {
	t.Helper()
	require.NoError(t, transport.PublishBatch(within(t), outgoing(queue, defaultPrefetch)))
	take(t, messages, defaultPrefetch)
	require.NoError(t, transport.Close())
	awaitDepth(t, openAt(t, transport.config.URL, transport.topology), queue, defaultPrefetch)
}

// outgoing makes n messages for a topic.
func outgoing(topic string, n int) []events.Outgoing {
	batch := make([]events.Outgoing, n)
	for i := range batch {
		msg := message.NewMessage(fmt.Sprintf("message-%d", i), make([]byte, 1024))
		msg.Metadata.Set("cloudEvents:id", msg.UUID)
		batch[i] = events.Outgoing{Topic: topic, Message: msg}
	}
	return batch
}
