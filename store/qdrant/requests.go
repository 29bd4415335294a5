package qdrant

import (
	"fmt"
	"math"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"

	"github.com/codybias9/real-estate-os/store"
)

// scope builds the requests of one tenant on one collection. It is the only place that builds requests for points.
//
// Invariant 4: each request carries the tenant: as a condition that must hold where points are read or deleted, in the
// id and the payload where they are written.
type scope struct {
	tenant     uuid.UUID
	collection string
}

func (t *Tenant) scope() (scope, error) {
	if t.id == uuid.Nil {
		return scope{}, fmt.Errorf("use points: %w", ErrNoTenant)
	}
	return scope{tenant: t.id, collection: t.client.current()}, nil
}

// filter is what every read and delete is narrowed to: the tenant's points, and of these what the conditions say.
func (s scope) filter(conditions ...*pb.Condition) *pb.Filter {
	must := append([]*pb.Condition{pb.NewMatchKeyword(fieldTenant, s.tenant.String())}, conditions...)
	return &pb.Filter{Must: must}
}

func (s scope) upsert(points []*pb.PointStruct) *pb.UpsertPoints {
	return &pb.UpsertPoints{CollectionName: s.collection, Wait: pb.PtrOf(true), Ordering: inOrder(), Points: points}
}

// delete selects by filter rather than by id alone, so that it cannot reach a foreign point.
func (s scope) delete(keys []string) *pb.DeletePoints {
	return &pb.DeletePoints{
		CollectionName: s.collection, Wait: pb.PtrOf(true), Ordering: inOrder(),
		Points: pb.NewPointsSelectorFilter(s.filter(s.hasKeys(keys))),
	}
}

// inOrder keeps two writes to one point in their order on every replica of a cluster.
func inOrder() *pb.WriteOrdering { return &pb.WriteOrdering{Type: pb.WriteOrderingType_Strong} }

func (s scope) query(q store.Query) (*pb.QueryPoints, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("search points: limit must be positive, not %d", q.Limit)
	}
	if err := checkFinite(q.Vector); err != nil {
		return nil, fmt.Errorf("search points: %w", err)
	}
	return &pb.QueryPoints{
		CollectionName: s.collection,
		Query:          pb.NewQueryDense(q.Vector),
		Filter:         s.filter(conditions(q.Filter)...),
		Limit:          pb.PtrOf(uint64(q.Limit)),
		WithPayload:    pb.NewWithPayload(true),
	}, nil
}

func (s scope) scroll(keys []string) *pb.ScrollPoints {
	return &pb.ScrollPoints{
		CollectionName: s.collection,
		Filter:         s.filter(s.hasKeys(keys)),
		Limit:          pb.PtrOf(uint32(len(keys))),
		WithPayload:    pb.NewWithPayloadInclude(versionFields...),
	}
}

func (s scope) count() *pb.CountPoints {
	return &pb.CountPoints{CollectionName: s.collection, Filter: s.filter(), Exact: pb.PtrOf(true)}
}

func (s scope) pointID(key string) *pb.PointId {
	return pb.NewIDUUID(store.PointID(s.tenant, key).String())
}

func (s scope) hasKeys(keys []string) *pb.Condition {
	ids := make([]*pb.PointId, len(keys))
	for i, key := range keys {
		ids[i] = s.pointID(key)
	}
	return pb.NewHasID(ids...)
}

func (s scope) encode(points []store.Point) ([]*pb.PointStruct, error) {
	structs := make([]*pb.PointStruct, len(points))
	for i, point := range points {
		payload, err := encodePayload(s.tenant, point)
		if err == nil {
			err = checkFinite(point.Vector)
		}
		if err != nil {
			return nil, fmt.Errorf("upsert points: key %q: %w", point.Key, err)
		}
		structs[i] = &pb.PointStruct{Id: s.pointID(point.Key), Vectors: pb.NewVectorsDense(point.Vector), Payload: payload}
	}
	return structs, nil
}

// conditions says the filter in Qdrant's words.
func conditions(f store.Filter) []*pb.Condition {
	var all []*pb.Condition
	if f.MinPrice != nil || f.MaxPrice != nil {
		all = append(all, pb.NewRange(fieldListPrice, &pb.Range{Gte: f.MinPrice, Lte: f.MaxPrice}))
	}
	if f.MinBedrooms != nil || f.MaxBedrooms != nil {
		all = append(all, pb.NewRange(fieldBedrooms, &pb.Range{Gte: toFloat(f.MinBedrooms), Lte: toFloat(f.MaxBedrooms)}))
	}
	if f.City != "" {
		all = append(all, pb.NewMatchKeyword(fieldCity, f.City))
	}
	if f.Status != "" {
		all = append(all, pb.NewMatchKeyword(fieldStatus, f.Status))
	}
	if f.Near != nil {
		all = append(all, pb.NewGeoRadius(fieldLocation, f.Near.Center.Latitude, f.Near.Center.Longitude, float32(f.Near.Meters)))
	}
	return all
}

func toFloat(n *int64) *float64 {
	if n == nil {
		return nil
	}
	return pb.PtrOf(float64(*n))
}

// checkFinite refuses a vector with which no distance can be computed: the server would take it and rank by nonsense.
func checkFinite(vector []float32) error {
	for i, x := range vector {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("vector is not finite at %d", i)
		}
	}
	return nil
}
