package rabbitmq

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/eventstest"
)

func TestConformance(t *testing.T) {
	eventstest.Run(t, eventstest.Harness{
		Open: func(t *testing.T, topology events.Topology) events.Transport {
			return openAt(t, sharedBroker(t), topology)
		},
		OpenRestartable: func(t *testing.T) (eventstest.OpenFunc, func()) {
			broker := newPrivateBroker(t)
			return func(t *testing.T, topology events.Topology) events.Transport {
				return openAt(t, broker.url, topology)
			}, broker.restart
		},
	})
}

// features says what RabbitMQ's queues are, in the words of Watermill's suite. Not claimed:
//   - ConsumerGroups: a topic is one queue; who wants a copy of its own binds a queue of its own.
//   - ExactlyOnceDelivery: no broker has it; effects are idempotent instead.
//   - GuaranteedOrder: Watermill means by it that a message waits for the ack of the one before. One subscriber does
//     get a queue's messages in their order: TestWatermillInOrder.
//   - NewSubscriberReceivesOldMessages: what is acked is gone.
//   - ContextPreserved: a context does not travel.
var features = tests.Features{Persistent: true, GuaranteedOrderWithSingleSubscriber: true}

func pubSub(url func(testing.TB) string) tests.PubSubConstructor {
	return func(t *testing.T) (message.Publisher, message.Subscriber) {
		topology := newTopology()
		return openAt(t, url(t), topology), openAt(t, url(t), topology)
	}
}

func TestWatermillPubSub(t *testing.T) {
	tests.TestPubSub(t, features, pubSub(sharedBroker), nil)
}

func TestWatermillInOrder(t *testing.T) {
	ordered := features
	ordered.GuaranteedOrder = true
	tests.TestPublishSubscribeInOrder(t, tests.TestContext{TestID: tests.NewTestID(), Features: ordered}, pubSub(sharedBroker))
}

func TestWatermillReconnect(t *testing.T) {
	broker := newPrivateBroker(t)
	restartable := features
	restartable.RestartServiceCommand = broker.script()
	url := func(testing.TB) string { return broker.url }
	tests.TestReconnect(t, tests.TestContext{TestID: tests.NewTestID(), Features: restartable}, pubSub(url))
}
