package qdrant

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

const (
	defaultPort = 6334 // Qdrant's gRPC port; 6333 speaks REST

	// maxResponseBytes bounds one answer. gRPC's own 4 MiB would turn a long list of hits into ResourceExhausted, which
	// looks like a busy server and would be retried for ever.
	maxResponseBytes = 64 << 20

	urlForm = "QDRANT_URL must be http://host:6334 or https://[:API_KEY@]host:6334, the server's gRPC port"
)

var collectionForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$`)

// Config says where Qdrant is. Printing it, in any format, never shows the API key.
type Config struct {
	// URL is `http://host:6334` or `https://[:API_KEY@]host:6334`: the gRPC port (6334 when left out), and the API key
	// in the place of a password. A key without TLS is refused unless the host is this machine.
	URL string `env:"QDRANT_URL"`
	// Collection is the alias that always names the current embedding model's collection.
	Collection string `env:"QDRANT_COLLECTION, default=reos_properties"`
}

// String shows the configuration without the API key.
//
// Invariant 9: no secret in logs.
func (c Config) String() string {
	return fmt.Sprintf("QDRANT_URL=%s QDRANT_COLLECTION=%s", c.redactedURL(), c.Collection)
}

// GoString keeps %#v from showing what String hides.
func (c Config) GoString() string { return "qdrant.Config{" + c.String() + "}" }

// MarshalText keeps JSON logging from showing what String hides.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func (c Config) redactedURL() string {
	if c.URL == "" {
		return ""
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	if u.User != nil {
		return u.Scheme + "://:redacted@" + u.Host
	}
	return u.Scheme + "://" + u.Host
}

// endpoint is a checked Config.
type endpoint struct {
	host string
	port int
	key  string
	tls  bool
}

// endpoint checks the configuration. Its errors name the variable and never repeat the value, which may hold the key.
func (c Config) endpoint() (endpoint, error) {
	if !collectionForm.MatchString(c.Collection) {
		return endpoint{}, fmt.Errorf("QDRANT_COLLECTION must be 1 to 64 letters, digits, '_', '.' or '-', not %q", c.Collection)
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return endpoint{}, errors.New(urlForm)
	}
	if u.User.Username() != "" || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return endpoint{}, errors.New(urlForm + ", without a user name, path or query")
	}
	e := endpoint{host: u.Hostname(), port: defaultPort, tls: u.Scheme == "https"}
	e.key, _ = u.User.Password()
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || port == 0 {
			return endpoint{}, errors.New(urlForm + ", with a port from 1 to 65535")
		}
		e.port = int(port)
	}
	if e.key != "" && !e.tls && !isLoopback(e.host) {
		return endpoint{}, errors.New("QDRANT_URL must be https:// when it holds an API key: over http:// the key would travel in the clear")
	}
	return e, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// clientConfig is the library's configuration. It is built anew for each client because the library writes to it.
func (e endpoint) clientConfig() *pb.Config {
	config := &pb.Config{
		Host:   e.host,
		Port:   e.port,
		UseTLS: e.tls,
		// One HTTP/2 connection carries all calls in parallel; the library's default is three.
		PoolSize: 1,
		// The check calls the server while the client is being built, and logs past our logger.
		SkipCompatibilityCheck: true,
		// A blip is bridged here: every call is idempotent, so repeating it is safe. What lasts longer is the runner's.
		RetryConfig: &pb.RetryConfig{MaxRetries: 2, BaseBackoff: 50 * time.Millisecond, MaxBackoff: 500 * time.Millisecond},
		GrpcOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponseBytes)),
			// gRPC would wait up to two minutes before it looks for a server that was away; the pipeline stands still as long.
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
				MinConnectTimeout: 5 * time.Second,
			}),
		},
	}
	if strings.Contains(e.host, ":") {
		config.Host = "[" + e.host + "]" // IPv6; the library joins host and port with a colon only
	}
	if e.tls {
		// The library insists on TLS 1.3, which some proxies in front of Qdrant do not speak.
		config.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if e.key != "" {
		// As a header, not as Config.APIKey: that one logs a warning of its own for loopback, where plain text is fine.
		config.Headers = map[string]string{"api-key": e.key}
	}
	return config
}
