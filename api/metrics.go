package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the API's own SLIs: availability and errors from the counter, latency from the histogram. No label grows
// with tenants or paths.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_api_requests_total", Help: "Answered requests by route and status code.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "reos_api_request_seconds", Help: "Time to answer a request, by route.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .25, .5, .75, 1, 2.5, 5, 10, 30},
		}, []string{"route"}),
	}
	registry.MustRegister(m.requests, m.seconds)
	return m
}

// measure counts and times an answer. The route is the mux's pattern, never the path. An answer that was broken off
// counts as an error of ours, unless the client has gone.
func (m *metrics) measure(pattern string, w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	recorded := &recorder{ResponseWriter: w, code: http.StatusOK}
	began := time.Now()
	finished := false
	defer func() {
		switch {
		case finished:
		case r.Context().Err() != nil:
			recorded.code = statusClientGone
		default:
			recorded.code = http.StatusInternalServerError
		}
		m.requests.WithLabelValues(routeOf(pattern), strconv.Itoa(recorded.code)).Inc()
		m.seconds.WithLabelValues(routeOf(pattern)).Observe(time.Since(began).Seconds())
	}()
	answer(recorded, r)
	finished = true
}

// statusClientGone is nginx's number for a client that did not wait for its answer. Nobody reads it but the metrics.
const statusClientGone = 499

// recorder remembers the status code. Unwrap lets http.ResponseController reach the connection.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	r.code = code
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
