package qdrant

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codybias9/real-estate-os/store"
)

const (
	chunkPoints    = 128  // points in one upsert: Qdrant's best throughput lies at 64 to 256
	chunkKeys      = 1000 // keys in one delete or look-up
	parallelChunks = 3    // requests in flight per call
)

// Tenant is the handle to one tenant's points. Safe for concurrent use; it costs nothing to make.
//
// Errors wrap store.ErrUnavailable when the server is away or too busy, and only then. A call that fails after several
// requests may have done a part; repeating it is safe.
type Tenant struct {
	client *Client
	id     uuid.UUID
}

// Upsert writes the points and returns when searches find them. Of several points with one key the newest is written.
// An empty batch is nothing to do.
//
// Qdrant knows no order of versions: the caller's version guard in Postgres keeps an older point from being sent.
func (t *Tenant) Upsert(ctx context.Context, points []store.Point) error {
	scope, err := t.scope()
	if err != nil {
		return err
	}
	structs, err := scope.encode(newest(points))
	if err != nil {
		return err
	}
	return inChunks(ctx, structs, chunkPoints, func(ctx context.Context, chunk []*pb.PointStruct) error {
		return write(ctx, "upsert points", func(ctx context.Context) (*pb.UpdateResult, error) {
			return t.client.api.Upsert(ctx, scope.upsert(chunk))
		})
	})
}

// Delete removes the points with these keys; a key without a point is nothing to do. It returns when searches no longer
// find them.
func (t *Tenant) Delete(ctx context.Context, keys []string) error {
	scope, err := t.scope()
	if err != nil {
		return err
	}
	return inChunks(ctx, keys, chunkKeys, func(ctx context.Context, chunk []string) error {
		return write(ctx, "delete points", func(ctx context.Context) (*pb.UpdateResult, error) {
			return t.client.api.Delete(ctx, scope.delete(chunk))
		})
	})
}

// Search returns the points nearest to the query's vector, the best first, at most query.Limit, which must be positive.
func (t *Tenant) Search(ctx context.Context, query store.Query) ([]store.Hit, error) {
	scope, err := t.scope()
	if err != nil {
		return nil, err
	}
	request, err := scope.query(query)
	if err != nil {
		return nil, err
	}
	var scored []*pb.ScoredPoint
	err = call(ctx, "search points", func(ctx context.Context) (err error) {
		scored, err = t.client.api.Query(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	hits := make([]store.Hit, len(scored))
	for i, point := range scored {
		if hits[i], err = decodeHit(point); err != nil {
			return nil, fmt.Errorf("search points: %w", err)
		}
	}
	return hits, nil
}

// Count returns how many points the tenant has, exactly.
func (t *Tenant) Count(ctx context.Context) (int, error) {
	scope, err := t.scope()
	if err != nil {
		return 0, err
	}
	var count uint64
	err = call(ctx, "count points", func(ctx context.Context) (err error) {
		count, err = t.client.api.Count(ctx, scope.count())
		return err
	})
	return int(count), err
}

// newest keeps one point per key, so that the order in which chunks arrive cannot matter.
//
// Invariant 3: a record never goes backwards.
func newest(points []store.Point) []store.Point {
	at := make(map[string]int, len(points))
	kept := make([]store.Point, 0, len(points))
	for _, point := range points {
		i, seen := at[point.Key]
		switch {
		case !seen:
			at[point.Key] = len(kept)
			kept = append(kept, point)
		case point.Version.Compare(kept[i].Version) >= 0:
			kept[i] = point
		}
	}
	return kept
}

// write makes one change and checks that it was applied: a server that runs out of time answers without an error.
//
// What is written has been checked, so that a fault of the server's own is not the points': that is how it says that its
// disk is full, or that writes are locked.
func write(ctx context.Context, what string, request func(context.Context) (*pb.UpdateResult, error)) error {
	err := call(ctx, what, func(ctx context.Context) error {
		result, err := request(ctx)
		if err != nil {
			return err
		}
		if result.GetStatus() != pb.UpdateStatus_Completed {
			return fmt.Errorf("%w: change is %s, not completed", store.ErrUnavailable, result.GetStatus())
		}
		return nil
	})
	if code := status.Code(err); code == codes.Internal || code == codes.FailedPrecondition {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

// inChunks calls do with parts of all, a few at a time, and returns the first error.
func inChunks[T any](ctx context.Context, all []T, size int, do func(context.Context, []T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelChunks)
	for chunk := range slices.Chunk(all, size) {
		group.Go(func() error { return do(ctx, chunk) })
	}
	return group.Wait()
}
