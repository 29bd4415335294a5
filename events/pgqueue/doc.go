// Package pgqueue is the transport of the embedded default: exchanges, bindings and queues as RabbitMQ has them, as
// far as the topology uses them, in tables of Postgres (schema pgqueue).
//
// A message is a row of pgqueue.messages for each queue that it was routed to.
//
//	publish  one INSERT for everything that callers want to publish at that moment (publisher.go)
//	claim    a consumer marks the next rows as its transport's and counts a delivery (claim.go, consumer.go)
//	ack      the row is deleted (settler.go)
//	release  the mark is taken off: nacked, its subscription or its transport ended (settler.go, move.go)
//	move     the row leaves for another queue: expired, or past its delivery limit (move.go)
//
// A claim is a token (queue, id, number of the delivery). Acks and releases name it, so that one that comes too late
// does nothing to a later delivery of the same message.
//
// Claims have no timeout. A transport is alive for as long as the connection of its session lives, which holds an
// advisory lock on the transport's id (session.go). When a process dies its connection drops, the lock is free, and
// whichever transport looks next (every second, and when one is opened) releases its messages (keeper.go). A
// transport that lost its connection takes the same lock again when it is back, and keeps what it has in hand unless
// another one looked in between.
//
// Consumers are woken by NOTIFY, and by the transport itself for what it published; once a second it looks whether it
// missed a notice.
//
// Session locks and LISTEN need a connection of their own: connect to Postgres itself or to a pooler in session mode.
package pgqueue
