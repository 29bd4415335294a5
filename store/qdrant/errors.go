package qdrant

import (
	"context"
	"errors"
	"fmt"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codybias9/real-estate-os/store"
)

// ErrNoTenant says that a handle was asked for uuid.Nil. It is a bug in the caller: no tenant has that id.
var ErrNoTenant = errors.New("no tenant")

// translate names the operation and tells a server that is away from a request that is wrong. ctx is the caller's, not
// the call's own: an end that the caller asked for says nothing about the server.
func translate(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	var wrapped *pb.QdrantError
	if errors.As(err, &wrapped) { // the library repeats the method's name; what says it better
		err = wrapped.Unwrap()
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if isUnavailable(err) {
		return fmt.Errorf("%s: %w: %w", what, store.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func isUnavailable(err error) bool {
	// A rate limit with a retry-after and an end while waiting to retry reach us without a gRPC status.
	var limited *pb.QdrantResourceExhaustedError
	if errors.As(err, &limited) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	case codes.NotFound: // the collection is gone, and nothing is wrong with the points that were meant for it
		return true
	default:
		return false
	}
}
