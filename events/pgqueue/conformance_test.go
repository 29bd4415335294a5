package pgqueue_test

import (
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/eventstest"
)

func TestTransport(t *testing.T) {
	shared := sync.OnceValue(func() string { return cluster.database(t) })
	eventstest.Run(t, eventstest.Harness{
		Open: func(t *testing.T, topology events.Topology) events.Transport {
			return openOn(t, cluster.pool(t, shared()), topology)
		},
		OpenRestartable: func(t *testing.T) (eventstest.OpenFunc, func()) {
			database := cluster.database(t)
			open := func(t *testing.T, topology events.Topology) events.Transport {
				return openOn(t, cluster.pool(t, database), topology)
			}
			return open, func() { cluster.restart(t, database) }
		},
	})
}

// watermill's suite opens publisher and subscriber apart, and closes one without the other.
func watermillPair(t *testing.T, database string) tests.PubSubConstructor {
	pool := cluster.pool(t, database)
	return func(t *testing.T) (message.Publisher, message.Subscriber) {
		return openOn(t, pool, topologyFor(t)), openOn(t, pool, topologyFor(t))
	}
}

func TestWatermill(t *testing.T) {
	features := tests.Features{
		// One queue is shared by all its consumers; what every consumer should get is bound to a queue of each.
		ConsumerGroups: false,
		// At least once.
		ExactlyOnceDelivery: false,
		// The queue is in order (TestWatermillOrder), but the suite's name for it asks for more: that a message is
		// held back until the one before it is acked. We have many in flight.
		GuaranteedOrder: false,
		Persistent:      true,
		// A message's context is not stored.
		ContextPreserved: false,
		// What was acked is gone.
		NewSubscriberReceivesOldMessages: false,
		// Restarts are eventstest's: this command would restart the server under other tests.
		RestartServiceCommand: nil,
	}
	tests.TestPubSub(t, features, watermillPair(t, cluster.database(t)), nil)
}

func TestWatermillOrder(t *testing.T) {
	tests.TestPublishSubscribeInOrder(t, tests.TestContext{
		TestID:   tests.NewTestID(),
		Features: tests.Features{GuaranteedOrder: true, GuaranteedOrderWithSingleSubscriber: true, Persistent: true},
	}, watermillPair(t, cluster.database(t)))
}
