package embedded

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// qdrantVersion is the release whose documented behaviour this server follows.
	qdrantVersion = "1.19.0"
	// qdrantDrainTimeout is what calls in flight get when the server closes.
	qdrantDrainTimeout = 2 * time.Second
)

// Qdrant is a vector server in this process that speaks Qdrant's gRPC protocol: collections, aliases and points with
// one dense vector under cosine distance, found exactly, by comparing with each point of the tenant. What it does not
// implement it refuses with Unimplemented; it ignores nothing that would change an answer.
//
// It keeps everything in memory: after a start it is empty, and its owner fills it again from Postgres.
type Qdrant struct {
	address string
	key     string
	server  *grpc.Server
	served  chan error // the result of Serve
	close   func() error
}

// StartQdrant listens on a loopback address such as 127.0.0.1:0 (any free port) and serves until Close. ctx bounds the
// start only.
func StartQdrant(ctx context.Context, addr string) (*Qdrant, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("start embedded Qdrant: %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return nil, fmt.Errorf("start embedded Qdrant: %q is not a loopback address", host)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start embedded Qdrant: %w", err)
	}
	q := &Qdrant{address: listener.Addr().String(), key: rand.Text(), served: make(chan error, 1)}
	q.server = q.newServer()
	q.close = sync.OnceValue(q.shutdown)
	go func() { q.served <- q.server.Serve(listener) }()
	return q, nil
}

// URL is the server's QDRANT_URL. It holds the API key that was generated at the start, so that other users of the
// machine cannot read the points: it is a secret.
func (q *Qdrant) URL() string { return "http://:" + q.key + "@" + q.address }

// Close ends the server once the calls in flight are done, or after a moment without them. Closing again does nothing.
func (q *Qdrant) Close() error { return q.close() }

func (q *Qdrant) newServer() *grpc.Server {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(q.authorize),
		grpc.MaxRecvMsgSize(math.MaxInt32), // Qdrant sets no limit either
		// The client library pings every 10 s, which gRPC would take for an attack.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	collections := newQdrantCollections()
	pb.RegisterQdrantServer(server, qdrantHealth{})
	pb.RegisterCollectionsServer(server, collections)
	pb.RegisterPointsServer(server, &qdrantPoints{collections: collections})
	return server
}

func (q *Qdrant) authorize(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	given := metadata.ValueFromIncomingContext(ctx, "api-key")
	if len(given) != 1 || subtle.ConstantTimeCompare([]byte(given[0]), []byte(q.key)) != 1 {
		return nil, status.Error(codes.Unauthenticated, "Must provide an API key or an Authorization bearer token")
	}
	return handle(ctx, req)
}

func (q *Qdrant) shutdown() error {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		q.server.GracefulStop()
	}()
	patience := time.NewTimer(qdrantDrainTimeout)
	defer patience.Stop()
	select {
	case <-drained:
	case <-patience.C:
		q.server.Stop()
		<-drained
	}
	if err := <-q.served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("close embedded Qdrant: %w", err)
	}
	return nil
}

type qdrantHealth struct{ pb.UnimplementedQdrantServer }

func (qdrantHealth) HealthCheck(context.Context, *pb.HealthCheckRequest) (*pb.HealthCheckReply, error) {
	return &pb.HealthCheckReply{Title: "reos embedded vector server", Version: qdrantVersion}, nil
}

// unsupported refuses the first feature that a request uses and this server lacks.
func unsupported(features map[string]bool) error {
	for feature, used := range features {
		if used {
			return status.Errorf(codes.Unimplemented, "the embedded Qdrant does not support %s", feature)
		}
	}
	return nil
}
