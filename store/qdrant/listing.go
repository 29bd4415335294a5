package qdrant

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// listPage is how many points are listed at a time: of each, little more than its key.
const listPage = 2000

// List yields the tenant's points in pages of at most listPage, in the order of their ids, whoever wrote them. What is
// written while it runs may or may not be in it. It ends after the first error.
func (t *Tenant) List(ctx context.Context) iter.Seq2[[]store.PointRef, error] {
	return func(yield func([]store.PointRef, error) bool) {
		scope, err := t.scope()
		if err != nil {
			yield(nil, err)
			return
		}
		var next *pb.PointId
		for first := true; first || next != nil; first = false {
			var found []*pb.RetrievedPoint
			err := call(ctx, "list points", func(ctx context.Context) (err error) {
				found, next, err = t.client.api.ScrollAndOffset(ctx, scope.list(next))
				return err
			})
			if err != nil {
				yield(nil, err)
				return
			}
			if page := refs(found); len(page) > 0 && !yield(page, nil) {
				return
			}
		}
	}
}

// Points returns what is there of these keys, by key; a key without a point is left out.
func (t *Tenant) Points(ctx context.Context, keys []string) (map[string]store.PointRef, error) {
	scope, err := t.scope()
	if err != nil {
		return nil, err
	}
	byID := make(map[string]string, len(keys))
	for _, key := range keys {
		byID[store.PointID(t.id, key).String()] = key
	}
	points := make(map[string]store.PointRef, len(keys))
	for chunk := range slices.Chunk(keys, chunkKeys) {
		var found []*pb.RetrievedPoint
		err := call(ctx, "look up points", func(ctx context.Context) (err error) {
			found, err = t.client.api.Scroll(ctx, scope.scroll(chunk))
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, point := range refs(found) {
			points[byID[point.ID]] = point
		}
	}
	return points, nil
}

// DeletePoints removes points of the tenant by their ids, whatever their keys are. It returns when searches no longer
// find them. An id that is another tenant's point, or none, is nothing to do.
func (t *Tenant) DeletePoints(ctx context.Context, ids []string) error {
	scope, err := t.scope()
	if err != nil {
		return err
	}
	parsed := make([]*pb.PointId, len(ids))
	for i, id := range ids {
		if parsed[i], err = parseID(id); err != nil {
			return fmt.Errorf("delete points: %w", err)
		}
	}
	return inChunks(ctx, parsed, chunkKeys, func(ctx context.Context, chunk []*pb.PointId) error {
		return write(ctx, "delete points", func(ctx context.Context) (*pb.UpdateResult, error) {
			return t.client.api.Delete(ctx, scope.deletePoints(chunk))
		})
	})
}

// list asks for a page of what the tenant has.
func (s scope) list(from *pb.PointId) *pb.ScrollPoints {
	return &pb.ScrollPoints{
		CollectionName: s.collection, Filter: s.filter(), Offset: from, Limit: pb.PtrOf(uint32(listPage)),
		WithPayload: pb.NewWithPayloadInclude(versionFields...),
	}
}

// deletePoints selects by filter as well, as delete does.
func (s scope) deletePoints(ids []*pb.PointId) *pb.DeletePoints {
	return &pb.DeletePoints{
		CollectionName: s.collection, Wait: pb.PtrOf(true), Ordering: inOrder(),
		Points: pb.NewPointsSelectorFilter(s.filter(pb.NewHasID(ids...))),
	}
}

func refs(found []*pb.RetrievedPoint) []store.PointRef {
	all := make([]store.PointRef, len(found))
	for i, point := range found {
		key, version, err := decodeVersion(point.GetPayload())
		if err != nil { // it does not say: no version that Postgres knows is zero
			key, version = payload(point.GetPayload())[fieldKey].GetStringValue(), events.Version{}
		}
		all[i] = store.PointRef{ID: formatID(point.GetId()), Key: key, Version: version}
	}
	return all
}

// formatID writes an id as the server shows it: a UUID or a number.
func formatID(id *pb.PointId) string {
	if text := id.GetUuid(); text != "" {
		return text
	}
	return strconv.FormatUint(id.GetNum(), 10)
}

func parseID(id string) (*pb.PointId, error) {
	if parsed, err := uuid.Parse(id); err == nil {
		return pb.NewIDUUID(parsed.String()), nil
	}
	number, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no point id", id)
	}
	return pb.NewIDNum(number), nil
}
