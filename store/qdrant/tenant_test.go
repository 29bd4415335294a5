package qdrant_test

import (
	"context"
	"net"
	"reflect"
	"sync"
	"testing"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// TestInvariant4EveryRequestCarriesTheTenant looks at what goes over the wire for every method that a Tenant has.
func TestInvariant4EveryRequestCarriesTheTenant(t *testing.T) {
	recorder := startRecorder(t, nil)
	client, err := qdrant.Open(t.Context(), qdrant.Config{URL: recorder.url, Collection: "recorded"})
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	id := uuid.New()
	tenant := client.Tenant(id)
	ctx := t.Context()
	calls := map[string]func() error{
		"Upsert": func() error { return tenant.Upsert(ctx, []store.Point{fullPoint("a"), fullPoint("b")}) },
		"Delete": func() error { return tenant.Delete(ctx, []string{"a", "b"}) },
		"Search": func() error {
			_, err := tenant.Search(ctx, store.Query{Vector: vector(1), Limit: 1, Filter: store.Filter{City: "Reno"}})
			return err
		},
		"Points":       func() error { _, err := tenant.Points(ctx, []string{"a"}); return err },
		"DeletePoints": func() error { return tenant.DeletePoints(ctx, []string{uuid.NewString()}) },
		"List": func() error {
			for _, err := range tenant.List(ctx) {
				return err
			}
			return nil
		},
		"Count":     func() error { _, err := tenant.Count(ctx); return err },
		"Purge":     func() error { return tenant.Purge(ctx, func(int) {}) },
		"Leftovers": func() error { _, err := tenant.Leftovers(ctx); return err },
	}
	for method := range reflect.TypeFor[*qdrant.Tenant]().Methods() {
		call := calls[method.Name]
		require.NotNil(t, call, "say here how to call the new method %s", method.Name)
		require.Error(t, call(), "the recorder answers nothing")
		requests := recorder.take()
		require.NotEmpty(t, requests, method.Name)
		for _, request := range requests {
			requireTenant(t, request, id)
		}
	}
}

func requireTenant(t *testing.T, request any, id uuid.UUID) {
	t.Helper()
	if upsert, ok := request.(*pb.UpsertPoints); ok {
		for _, point := range upsert.GetPoints() {
			require.Equal(t, id.String(), point.GetPayload()["tenant_id"].GetStringValue())
		}
		return
	}
	var filter *pb.Filter
	switch request := request.(type) {
	case *pb.DeletePoints:
		filter = request.GetPoints().GetFilter()
	case interface{ GetFilter() *pb.Filter }:
		filter = request.GetFilter()
	}
	for _, condition := range filter.GetMust() {
		field := condition.GetField()
		if field.GetKey() == "tenant_id" && field.GetMatch().GetKeyword() == id.String() {
			return
		}
	}
	t.Fatalf("%T does not demand the tenant: %v", request, request)
}

// TestErrorsTellAwayFromWrong: only what says that the server is away or busy, or has lost its collection, makes the
// runner pause.
func TestErrorsTellAwayFromWrong(t *testing.T) {
	for code, away := range map[codes.Code]bool{
		codes.Unavailable: true, codes.DeadlineExceeded: true, codes.ResourceExhausted: true, codes.NotFound: true,
		codes.InvalidArgument: false, codes.Unauthenticated: false, codes.PermissionDenied: false,
		codes.Internal: false, codes.FailedPrecondition: false,
	} {
		recorder := startRecorder(t, status.Error(code, "because"))
		client, err := qdrant.Open(t.Context(), qdrant.Config{URL: recorder.url, Collection: "recorded"})
		require.NoError(t, err)
		_, err = client.Tenant(uuid.New()).Count(t.Context())
		require.ErrorContains(t, err, "count points", code)
		require.Equal(t, code, status.Code(err))
		if away {
			require.ErrorIs(t, err, store.ErrUnavailable, code)
		} else {
			require.NotErrorIs(t, err, store.ErrUnavailable, code)
			require.Len(t, recorder.take(), 1, "what is wrong is not tried again")
		}
		require.NoError(t, client.Close())
	}
}

// TestUpsertDemandsCompletion: a server that only took note of a change has not done it.
func TestUpsertDemandsCompletion(t *testing.T) {
	recorder := startRecorder(t, nil)
	recorder.answer = &pb.PointsOperationResponse{Result: &pb.UpdateResult{Status: pb.UpdateStatus_WaitTimeout}}
	client, err := qdrant.Open(t.Context(), qdrant.Config{URL: recorder.url, Collection: "recorded"})
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	err = client.Tenant(uuid.New()).Upsert(t.Context(), []store.Point{fullPoint("a")})
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.True(t, recorder.take()[0].(*pb.UpsertPoints).GetWait())
}

// TestAServerThatCannotWriteIsAway: a full disk is an internal error, locked writes a failed precondition. No point of ours
// is to blame for either.
func TestAServerThatCannotWriteIsAway(t *testing.T) {
	for _, code := range []codes.Code{codes.Internal, codes.FailedPrecondition} {
		recorder := startRecorder(t, status.Error(code, "No space left on device"))
		client, err := qdrant.Open(t.Context(), qdrant.Config{URL: recorder.url, Collection: "recorded"})
		require.NoError(t, err)
		tenant := client.Tenant(uuid.New())
		require.ErrorIs(t, tenant.Upsert(t.Context(), []store.Point{fullPoint("a")}), store.ErrUnavailable, code)
		require.ErrorIs(t, tenant.Delete(t.Context(), []string{"a"}), store.ErrUnavailable, code)
		require.NoError(t, client.Close())
	}
}

// recorder is a server that keeps the requests and gives one answer to all.
type recorder struct {
	url    string
	answer any
	err    error

	mu       sync.Mutex
	requests []any
}

func startRecorder(t *testing.T, err error) *recorder {
	r := &recorder{err: err}
	if err == nil {
		r.err = status.Error(codes.Unimplemented, "recorded")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.url = "http://" + listener.Addr().String()
	server := grpc.NewServer(grpc.UnaryInterceptor(r.record))
	pb.RegisterPointsServer(server, pb.UnimplementedPointsServer{})
	pb.RegisterCollectionsServer(server, pb.UnimplementedCollectionsServer{})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
	})
	return r
}

func (r *recorder) record(_ context.Context, request any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := request.(*pb.ListCollectionsRequest); ok { // names of the installation's own, and no tenant's data
		return &pb.ListCollectionsResponse{Collections: []*pb.CollectionDescription{{Name: "recorded_model"}}}, nil
	}
	r.requests = append(r.requests, request)
	if r.answer != nil {
		return r.answer, nil
	}
	return nil, r.err
}

func (r *recorder) take() []any {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}
