// Package rabbitmq carries messages over RabbitMQ, from 3.10 on and without plugins. It is the only importer of
// amqp091-go.
//
// A Transport holds two connections, so that a publisher held up by the broker does not hold up its acks. Each is
// replaced when it is lost, with channels made anew (link.go); the library's own recovery is not used, because it
// keeps a channel's delivery tags across connections: a late ack could then settle another message.
//
// Reading order: transport.go, link.go, connection.go (connections); publisher.go, confirms.go (out);
// subscriber.go, settle.go (in); headers.go, typed.go (what a message looks like on the wire); topology.go,
// targets.go, control.go (declarations).
package rabbitmq
