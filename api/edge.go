package api

import (
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// ServeHTTP implements http.Handler. Whatever a client sends, it gets an answer that says what was wrong, or a closed
// connection, and the next request works.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, pattern := s.mux.Handler(r)
	s.metrics.measure(pattern, w, r, func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		if err := refuse(r, s.served[pattern]); err != nil {
			answerProblem(w, r, err)
			return
		}
		if pattern == "" {
			s.notServed(w, r)
			return
		}
		s.contain(w, r, pattern)
	})
}

// secure sets what a browser must know of every answer: data are nobody else's to keep, to frame or to guess the type of.
// A page says for itself what it may load.
func secure(header http.Header) {
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Referrer-Policy", "no-referrer")
}

// notServed answers where no operation does: OPTIONS, a method that the path does not know, or an unknown path.
func (s *Server) notServed(w http.ResponseWriter, r *http.Request) {
	allowed := s.methods(r)
	switch {
	case allowed == "" && s.wantsPage(r):
		s.pages.NotFound(w, r)
	case allowed == "":
		answerProblem(w, r, problem(http.StatusNotFound, ProblemNotFound, "there is nothing at this path; see /docs"))
	case r.Method == http.MethodOptions:
		w.Header().Set("Allow", allowed)
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", allowed)
		answerProblem(w, r, problem(http.StatusMethodNotAllowed, ProblemMethod, "the path takes "+allowed))
	}
}

// methods lists what a path takes, as the mux says it; empty where there is nothing at the path.
func (s *Server) methods(r *http.Request) string {
	answer, _ := s.mux.Handler(r)
	said := headerOnly{}
	answer.ServeHTTP(said, r)
	return http.Header(said).Get("Allow")
}

// headerOnly is a ResponseWriter for who wants to know the header alone.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) WriteHeader(int)             {}
func (h headerOnly) Write(p []byte) (int, error) { return len(p), nil }

// answerProblem answers a request that reaches no operation.
func answerProblem(w http.ResponseWriter, r *http.Request, err error) {
	writeProblem(humago.NewContext(nil, r, w), err)
}

// contain runs an operation so that neither its panic nor its delay is more than this request's.
func (s *Server) contain(w http.ResponseWriter, r *http.Request, pattern string) {
	guarded := newGuard(w)
	if s.served[pattern].Streams {
		guarded.patience = s.config.BodyTimeout
		s.recovering(guarded, withBody(w, r, s.config.BodyTimeout), pattern)
	} else {
		s.inTime(guarded, withBody(w, r, 0), pattern)
	}
	if guarded.end() {
		panic(http.ErrAbortHandler) // the answer has begun and will not be complete: only closing the connection says so
	}
}

// inTime runs an operation and answers for it where it does not end: it goes on, but whatever it still writes is lost.
// Operations that mind their context end earlier, at RequestTimeout.
func (s *Server) inTime(guarded *guard, r *http.Request, pattern string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.recovering(guarded, r, pattern)
	}()
	timer := time.NewTimer(s.budget(r))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		s.log.Error().Str("route", routeOf(pattern)).Msg("the operation does not end: answered in its place")
		guarded.giveUp(r, retryLater(http.StatusServiceUnavailable, ProblemUnavailable,
			fmt.Sprintf("the request took longer than %s", s.config.RequestTimeout), unavailableFor))
	}
}

// budget is the time to answer a request, with some to spare for operations that mind their context.
func (s *Server) budget(r *http.Request) time.Duration {
	budget := s.config.RequestTimeout + s.config.RequestTimeout/10
	if r.Body != http.NoBody {
		budget += s.config.BodyTimeout
	}
	return budget
}

// routeOf names a route in logs and metrics: never the path, which a client makes up.
func routeOf(pattern string) string {
	if pattern == "" {
		return "none"
	}
	return pattern
}
