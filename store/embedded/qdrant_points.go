package embedded

import (
	"context"
	"math"
	"slices"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	qdrantDefaultLimit = 10
	qdrantMaxLimit     = math.MaxInt32
)

// qdrantPoints serves the Points service. Methods that it lacks answer Unimplemented.
//
// Every write is applied before it is answered, whatever `wait` says, and there is one node: the write ordering, the
// read consistency and the timeout of a request are kept without being looked at.
type qdrantPoints struct {
	pb.UnimplementedPointsServer

	collections *qdrantCollections
}

func (s *qdrantPoints) CreateFieldIndex(
	_ context.Context, req *pb.CreateFieldIndexCollection,
) (*pb.PointsOperationResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	kind := req.GetFieldType()
	if _, known := pb.FieldType_name[int32(kind)]; !known || req.FieldType == nil || req.GetFieldName() == "" {
		return nil, status.Error(codes.InvalidArgument, "Validation error in body: [field_name and field_type must be set]")
	}
	// The two enumerations list the same types; the one of the schema has UnknownType before them.
	index := &pb.PayloadSchemaInfo{DataType: pb.PayloadSchemaType(kind + 1), Params: req.GetFieldIndexParams()}
	return &pb.PointsOperationResponse{Result: collection.index(req.GetFieldName(), index)}, nil
}

func (s *qdrantPoints) Upsert(_ context.Context, req *pb.UpsertPoints) (*pb.PointsOperationResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := unsupported(map[string]bool{
		"shard keys":    req.GetShardKeySelector() != nil,
		"update_filter": req.GetUpdateFilter() != nil,
		"update modes":  req.GetUpdateMode() != pb.UpdateMode_Upsert,
	}); err != nil {
		return nil, err
	}
	points := make([]qdrantPoint, len(req.GetPoints()))
	for i, point := range req.GetPoints() {
		id, err := parseQdrantID(point.GetId())
		if err != nil {
			return nil, err
		}
		vector, err := denseQdrantVector(point.GetVectors())
		if err != nil {
			return nil, err
		}
		if err := collection.checkDimensions(vector); err != nil {
			return nil, err
		}
		payload, err := packQdrantPayload(point.GetPayload())
		if err != nil {
			return nil, err
		}
		points[i] = qdrantPoint{id: id, payload: payload, vector: unitQdrant(vector)}
	}
	return &pb.PointsOperationResponse{Result: collection.upsert(points)}, nil
}

func denseQdrantVector(vectors *pb.Vectors) ([]float32, error) {
	vector := vectors.GetVector()
	if dense := vector.GetDense(); dense != nil {
		return dense.GetData(), nil
	}
	return nil, status.Error(codes.Unimplemented, "the embedded Qdrant takes points with one unnamed dense vector only")
}

func (c *qdrantCollection) checkDimensions(vector []float32) error {
	if len(vector) != c.dimensions() {
		return status.Errorf(codes.InvalidArgument,
			"Wrong input: Vector dimension error: expected dim: %d, got %d", c.dimensions(), len(vector))
	}
	return nil
}

func (s *qdrantPoints) Delete(_ context.Context, req *pb.DeletePoints) (*pb.PointsOperationResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := unsupported(map[string]bool{"shard keys": req.GetShardKeySelector() != nil}); err != nil {
		return nil, err
	}
	var filter *pb.Filter
	switch selector := req.GetPoints().GetPointsSelectorOneOf().(type) {
	case *pb.PointsSelector_Points:
		filter = &pb.Filter{Must: []*pb.Condition{pb.NewHasID(selector.Points.GetIds()...)}}
	case *pb.PointsSelector_Filter:
		filter = selector.Filter
	default:
		return nil, status.Error(codes.InvalidArgument, "PointsSelector is missing")
	}
	plan, err := collection.plan(filter)
	if err != nil {
		return nil, err
	}
	return &pb.PointsOperationResponse{Result: collection.delete(plan)}, nil
}

func (s *qdrantPoints) Get(_ context.Context, req *pb.GetPoints) (*pb.GetResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	ids, err := parseQdrantIDs(req.GetIds())
	if err != nil {
		return nil, err
	}
	show, err := newQdrantView(req.GetWithPayload(), true, req.GetWithVectors(), req.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	collection.mu.RLock()
	defer collection.mu.RUnlock()
	return &pb.GetResponse{Result: collection.retrieve(ids, show)}, nil
}

func (s *qdrantPoints) Count(_ context.Context, req *pb.CountPoints) (*pb.CountResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := unsupported(map[string]bool{"shard keys": req.GetShardKeySelector() != nil}); err != nil {
		return nil, err
	}
	plan, err := collection.plan(req.GetFilter())
	if err != nil {
		return nil, err
	}
	collection.mu.RLock()
	defer collection.mu.RUnlock()
	return &pb.CountResponse{Result: &pb.CountResult{Count: uint64(len(collection.matching(plan)))}}, nil
}

// Scroll pages through the matching points by id, from offset on; next_page_offset is the first id of the page after.
func (s *qdrantPoints) Scroll(_ context.Context, req *pb.ScrollPoints) (*pb.ScrollResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	if err := unsupported(map[string]bool{"order_by": req.GetOrderBy() != nil}); err != nil {
		return nil, err
	}
	limit := uint64(qdrantDefaultLimit)
	if req.Limit != nil {
		limit = uint64(req.GetLimit())
	}
	if err := checkQdrantLimit(limit); err != nil {
		return nil, err
	}
	var from qdrantID // the lowest id
	if req.GetOffset() != nil {
		if from, err = parseQdrantID(req.GetOffset()); err != nil {
			return nil, err
		}
	}
	show, err := newQdrantView(req.GetWithPayload(), true, req.GetWithVectors(), req.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	plan, err := collection.plan(req.GetFilter())
	if err != nil {
		return nil, err
	}
	collection.mu.RLock()
	defer collection.mu.RUnlock()
	ids := collection.lowest(plan, from, int(limit)+1)
	page := &pb.ScrollResponse{}
	if uint64(len(ids)) > limit {
		page.NextPageOffset = ids[limit].proto()
		ids = ids[:limit]
	}
	page.Result = collection.retrieve(ids, show)
	return page, nil
}

// Query answers the nearest points to a vector, exactly: parameters that trade exactness for speed change nothing.
func (s *qdrantPoints) Query(_ context.Context, req *pb.QueryPoints) (*pb.QueryResponse, error) {
	collection, err := s.collections.find(req.GetCollectionName())
	if err != nil {
		return nil, err
	}
	vector := req.GetQuery().GetNearest().GetDense().GetData()
	if err := unsupported(map[string]bool{
		"queries other than nearest to a dense vector": req.GetQuery().GetNearest().GetDense() == nil,
		"prefetch":      len(req.GetPrefetch()) > 0,
		"named vectors": req.GetUsing() != "",
		"lookup_from":   req.GetLookupFrom() != nil,
		"idf":           req.GetParams().GetIdf() != nil,
	}); err != nil {
		return nil, err
	}
	if err := collection.checkDimensions(vector); err != nil {
		return nil, err
	}
	limit := uint64(qdrantDefaultLimit)
	if req.Limit != nil {
		limit = req.GetLimit()
	}
	if err := checkQdrantLimit(limit, req.GetOffset()); err != nil {
		return nil, err
	}
	threshold := float32(math.Inf(-1))
	if req.ScoreThreshold != nil {
		threshold = req.GetScoreThreshold()
	}
	show, err := newQdrantView(req.GetWithPayload(), false, req.GetWithVectors(), req.GetShardKeySelector())
	if err != nil {
		return nil, err
	}
	plan, err := collection.plan(req.GetFilter())
	if err != nil {
		return nil, err
	}
	collection.mu.RLock()
	defer collection.mu.RUnlock()
	best := collection.nearest(plan, unitQdrant(vector), int(limit+req.GetOffset()), threshold)
	best = best[min(req.GetOffset(), uint64(len(best))):]
	response := &pb.QueryResponse{Result: make([]*pb.ScoredPoint, len(best))}
	for i, point := range best {
		response.Result[i] = &pb.ScoredPoint{
			Id: point.id.proto(), Score: point.score,
			Payload: show.payload(point.payload), Vectors: show.vectors(point.vector),
		}
	}
	return response, nil
}

func checkQdrantLimit(limit uint64, offset ...uint64) error {
	for _, skip := range offset {
		if skip > qdrantMaxLimit {
			return status.Errorf(codes.InvalidArgument, "Validation error in body: [offset: value %d is too large]", skip)
		}
	}
	if limit < 1 || limit > qdrantMaxLimit {
		return status.Errorf(codes.InvalidArgument, "Validation error in body: [limit: value %d invalid, must be 1 or larger]", limit)
	}
	return nil
}

// retrieve needs c.mu.
func (c *qdrantCollection) retrieve(ids []qdrantID, show qdrantView) []*pb.RetrievedPoint {
	points := make([]*pb.RetrievedPoint, 0, len(ids))
	for _, id := range ids {
		if at, exists := c.rows[id]; exists {
			point := at.point()
			points = append(points, &pb.RetrievedPoint{
				Id: id.proto(), Payload: show.payload(point.payload), Vectors: show.vectors(point.vector),
			})
		}
	}
	return points
}

// qdrantView says what of a point an answer shows.
type qdrantView struct {
	all         bool
	keep        func(field string) bool // where not all: which fields, nil for none
	showVectors bool
}

// newQdrantView takes byDefault to say whether an answer shows the payload that the request does not speak of.
func newQdrantView(
	payload *pb.WithPayloadSelector, byDefault bool, vectors *pb.WithVectorsSelector, shards *pb.ShardKeySelector,
) (qdrantView, error) {
	fields := slices.Concat(payload.GetInclude().GetFields(), payload.GetExclude().GetFields())
	if err := unsupported(map[string]bool{
		"shard keys":                    shards != nil,
		"named vectors":                 vectors.GetInclude() != nil,
		"selecting parts of a field":    slices.ContainsFunc(fields, func(f string) bool { return strings.ContainsAny(f, ".[]\"") }),
		"a payload selector of no kind": payload != nil && payload.GetSelectorOptions() == nil,
	}); err != nil {
		return qdrantView{}, err
	}
	view := qdrantView{all: payload == nil && byDefault, showVectors: vectors.GetEnable()}
	switch payload.GetSelectorOptions().(type) {
	case *pb.WithPayloadSelector_Enable:
		view.all = payload.GetEnable()
	case *pb.WithPayloadSelector_Include:
		view.keep = func(field string) bool { return slices.Contains(fields, field) }
	case *pb.WithPayloadSelector_Exclude:
		view.keep = func(field string) bool { return !slices.Contains(fields, field) }
	}
	return view, nil
}

func (v qdrantView) payload(packed qdrantPayload) map[string]*pb.Value {
	if !v.all && v.keep == nil {
		return nil
	}
	shown := map[string]*pb.Value{}
	for len(packed) > 0 {
		var name []byte
		var value qdrantValue
		if name, value, packed = packed.next(); v.all || v.keep(string(name)) {
			shown[string(name)] = value.unpack()
		}
	}
	return shown
}

// vectors copies: the original's place may be another point's before the answer is sent.
func (v qdrantView) vectors(vector []float32) *pb.VectorsOutput {
	if !v.showVectors {
		return nil
	}
	return &pb.VectorsOutput{VectorsOptions: &pb.VectorsOutput_Vector{Vector: &pb.VectorOutput{
		Vector: &pb.VectorOutput_Dense{Dense: &pb.DenseVector{Data: slices.Clone(vector)}},
	}}}
}
