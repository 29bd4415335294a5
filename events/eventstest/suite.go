// Package eventstest is the conformance suite of events.Transport: the named behaviours that every transport shows
// the pipeline, whatever broker is behind it. Watermill's own suite comes on top of it.
package eventstest

import (
	"testing"

	"github.com/codybias9/real-estate-os/events"
)

// OpenFunc opens a transport on a broker, as one more process of an installation would. Transports opened with the
// same namespace share their queues; a namespace is used by one test only. The suite closes what it opens, some of
// it twice.
type OpenFunc func(t *testing.T, topology events.Topology) events.Transport

// Harness says how to reach a broker.
type Harness struct {
	// Open reaches the broker that all tests share. It is called from parallel tests.
	Open OpenFunc
	// OpenRestartable makes a broker that the calling test has to itself. restart breaks every connection to it, as a
	// restart of its machine would, and returns once it takes connections again.
	OpenRestartable func(t *testing.T) (open OpenFunc, restart func())
}

// Run runs every behaviour as a parallel subtest.
func Run(t *testing.T, harness Harness) {
	t.Helper()
	for _, behaviour := range []struct {
		name string
		test func(fixture)
	}{
		{"a message arrives whole", arrivesWhole},
		{"a message says what it was delivered from", saysWhereFrom},
		{"a queue is first in first out", firstInFirstOut},
		{"a batch is confirmed for each message by itself", confirmsEach},
		{"publishing in parallel loses and doubles nothing", publishesInParallel},

		{"a message comes again when its consumer goes away", comesAgain},
		{"a nacked message comes again", nackedComesAgain},
		{"an ack is final", ackIsFinal},
		{"many messages are in flight before the first ack", manyInFlight},
		{"acks may come out of order", acksOutOfOrder},
		{"two consumers share a queue", consumersShare},
		{"an ended subscription drains", drains},
		{"a closed transport refuses", closedRefuses},

		{"an event reaches every queue that is bound, in its lane", fansOut},
		{"a tenant's intake takes its lane and backfills the bulk lane", takesLane},
		{"an unknown tenant's message is kept", keepsUnroutable},
		{"a binding made by another process is seen", seesNewBinding},
		{"a tenant bound twice gets a message once", bindsTwice},
		{"a tenant moves to another lane", movesTenant},
		{"a tenant moves while it publishes", movesUnderLoad},
		{"a tenant is removed", removesTenant},
		{"nobody need listen to what is optional", optionalMessages},

		{"a retry comes back after its delay", comesBackAfterDelay},
		{"a dead letter keeps bytes and headers", deadLetterKeeps},
		{"a message that outlives its workers is a dead letter", passesDeliveryLimit},

		{"declare is idempotent and safe in parallel", declaresTwice},
		{"declare deletes the queues that nobody consumes any more", deletesRetired},
		{"depths count what waits", countsDepths},
	} {
		t.Run(behaviour.name, func(t *testing.T) {
			t.Parallel()
			behaviour.test(newFixture(t, harness.Open))
		})
	}
	for _, behaviour := range []struct {
		name string
		test func(fixture, func())
	}{
		{"a broker restarts while it is published to", restartsUnderPublisher},
		{"a broker restarts while it is consumed", restartsUnderConsumer},
	} {
		t.Run(behaviour.name, func(t *testing.T) {
			t.Parallel()
			open, restart := harness.OpenRestartable(t)
			behaviour.test(newFixture(t, open), restart)
		})
	}
}
