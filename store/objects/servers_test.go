package objects_test

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/objects"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is one S3 server under test.
type server struct {
	name string
	url  *url.URL
}

// servers are the embedded one and, if S3_URL is set, the one it names.
func servers(t *testing.T) []server {
	local, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	all := []server{{name: "embedded", url: mustParse(t, local.URL())}}
	if configured := os.Getenv("S3_URL"); configured != "" {
		all = append(all, server{name: "S3_URL", url: mustParse(t, configured)})
	}
	return all
}

func mustParse(t *testing.T, raw string) *url.URL {
	u, err := url.Parse(raw)
	require.NoError(t, err, "S3_URL")
	return u
}

// bucket is a bucket of one test, reached through a proxy that can be stopped.
type bucket struct {
	server server
	proxy  *proxy
	client *objects.Client
}

func (s server) newBucket(t *testing.T) bucket {
	b := bucket{server: s, proxy: newProxy(t, s.url.Host)}
	b.client = b.sibling(t, "")
	require.NoError(t, b.client.Ensure(t.Context()))
	return b
}

// sibling is a client of another, missing bucket of the same server; with the secret given, if there is one.
func (b bucket) sibling(t *testing.T, secret string) *objects.Client {
	u := *b.server.url
	name := "reos-test-" + strings.ToLower(rand.Text())
	u.Host, u.Path = b.proxy.address, "/"+name
	if secret != "" {
		u.User = url.UserPassword(u.User.Username(), secret)
	}
	client, err := objects.Open(t.Context(), objects.Config{URL: u.String()})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		b.server.removeBucket(t, name)
	})
	return client
}

func (s server) removeBucket(t *testing.T, name string) {
	secret, _ := s.url.User.Password()
	transport, err := minio.DefaultTransport(s.url.Scheme == "https")
	require.NoError(t, err)
	defer transport.CloseIdleConnections()
	client, err := minio.New(s.url.Host, &minio.Options{
		Creds:     credentials.NewStaticV4(s.url.User.Username(), secret, ""),
		Secure:    s.url.Scheme == "https",
		Region:    "us-east-1",
		Transport: transport,
	})
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context()) // this is clean-up
	exists, err := client.BucketExists(ctx, name)
	require.NoError(t, err)
	if !exists {
		return
	}
	for object := range client.ListObjectsIter(ctx, name, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(t, object.Err)
		require.NoError(t, client.RemoveObject(ctx, name, object.Key, minio.RemoveObjectOptions{}))
	}
	require.NoError(t, client.RemoveBucket(ctx, name))
}

// proxy passes connections on to a server, until it is stopped: what clients see of a server that goes down and comes
// back on its port.
type proxy struct {
	address string
	server  string
	read    atomic.Int64

	mu       sync.Mutex
	listener net.Listener
	open     map[net.Conn]struct{}
	running  sync.WaitGroup
}

func newProxy(t *testing.T, server string) *proxy {
	p := &proxy{address: "127.0.0.1:0", server: server}
	p.restart(t)
	t.Cleanup(p.stop)
	return p
}

func (p *proxy) bytesFromServer() int64 { return p.read.Load() }

func (p *proxy) restart(t *testing.T) {
	listener, err := net.Listen("tcp", p.address)
	require.NoError(t, err)
	p.mu.Lock()
	p.listener, p.address, p.open = listener, listener.Addr().String(), map[net.Conn]struct{}{}
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.pass(conn) })
		}
	})
}

func (p *proxy) stop() {
	p.mu.Lock()
	_ = p.listener.Close()
	for conn := range p.open {
		_ = conn.Close()
	}
	p.open = nil
	p.mu.Unlock()
	p.running.Wait()
}

func (p *proxy) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.open == nil { // stopped meanwhile
		p.mu.Unlock()
		return
	}
	p.open[client], p.open[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	p.running.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	_, _ = io.Copy(io.MultiWriter(client, counter{&p.read}), server)
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func keys(t *testing.T, tenant *objects.Tenant, prefix string) []string {
	var found []string
	for info, err := range tenant.List(t.Context(), prefix) {
		require.NoError(t, err)
		found = append(found, info.Key)
	}
	return found
}

func read(t *testing.T, tenant *objects.Tenant, key string) string {
	body, err := tenant.Open(t.Context(), key)
	require.NoError(t, err)
	defer body.Close()
	content, err := io.ReadAll(body)
	require.NoError(t, err)
	return string(content)
}

// onlyReader hides that a body can seek.
type onlyReader struct{ io.Reader }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
