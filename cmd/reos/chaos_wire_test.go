package main

import (
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// wire carries TCP connections to a server, and can be cut in two ways.
type wire struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	refuses bool
	clear   chan struct{} // closed while bytes may pass
	ends    map[net.Conn]struct{}
}

// newWire starts a wire to a server; it is taken down when the test ends.
func newWire(t *testing.T, target string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{listener: listener, target: target, clear: make(chan struct{}), ends: map[net.Conn]struct{}{}}
	close(w.clear)
	t.Cleanup(func() {
		_ = listener.Close()
		w.restore()
		w.hangUp()
	})
	go w.accept()
	return w
}

func (w *wire) address() string { return w.listener.Addr().String() }

// refuse resets all connections, and every new one: the server's process is gone.
func (w *wire) refuse() {
	w.mu.Lock()
	w.refuses = true
	w.mu.Unlock()
	w.hangUp()
}

// silence lets nothing pass, and loses nothing: a network that is parted. What was sent arrives after restore.
func (w *wire) silence() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clear = make(chan struct{})
}

// restore ends refuse and silence.
func (w *wire) restore() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuses = false
	select {
	case <-w.clear:
	default:
		close(w.clear)
	}
}

func (w *wire) accept() {
	for {
		near, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.join(near)
	}
}

// join connects an accepted connection with the server and carries both ways until either end closes.
func (w *wire) join(near net.Conn) {
	if !w.hold(near) {
		return
	}
	defer w.drop(near)
	w.await()
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	if !w.hold(far) {
		return
	}
	defer w.drop(far)
	var both sync.WaitGroup
	both.Go(func() { w.carry(near, far) })
	both.Go(func() { w.carry(far, near) })
	both.Wait()
}

// carry moves bytes one way, as long as they may pass. An end on one side ends the other.
func (w *wire) carry(from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			w.await()
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// await returns when bytes may pass.
func (w *wire) await() {
	w.mu.Lock()
	clear := w.clear
	w.mu.Unlock()
	<-clear
}

// hold notes an open end; it refuses one by a reset.
func (w *wire) hold(end net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses {
		reset(end)
		return false
	}
	w.ends[end] = struct{}{}
	return true
}

func (w *wire) drop(end net.Conn) {
	_ = end.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ends, end)
}

func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for end := range w.ends {
		reset(end)
	}
}

// reset closes a connection so that its peer sees an error, not an orderly end.
func reset(end net.Conn) {
	if tcp, ok := end.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = end.Close()
}
