package qdrant

import (
	"context"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"

	"github.com/codybias9/real-estate-os/store"
)

// Purge deletes all points of the tenant, whoever wrote them, and tells removed of each page how many it took. It looks
// into the collections of models that are no longer in use, too. It may be called again.
func (t *Tenant) Purge(ctx context.Context, removed func(n int)) error {
	return t.eachCollection(ctx, func(scope scope) error {
		for {
			var found []*pb.RetrievedPoint
			err := call(ctx, "list points", func(ctx context.Context) (err error) {
				found, err = t.client.api.Scroll(ctx, scope.list(nil))
				return err
			})
			if err != nil || len(found) == 0 {
				return err
			}
			ids := make([]*pb.PointId, len(found))
			for i, point := range found {
				ids[i] = point.GetId()
			}
			err = write(ctx, "delete points", func(ctx context.Context) (*pb.UpdateResult, error) {
				return t.client.api.Delete(ctx, scope.deletePoints(ids))
			})
			if err != nil {
				return err
			}
			removed(len(found))
		}
	})
}

// Leftovers counts the tenant's points by collection; collections without any are left out.
func (t *Tenant) Leftovers(ctx context.Context) ([]store.Leftover, error) {
	var left []store.Leftover
	err := t.eachCollection(ctx, func(scope scope) error {
		var count uint64
		err := call(ctx, "count points", func(ctx context.Context) (err error) {
			count, err = t.client.api.Count(ctx, scope.count())
			return err
		})
		if count > 0 {
			left = append(left, store.Leftover{Place: "points of " + scope.collection, Count: int(count)})
		}
		return err
	})
	return left, err
}

// eachCollection runs do on every collection of the installation, up to the first error.
func (t *Tenant) eachCollection(ctx context.Context, do func(scope) error) error {
	scope, err := t.scope()
	if err != nil {
		return err
	}
	var names []string
	err = call(ctx, "list collections", func(ctx context.Context) (err error) {
		names, err = t.client.api.ListCollections(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, t.client.alias+"_") {
			continue
		}
		scope.collection = name
		if err := do(scope); err != nil {
			return err
		}
	}
	return nil
}
