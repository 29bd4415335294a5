package objects

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// attempts per request. The second one is for a kept-alive connection that the server has just closed; waiting for
	// a server to come back is the runner's business, and it has to hear of the outage within seconds.
	attempts = 2
	// dialTimeout times attempts is how long a host that answers nothing goes unnoticed.
	dialTimeout = 2 * time.Second
	// maxIdleConns kept per host: as many as there are archives written at once on a busy worker.
	maxIdleConns = 64
)

// Client is a connection pool to one bucket. Safe for concurrent use.
//
// Invariant 4: the only way to an object is Tenant(id).
type Client struct {
	core      minio.Core
	transport *http.Transport
	bucket    string
	region    string
	codec     *codec
}

// Open checks the configuration and makes a client. It does no I/O: a server that is down at start is found by Ready
// or by the first call, as store.ErrUnavailable, and may come back later.
func Open(_ context.Context, cfg Config) (*Client, error) {
	t, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	transport, err := newTransport(t.secure)
	if err != nil {
		return nil, fmt.Errorf("make S3 transport: %w", err)
	}
	core, err := minio.NewCore(t.host, &minio.Options{
		Creds:     credentials.NewStaticV4(t.access, t.secret, ""),
		Secure:    t.secure,
		Transport: transport,
		// Without a region the library asks for the bucket's location before other calls.
		Region:     t.region,
		MaxRetries: attempts,
	})
	if err != nil {
		// The library's text repeats the host, which may hold a piece of a badly encoded secret.
		return nil, wrongURL("the host is not one")
	}
	codec, err := newCodec()
	if err != nil {
		return nil, err
	}
	return &Client{core: *core, transport: transport, bucket: t.bucket, region: t.region, codec: codec}, nil
}

func newTransport(secure bool) (*http.Transport, error) {
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	transport.DialContext = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext
	transport.MaxIdleConnsPerHost = maxIdleConns
	transport.ResponseHeaderTimeout = store.Timeout
	return transport, nil
}

// Close drops idle connections. Calls in flight finish; the client must not be used afterwards.
func (c *Client) Close() error {
	c.transport.CloseIdleConnections()
	c.codec.close()
	return nil
}

// Ready reports whether the server answers and the bucket exists.
func (c *Client) Ready(ctx context.Context) error {
	exists, err := c.bucketExists(ctx)
	if err != nil {
		return err
	}
	if !exists {
		return fmt.Errorf("bucket %q does not exist", c.bucket)
	}
	return nil
}

// Ensure creates the bucket unless it exists. Several processes may call it at once.
func (c *Client) Ensure(ctx context.Context) error {
	exists, err := c.bucketExists(ctx)
	if err != nil || exists {
		return err
	}
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	makeErr := c.core.MakeBucket(callCtx, c.bucket, minio.MakeBucketOptions{Region: c.region})
	if makeErr == nil {
		return nil
	}
	// Servers name a lost race differently (already owned by you, already exists, a conflict in progress): what counts
	// is that the bucket is there now and ours to use.
	if exists, err := c.bucketExists(ctx); err == nil && exists {
		return nil
	}
	return fmt.Errorf("create bucket %q: %w", c.bucket, classify(ctx, makeErr))
}

func (c *Client) bucketExists(ctx context.Context) (bool, error) {
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	exists, err := c.core.BucketExists(callCtx, c.bucket)
	if err != nil {
		return false, fmt.Errorf("find bucket %q: %w", c.bucket, classify(ctx, err))
	}
	return exists, nil
}

// Tenant is the tenant's handle: cheap, without I/O, safe for concurrent use. Every method of a handle for uuid.Nil
// fails with ErrInvalidKey.
func (c *Client) Tenant(id uuid.UUID) *Tenant {
	return &Tenant{client: c, id: id, prefix: id.String() + "/"}
}
