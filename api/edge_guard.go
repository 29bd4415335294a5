package api

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

// guard is the ResponseWriter of an operation that may panic, or still run when its answer has been given by somebody
// else. Safe for concurrent use by the operation and whoever gives up on it.
type guard struct {
	inner  http.ResponseWriter
	header http.Header // the operation's own: it may write there while the inner one is being sent

	patience time.Duration // of each write; 0 = the deadline of the whole stays

	mu     sync.Mutex
	begun  bool // the status line has been written
	closed bool // whatever comes now is lost
	broken bool // the answer has begun and will not be complete
}

func newGuard(w http.ResponseWriter) *guard { return &guard{inner: w, header: w.Header().Clone()} }

// Header implements http.ResponseWriter.
func (g *guard) Header() http.Header { return g.header }

// WriteHeader implements http.ResponseWriter. Only the first counts.
func (g *guard) WriteHeader(code int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.begin(code)
}

func (g *guard) begin(code int) {
	if g.begun || g.closed {
		return
	}
	g.begun = true
	g.wait()
	header := g.inner.Header()
	clear(header)
	for name, values := range g.header {
		header[name] = values
	}
	g.inner.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, http.ErrHandlerTimeout
	}
	g.begin(http.StatusOK)
	g.wait()
	return g.inner.Write(p)
}

// wait moves the deadline to write for as long as the client may now take.
func (g *guard) wait() {
	if g.patience > 0 {
		_ = http.NewResponseController(g.inner).SetWriteDeadline(time.Now().Add(g.patience))
	}
}

// Unwrap lets http.ResponseController reach the connection.
func (g *guard) Unwrap() http.ResponseWriter { return g.inner }

// giveUp answers with a problem in place of the operation, or breaks off the answer that it has begun.
func (g *guard) giveUp(r *http.Request, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return
	}
	g.closed = true
	if g.begun {
		g.broken = true
		return
	}
	g.begun = true
	// What is left of the body is not read, and the operation may still hold on to it.
	g.inner.Header().Set("Connection", "close")
	answerProblem(g.inner, r, err)
}

// end closes the answer and says whether it is broken.
func (g *guard) end() (broken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.begin(http.StatusOK)
	}
	g.closed = true
	return g.broken
}

// recovering runs an operation. Where it panics, the caller gets a problem and the log says where, but not with what.
//
// Invariant 9: the value of a panic may be made of a payload; its type and the stack are not.
func (s *Server) recovering(guarded *guard, r *http.Request, pattern string) {
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		if !isGone(value, r) {
			s.log.Error().Str("route", routeOf(pattern)).Str("panic", panicText(value)).Bytes("stack", debug.Stack()).Msg("operation panicked")
		}
		guarded.giveUp(r, problem(http.StatusInternalServerError, ProblemBug, "the operation failed; the log of the service says why"))
	}()
	s.mux.ServeHTTP(guarded, r)
}

// isGone says whether a panic comes from nobody being there to write to.
func isGone(value any, r *http.Request) bool {
	var own runtime.Error
	err, ok := value.(error)
	return ok && (err == http.ErrAbortHandler || r.Context().Err() != nil && !errors.As(err, &own))
}

// panicText describes a panic without its payload: Go's own messages name types, indexes and lengths.
func panicText(value any) string {
	var own runtime.Error
	if err, ok := value.(error); ok && errors.As(err, &own) {
		return own.Error()
	}
	return fmt.Sprintf("%T", value)
}
