package qdrant

import (
	"context"
	"path"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
)

// newRequestSeconds makes the histogram of a client's requests.
func newRequestSeconds() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "reos_qdrant_request_seconds", Help: "Time of one request to Qdrant, by its gRPC method, failed ones among them.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"method"})
}

// timed measures every request. The methods are those that this package calls: the label is bounded.
func timed(seconds *prometheus.HistogramVec) grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(
		ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
	) error {
		began := time.Now()
		err := invoke(ctx, method, request, reply, conn, options...)
		seconds.WithLabelValues(path.Base(method)).Observe(time.Since(began).Seconds())
		return err
	})
}

// Collector exports how long requests take. Register it once per client.
func (c *Client) Collector() prometheus.Collector { return c.seconds }
