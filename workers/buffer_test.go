package workers

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"
)

// feed is a buffer and the subscription before it. Carriers are one delivery each, of the tenant that they name.
type feed struct {
	*buffer
	carriers chan *message.Message
}

func newFeed(t *testing.T) feed {
	f := feed{newBuffer(), make(chan *message.Message)}
	go f.fill(f.carriers, func(carrier *message.Message) []Delivery {
		return []Delivery{{RoutingKey: string(carrier.Payload), carrier: carrier}}
	})
	t.Cleanup(func() { close(f.carriers) })
	return f
}

// send sends so many messages of each tenant.
func (f feed) send(n int, tenants ...string) {
	for range n {
		for _, tenant := range tenants {
			f.carriers <- message.NewMessage("", []byte(tenant))
		}
	}
	synctest.Wait()
}

// took takes the next batch; it returns its size and the time that this took.
func (f feed) took(t *testing.T) (int, time.Duration) {
	started := time.Now()
	batch := f.take(t.Context(), 10, 1<<20)
	return len(batch), time.Since(started)
}

func TestALoneMessageWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t)
		for range 3 {
			f.send(1, "a")
			n, waited := f.took(t)
			require.Equal(t, 1, n)
			require.Zero(t, waited)
			time.Sleep(time.Hour) // at work
		}
	})
}

func TestABacklogOfManyTenantsIsTakenWithWhatTheAcksBring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFeed(t)
		f.send(5, "a", "b")
		n, _ := f.took(t)
		require.Equal(t, 10, n, "a batch of the size that says: there is a backlog")

		time.Sleep(time.Second) // at work, while the prefetch lets as many come
		f.send(5, "a", "b")
		time.AfterFunc(30*time.Millisecond, func() { f.send(2, "a", "b", "c", "d") })
		n, waited := f.took(t)
		require.Equal(t, 18, n, "with what the broker sent for the acks")
		require.Equal(t, time.Second/refillShare, waited, "an eighth of the time at work")

		time.Sleep(time.Hour)
		f.send(1, "a", "b")
		n, waited = f.took(t)
		require.Equal(t, 2, n)
		require.Equal(t, refillQuiet, waited, "nothing came")

		f.send(1, "a")
		_, waited = f.took(t)
		require.Zero(t, waited, "the backlog is over")
	})
}

func TestAFullBatchIsTakenAtOnce(t *testing.T) {
	for name, tenants := range map[string][]string{
		"of one tenant": {"a"}, "of many": {"a", "b", "c", "d", "e", "f", "g", "h"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFeed(t)
				f.send(80/len(tenants), tenants...)
				for range 2 {
					n, waited := f.took(t)
					require.Equal(t, min(10*len(tenants), 10*tenantsAtOnce), n)
					require.Zero(t, waited)
					time.Sleep(time.Hour)
				}
			})
		})
	}
}

func TestADrainWaitsForNoRefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := feed{newBuffer(), make(chan *message.Message)}
		go f.fill(f.carriers, func(carrier *message.Message) []Delivery { return []Delivery{{carrier: carrier}} })
		f.send(10, "a")
		n, _ := f.took(t)
		require.Equal(t, 10, n)
		time.Sleep(time.Hour)
		f.send(3, "a")
		close(f.carriers)
		synctest.Wait()
		n, waited := f.took(t)
		require.Equal(t, 3, n)
		require.Zero(t, waited)
		n, _ = f.took(t)
		require.Zero(t, n, "the end")
	})
}
