package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	heartbeat     = 10 * time.Second
	dialTimeout   = 10 * time.Second // TCP, TLS and AMQP handshake together
	hangUpTimeout = 3 * time.Second
)

// connection is one connection to the broker, from its handshake to its end. It never comes back to life.
type connection struct {
	*amqp.Connection
	socket net.Conn

	lost  chan struct{} // closed at the end of the connection
	cause error         // why it ended; set before lost is closed

	mu     sync.Mutex
	reason string        // why the broker takes no messages just now; empty when it does
	free   chan struct{} // closed while the broker takes messages
}

// dial connects within dialTimeout. Cancelling ctx ends the attempt; it does not end the connection.
func dial(ctx context.Context, url, name string) (*connection, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var socket net.Conn
	settled := func() bool { return ctx.Err() == nil }
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(name)
	conn, err := amqp.DialConfig(url, amqp.Config{
		Heartbeat:  heartbeat,
		Properties: properties,
		Dial: func(network, address string) (net.Conn, error) {
			var err error
			if socket, err = new(net.Dialer).DialContext(ctx, network, address); err != nil {
				return nil, err
			}
			settled = context.AfterFunc(ctx, func() { _ = socket.Close() })
			deadline, _ := ctx.Deadline()
			return socket, socket.SetDeadline(deadline) // amqp091-go clears it after the handshake
		},
	})
	if !settled() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if socket != nil {
			_ = socket.Close()
		}
		return nil, err
	}
	free := make(chan struct{})
	close(free)
	c := &connection{Connection: conn, socket: socket, lost: make(chan struct{}), free: free}
	go c.watch(conn.NotifyClose(make(chan *amqp.Error, 1)), conn.NotifyBlocked(make(chan amqp.Blocking, 8)))
	return c, nil
}

// connectionName is what operators see in the broker's list of connections.
func connectionName(purpose string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	return fmt.Sprintf("reos %s (%s, process %d)", purpose, host, os.Getpid())
}

// watch follows the connection to its end, when amqp091-go closes both channels.
func (c *connection) watch(closes <-chan *amqp.Error, blocks <-chan amqp.Blocking) {
	for {
		select {
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			c.setBlocked(b)
		case err := <-closes:
			c.cause = errors.New("closed by this process")
			if err != nil {
				c.cause = err
			}
			close(c.lost)
			return
		}
	}
}

func (c *connection) setBlocked(b amqp.Blocking) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.reason != ""
	c.reason = ""
	if b.Active {
		c.reason = b.Reason
		if c.reason == "" {
			c.reason = "no reason given"
		}
	}
	switch is := c.reason != ""; {
	case is && !was:
		c.free = make(chan struct{})
	case was && !is:
		close(c.free)
	}
}

// blocked gives the broker's reason to take no messages; empty when it takes them. unblocked is closed when it does.
func (c *connection) blocked() (reason string, unblocked <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason, c.free
}

// hangUp closes the connection within hangUpTimeout. A broker that blocks publishers does not read a polite
// goodbye, and its heartbeats would keep us waiting for the answer: then the socket is closed.
func (c *connection) hangUp() {
	cut := time.AfterFunc(hangUpTimeout, func() { _ = c.socket.Close() })
	defer cut.Stop()
	_ = c.CloseDeadline(time.Now().Add(hangUpTimeout)) // whatever it says, the connection is closed after it
	<-c.lost
}
