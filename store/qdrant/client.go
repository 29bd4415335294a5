// Package qdrant keeps the searchable points of the pipeline in Qdrant. It is the only client of that server.
//
// A Client owns the connection and the collection; a Tenant, the only way to points, cannot leave out its tenant. Both
// are safe for concurrent use. Reading order: config.go, client.go, ensure.go, tenant.go, listing.go, requests.go, payload.go, metrics.go.
package qdrant

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	pb "github.com/qdrant/go-client/qdrant"

	"github.com/codybias9/real-estate-os/store"
)

// Client is a connection to Qdrant. Safe for concurrent use.
type Client struct {
	api   *pb.Client
	alias string
	// collection is the ensured model's own collection, nil before Ensure. Calls name it rather than the alias: while two
	// models are rolled over, a process must not write the vectors of one into the collection of the other.
	collection atomic.Pointer[string]
	seconds    *prometheus.HistogramVec
}

// Open checks the configuration and returns a client. It does not wait for the server, so that a worker can start while
// Qdrant is away: Ready and every call tell. Close it.
func Open(_ context.Context, config Config) (*Client, error) {
	at, err := config.endpoint()
	if err != nil {
		return nil, err
	}
	seconds := newRequestSeconds()
	clientConfig := at.clientConfig()
	clientConfig.GrpcOptions = append(clientConfig.GrpcOptions, timed(seconds))
	api, err := pb.NewClient(clientConfig)
	if err != nil {
		return nil, fmt.Errorf("open qdrant client: %w", err)
	}
	return &Client{api: api, alias: config.Collection, seconds: seconds}, nil
}

// Close ends the connection; calls in flight fail. Closing again does nothing.
func (c *Client) Close() error {
	if err := c.api.Close(); err != nil {
		return fmt.Errorf("close qdrant client: %w", err)
	}
	return nil
}

// Ready returns nil when the server answers and, once Ensure has succeeded, still has the collection.
func (c *Client) Ready(ctx context.Context) error {
	if err := call(ctx, "ask qdrant for its health", func(ctx context.Context) error {
		_, err := c.api.HealthCheck(ctx)
		return err
	}); err != nil {
		return err
	}
	collection := c.collection.Load()
	if collection == nil {
		return nil
	}
	var exists bool
	if err := call(ctx, "look for the qdrant collection", func(ctx context.Context) (err error) {
		exists, err = c.api.CollectionExists(ctx, *collection)
		return err
	}); err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("qdrant collection %q is gone: ensure it and index the records again", *collection)
	}
	return nil
}

// Tenant returns the handle to one tenant's points. Every call of a handle for uuid.Nil fails with ErrNoTenant before
// anything is sent.
//
// Invariant 4: no handle exists without a tenant.
func (c *Client) Tenant(id uuid.UUID) *Tenant { return &Tenant{client: c, id: id} }

// current names the collection to work on: the ensured one, else whatever the alias stands for.
func (c *Client) current() string {
	if collection := c.collection.Load(); collection != nil {
		return *collection
	}
	return c.alias
}

// call runs one request within store.Timeout and translates its error.
func call(ctx context.Context, what string, request func(context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	return translate(ctx, what, request(within))
}
