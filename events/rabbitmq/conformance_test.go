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
//
// RestartServiceCommand is not set: see TestReconnect.
var features = tests.Features{Persistent: true, GuaranteedOrderWithSingleSubscriber: true}

// pubSub opens a transport for each, because the suite closes them one by one.
func pubSub(t *testing.T) (message.Publisher, message.Subscriber) {
	return open(t), open(t)
}

func TestWatermillPubSub(t *testing.T) {
	tests.TestPubSub(t, features, pubSub, nil)
}

func TestWatermillInOrder(t *testing.T) {
	ordered := features
	ordered.GuaranteedOrder = true
	tests.TestPublishSubscribeInOrder(t, tests.TestContext{TestID: tests.NewTestID(), Features: ordered}, pubSub)
}
