package embedded

import (
	"bytes"
	"cmp"
	"container/heap"
	"math"
	"slices"
	"sync"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// qdrantID is a point's id: a number or a UUID.
type qdrantID struct {
	uuid   uuid.UUID
	number uint64
	isUUID bool
}

func parseQdrantID(id *pb.PointId) (qdrantID, error) {
	switch id := id.GetPointIdOptions().(type) {
	case *pb.PointId_Num:
		return qdrantID{number: id.Num}, nil
	case *pb.PointId_Uuid:
		parsed, err := uuid.Parse(id.Uuid)
		if err != nil {
			return qdrantID{}, status.Errorf(codes.InvalidArgument, "Unable to parse UUID: %s", id.Uuid)
		}
		return qdrantID{uuid: parsed, isUUID: true}, nil
	default:
		return qdrantID{}, status.Error(codes.InvalidArgument, "No ID options provided")
	}
}

func parseQdrantIDs(ids []*pb.PointId) ([]qdrantID, error) {
	parsed := make([]qdrantID, len(ids))
	for i, id := range ids {
		var err error
		if parsed[i], err = parseQdrantID(id); err != nil {
			return nil, err
		}
	}
	return parsed, nil
}

func (id qdrantID) proto() *pb.PointId {
	if id.isUUID {
		return pb.NewIDUUID(id.uuid.String())
	}
	return pb.NewIDNum(id.number)
}

// compare is the order in which points are scrolled: numbers, then UUIDs.
func (id qdrantID) compare(other qdrantID) int {
	if id.isUUID != other.isUUID {
		if other.isUUID {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(id.number, other.number), bytes.Compare(id.uuid[:], other.uuid[:]))
}

// qdrantPoint is a checked point.
type qdrantPoint struct {
	id      qdrantID
	payload qdrantPayload
	vector  []float32 // unit length
}

// qdrantBlock is how many points a partition makes room for at most at once.
const qdrantBlock = 1024

// qdrantPartition holds the points of one tenant. Their vectors lie side by side in blocks: a search reads straight
// through memory, and a partition that grows copies none of them.
type qdrantPartition struct {
	points []qdrantPoint
	free   [][]float32 // room for vectors, the next one last
}

// add copies the point's vector.
func (p *qdrantPartition) add(point qdrantPoint) (row int) {
	if len(p.free) == 0 {
		size := len(point.vector)
		block := make([]float32, min(max(len(p.points), 1), qdrantBlock)*size)
		for at := len(block); at > 0; at -= size {
			p.free = append(p.free, block[at-size:at])
		}
	}
	last := len(p.free) - 1
	room := p.free[last]
	p.free = p.free[:last]
	copy(room, point.vector)
	point.vector = room
	p.points = append(p.points, point)
	return len(p.points) - 1
}

// remove moves the last point into the row; it returns the moved point's id, or false where the row was the last.
func (p *qdrantPartition) remove(row int) (moved qdrantID, ok bool) {
	last := len(p.points) - 1
	p.free = append(p.free, p.points[row].vector)
	p.points[row], p.points[last] = p.points[last], qdrantPoint{}
	p.points = p.points[:last]
	if row == last {
		return qdrantID{}, false
	}
	return p.points[row].id, true
}

// qdrantRow says where a point lies.
type qdrantRow struct {
	partition *qdrantPartition
	row       int
}

func (r qdrantRow) point() *qdrantPoint { return &r.partition.points[r.row] }

// qdrantCollection is a collection's configuration and points. Safe for concurrent use.
type qdrantCollection struct {
	config *pb.CollectionConfig

	mu          sync.RWMutex
	operations  uint64
	indexes     map[string]*pb.PayloadSchemaInfo
	tenantField string // the field whose index says is_tenant, by which points are parted; "" before there is one
	rows        map[qdrantID]qdrantRow
	partitions  map[string]*qdrantPartition // by tenant; "" holds the points without one
}

func newQdrantCollection(req *pb.CreateCollection) *qdrantCollection {
	return &qdrantCollection{
		config: &pb.CollectionConfig{
			Params: &pb.CollectionParams{
				ShardNumber:            max(req.GetShardNumber(), 1),
				VectorsConfig:          req.GetVectorsConfig(),
				ReplicationFactor:      req.ReplicationFactor,
				WriteConsistencyFactor: req.WriteConsistencyFactor,
			},
			HnswConfig:         req.GetHnswConfig(),
			OptimizerConfig:    req.GetOptimizersConfig(),
			WalConfig:          req.GetWalConfig(),
			QuantizationConfig: req.GetQuantizationConfig(),
			Metadata:           req.GetMetadata(),
		},
		indexes:    map[string]*pb.PayloadSchemaInfo{},
		rows:       map[qdrantID]qdrantRow{},
		partitions: map[string]*qdrantPartition{},
	}
}

func (c *qdrantCollection) dimensions() int {
	return int(c.config.GetParams().GetVectorsConfig().GetParams().GetSize())
}

func (c *qdrantCollection) info() *pb.CollectionInfo {
	c.mu.RLock()
	defer c.mu.RUnlock()
	schema := make(map[string]*pb.PayloadSchemaInfo, len(c.indexes))
	for field, index := range c.indexes {
		schema[field] = &pb.PayloadSchemaInfo{DataType: index.GetDataType(), Params: index.GetParams()}
	}
	return &pb.CollectionInfo{
		Status:          pb.CollectionStatus_Green,
		OptimizerStatus: &pb.OptimizerStatus{Ok: true},
		SegmentsCount:   uint64(len(c.partitions)),
		Config:          c.config,
		PayloadSchema:   schema,
		PointsCount:     pb.PtrOf(uint64(len(c.rows))),
	}
}

// index records a payload index. The tenant's decides where points lie, so that those present move.
func (c *qdrantCollection) index(field string, index *pb.PayloadSchemaInfo) *pb.UpdateResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.indexes[field] = index
	if index.GetParams().GetKeywordIndexParams().GetIsTenant() && c.tenantField != field {
		c.tenantField = field
		before := c.partitions
		c.partitions = make(map[string]*qdrantPartition, len(before))
		for _, partition := range before {
			for _, point := range partition.points {
				c.put(point)
			}
		}
	}
	return c.applied()
}

func (c *qdrantCollection) upsert(points []qdrantPoint) *pb.UpdateResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, point := range points {
		c.drop(point.id)
		c.put(point)
	}
	return c.applied()
}

func (c *qdrantCollection) delete(plan qdrantPlan) *pb.UpdateResult {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, found := range c.matching(plan) {
		c.drop(found)
	}
	return c.applied()
}

// applied counts a change; put, drop and applied need c.mu.
func (c *qdrantCollection) applied() *pb.UpdateResult {
	c.operations++
	return &pb.UpdateResult{OperationId: pb.PtrOf(c.operations), Status: pb.UpdateStatus_Completed}
}

func (c *qdrantCollection) put(point qdrantPoint) {
	tenant := point.payload.field(c.tenantField).GetStringValue()
	partition := c.partitions[tenant]
	if partition == nil {
		partition = &qdrantPartition{}
		c.partitions[tenant] = partition
	}
	c.rows[point.id] = qdrantRow{partition, partition.add(point)}
}

func (c *qdrantCollection) drop(id qdrantID) {
	at, exists := c.rows[id]
	if !exists {
		return
	}
	delete(c.rows, id)
	if moved, ok := at.partition.remove(at.row); ok {
		c.rows[moved] = at
	}
}

// qdrantPlan is a filter made ready for one collection: where to look, and what to test there.
type qdrantPlan struct {
	ids    []qdrantID // of a has_id that must hold: look up these only; no id twice
	hasIDs bool
	field  string // the tenant field at the time of planning
	tenant string // of a tenant that must match: read its partition, and the one of points without a tenant
	full   qdrantCondition
	rest   qdrantCondition // full without the tenant, which a tenant's own partition implies
}

func (c *qdrantCollection) plan(filter *pb.Filter) (qdrantPlan, error) {
	full, err := compileQdrantFilter(filter)
	if err != nil {
		return qdrantPlan{}, err
	}
	plan := qdrantPlan{full: full, rest: full}
	c.mu.RLock()
	plan.field = c.tenantField
	c.mu.RUnlock()
	for i, condition := range filter.GetMust() {
		if list := condition.GetHasId(); list != nil && !plan.hasIDs {
			plan.hasIDs = true
			if plan.ids, err = parseQdrantIDs(list.GetHasId()); err != nil {
				return qdrantPlan{}, err
			}
			slices.SortFunc(plan.ids, qdrantID.compare)
			plan.ids = slices.Compact(plan.ids)
		}
		tenant := condition.GetField().GetMatch().GetKeyword()
		if tenant == "" || plan.tenant != "" || condition.GetField().GetKey() != plan.field {
			continue
		}
		plan.tenant = tenant
		if plan.rest, err = compileQdrantFilter(&pb.Filter{
			Must:   slices.Delete(slices.Clone(filter.GetMust()), i, i+1),
			Should: filter.GetShould(), MustNot: filter.GetMustNot(), MinShould: filter.GetMinShould(),
		}); err != nil {
			return qdrantPlan{}, err
		}
	}
	return plan, nil
}

// visit calls see with every point that could match, and the condition left to test. It needs c.mu.
func (c *qdrantCollection) visit(plan qdrantPlan, see func(*qdrantPoint, qdrantCondition)) {
	if plan.hasIDs {
		for _, id := range plan.ids {
			if at, exists := c.rows[id]; exists {
				see(at.point(), plan.full)
			}
		}
		return
	}
	for tenant, partition := range c.partitions {
		condition := plan.full
		if plan.tenant != "" && tenant != "" && plan.field == c.tenantField {
			if tenant != plan.tenant {
				continue
			}
			condition = plan.rest
		}
		for row := range partition.points {
			see(&partition.points[row], condition)
		}
	}
}

// matching returns the ids of the points that match, in no order. It needs c.mu.
func (c *qdrantCollection) matching(plan qdrantPlan) []qdrantID {
	var ids []qdrantID
	c.visit(plan, func(point *qdrantPoint, condition qdrantCondition) {
		if condition(point) {
			ids = append(ids, point.id)
		}
	})
	return ids
}

// lowest lists the n lowest ids of the points that match, none of them below from, in their order. Sorting all of them
// for every page would make a listing quadratic. It needs c.mu.
func (c *qdrantCollection) lowest(plan qdrantPlan, from qdrantID, n int) []qdrantID {
	var ids []qdrantID
	var highest *qdrantID // of n that are known
	cut := func() {
		slices.SortFunc(ids, qdrantID.compare)
		if len(ids) >= n {
			ids = ids[:n]
			last := ids[n-1]
			highest = &last
		}
	}
	c.visit(plan, func(point *qdrantPoint, condition qdrantCondition) {
		id := point.id
		if id.compare(from) < 0 || highest != nil && id.compare(*highest) >= 0 || !condition(point) {
			return
		}
		if ids = append(ids, id); len(ids) == 2*n {
			cut()
		}
	})
	cut()
	return ids
}

// qdrantScored is a point and its similarity to the query's vector.
type qdrantScored struct {
	*qdrantPoint
	score float32
}

// qdrantHeap keeps the best points found so far, the worst of them on top.
type qdrantHeap []qdrantScored

func (h qdrantHeap) Len() int           { return len(h) }
func (h qdrantHeap) Less(i, j int) bool { return h[i].score < h[j].score }
func (h qdrantHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *qdrantHeap) Push(x any)        { *h = append(*h, x.(qdrantScored)) }
func (h *qdrantHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// nearest returns the limit points with the highest score of at least threshold, the best first. It needs c.mu.
//
// Until that many are found a point must pass the filter to be worth scoring; after that it must score to be worth
// testing, for which few do.
func (c *qdrantCollection) nearest(plan qdrantPlan, vector []float32, limit int, threshold float32) []qdrantScored {
	var best qdrantHeap
	c.visit(plan, func(point *qdrantPoint, condition qdrantCondition) {
		if len(best) < limit {
			if !condition(point) {
				return
			}
			if score := dotQdrant(vector, point.vector); score >= threshold {
				heap.Push(&best, qdrantScored{point, score})
			}
			return
		}
		if score := dotQdrant(vector, point.vector); score > best[0].score && condition(point) {
			best[0] = qdrantScored{point, score}
			heap.Fix(&best, 0)
		}
	})
	slices.SortFunc(best, func(a, b qdrantScored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), a.id.compare(b.id))
	})
	return best
}

// unitQdrant returns the vector scaled to length 1, so that a dot product is the cosine. A zero vector stays zero.
func unitQdrant(vector []float32) []float32 {
	var square float64
	for _, x := range vector {
		square += float64(x) * float64(x)
	}
	unit := slices.Clone(vector)
	if square == 0 {
		return unit
	}
	scale := float32(1 / math.Sqrt(square))
	for i := range unit {
		unit[i] *= scale
	}
	return unit
}

// dotQdrant adds up in four chains, which the processor works on at once.
func dotQdrant(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	for len(a) >= 16 && len(b) >= 16 { // the second says nothing new but to the compiler, which need not check bounds
		x, y := (*[16]float32)(a), (*[16]float32)(b)
		s0 += x[0]*y[0] + x[4]*y[4] + (x[8]*y[8] + x[12]*y[12])
		s1 += x[1]*y[1] + x[5]*y[5] + (x[9]*y[9] + x[13]*y[13])
		s2 += x[2]*y[2] + x[6]*y[6] + (x[10]*y[10] + x[14]*y[14])
		s3 += x[3]*y[3] + x[7]*y[7] + (x[11]*y[11] + x[15]*y[15])
		a, b = a[16:], b[16:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}
