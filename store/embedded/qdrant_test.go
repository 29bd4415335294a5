package embedded_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"

	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	rpc "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/codybias9/real-estate-os/store/embedded"
)

const qdrantTestCollection = "homes"

func TestQdrantDemandsItsKey(t *testing.T) {
	server := startQdrant(t)
	reply, err := qdrantClient(t, server.URL(), true).HealthCheck(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, reply.GetVersion())
	_, err = qdrantClient(t, server.URL(), false).HealthCheck(t.Context())
	require.Equal(t, codes.Unauthenticated, rpc.Code(err))
}

func TestQdrantListensOnLoopbackOnly(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "[::]:0", "example.org:0", "192.0.2.1:0", "nonsense"} {
		_, err := embedded.StartQdrant(t.Context(), addr)
		require.ErrorContains(t, err, "start embedded Qdrant", addr)
	}
}

func TestQdrantTakesItsPortBack(t *testing.T) {
	first := startQdrant(t)
	u, err := url.Parse(first.URL())
	require.NoError(t, err)
	_, err = embedded.StartQdrant(t.Context(), u.Host)
	require.ErrorContains(t, err, "in use")
	require.NoError(t, first.Close())
	require.NoError(t, first.Close())
	second, err := embedded.StartQdrant(t.Context(), u.Host)
	require.NoError(t, err)
	require.NoError(t, second.Close())
}

func TestQdrantCollectionsAndAliases(t *testing.T) {
	api := qdrantClient(t, startQdrant(t).URL(), true)
	ctx := t.Context()
	require.NoError(t, createQdrant(t, api, "one", 2))
	require.NoError(t, createQdrant(t, api, "two", 2))
	require.Equal(t, codes.AlreadyExists, rpc.Code(createQdrant(t, api, "one", 2)))
	require.Equal(t, codes.InvalidArgument, rpc.Code(createQdrant(t, api, "a/b", 2)))
	require.Equal(t, codes.InvalidArgument, rpc.Code(createQdrant(t, api, "none", 0)))

	require.NoError(t, api.CreateAlias(ctx, "current", "one"))
	require.Equal(t, codes.NotFound, rpc.Code(api.CreateAlias(ctx, "x", "missing")))
	require.Equal(t, codes.AlreadyExists, rpc.Code(api.CreateAlias(ctx, "two", "one")))
	require.Equal(t, codes.InvalidArgument, rpc.Code(createQdrant(t, api, "current", 2)))
	upsertQdrant(t, api, "current", qdrantTestPoint(1, nil, 1, 0))
	require.Equal(t, 1, countQdrantPoints(t, api, "one", nil))

	require.Error(t, api.UpdateAliases(ctx, []*pb.AliasOperations{
		pb.NewAliasDelete("current"), pb.NewAliasCreate("current", "missing"),
	}))
	require.Equal(t, 1, countQdrantPoints(t, api, "current", nil), "all of the actions or none")
	require.NoError(t, api.UpdateAliases(ctx, []*pb.AliasOperations{
		pb.NewAliasDelete("current"), pb.NewAliasCreate("current", "two"),
	}))
	require.Zero(t, countQdrantPoints(t, api, "current", nil))
	require.NoError(t, api.RenameAlias(ctx, "current", "now"))
	aliases, err := api.ListCollectionAliases(ctx, "two")
	require.NoError(t, err)
	require.Equal(t, []string{"now"}, aliases)

	require.NoError(t, api.DeleteCollection(ctx, "two"))
	require.Error(t, api.DeleteCollection(ctx, "two"))
	exists, err := api.CollectionExists(ctx, "now")
	require.NoError(t, err)
	require.False(t, exists, "an alias goes with its collection")
	_, err = api.GetCollectionInfo(ctx, "now")
	require.Equal(t, codes.NotFound, rpc.Code(err))
	_, err = api.Count(ctx, &pb.CountPoints{CollectionName: "now"})
	require.Equal(t, codes.NotFound, rpc.Code(err))
	names, err := api.ListCollections(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"one"}, names)
}

func TestQdrantFilters(t *testing.T) {
	api := homesOf(t)
	payloads := []map[string]any{
		{"city": "Reno", "beds": 2, "price": 10.5, "sold": true, "tags": []any{"pool", "view"}},
		{"city": "Sparks", "beds": 3, "price": 20, "sold": false, "tags": []any{}},
		{"city": nil, "beds": 2.0, "at": map[string]any{"lon": -119.8, "lat": 39.5}},
		{},
	}
	for i, payload := range payloads {
		upsertQdrant(t, api, qdrantTestCollection, qdrantTestPoint(uint64(i), payload, 1, 0))
	}
	field := func(c *pb.FieldCondition) *pb.Condition {
		return &pb.Condition{ConditionOneOf: &pb.Condition_Field{Field: c}}
	}
	all := func(conditions ...*pb.Condition) *pb.Filter { return &pb.Filter{Must: conditions} }
	for name, c := range map[string]struct {
		filter *pb.Filter
		want   []uint64
	}{
		"empty":            {&pb.Filter{}, []uint64{0, 1, 2, 3}},
		"keyword":          {all(pb.NewMatchKeyword("city", "Reno")), []uint64{0}},
		"keyword in list":  {all(pb.NewMatchKeyword("tags", "view")), []uint64{0}},
		"keywords":         {all(pb.NewMatchKeywords("city", "Reno", "Sparks")), []uint64{0, 1}},
		"integer":          {all(pb.NewMatchInt("beds", 2)), []uint64{0}},
		"integers":         {all(pb.NewMatchInts("beds", 2, 3)), []uint64{0, 1}},
		"boolean":          {all(pb.NewMatchBool("sold", false)), []uint64{1}},
		"range":            {all(pb.NewRange("price", &pb.Range{Gt: pb.PtrOf(10.5)})), []uint64{1}},
		"range, inclusive": {all(pb.NewRange("price", &pb.Range{Gte: pb.PtrOf(10.5), Lte: pb.PtrOf(20.0)})), []uint64{0, 1}},
		"range, below":     {all(pb.NewRange("beds", &pb.Range{Lt: pb.PtrOf(3.0)})), []uint64{0, 2}},
		"is empty":         {all(pb.NewIsEmpty("city")), []uint64{2, 3}},
		"empty list":       {all(pb.NewIsEmpty("tags")), []uint64{1, 2, 3}},
		"field not empty":  {all(field(&pb.FieldCondition{Key: "city", IsEmpty: pb.PtrOf(false)})), []uint64{0, 1}},
		"is null":          {all(pb.NewIsNull("city")), []uint64{2}},
		"has id":           {all(pb.NewHasID(pb.NewIDNum(3), pb.NewIDNum(1), pb.NewIDNum(1), pb.NewIDNum(9))), []uint64{1, 3}},
		"has id and":       {all(pb.NewHasID(pb.NewIDNum(0), pb.NewIDNum(1)), pb.NewMatchInt("beds", 3)), []uint64{1}},
		"should":           {&pb.Filter{Should: []*pb.Condition{pb.NewMatchInt("beds", 3), pb.NewIsNull("city")}}, []uint64{1, 2}},
		"must not":         {&pb.Filter{MustNot: []*pb.Condition{pb.NewMatchInt("beds", 3), pb.NewIsEmpty("city")}}, []uint64{0}},
		"nested filters":   {all(pb.NewFilterAsCondition(&pb.Filter{MustNot: []*pb.Condition{pb.NewIsEmpty("city")}})), []uint64{0, 1}},
		"at least two": {&pb.Filter{MinShould: &pb.MinShould{MinCount: 2, Conditions: []*pb.Condition{
			pb.NewMatchKeyword("city", "Reno"), pb.NewMatchBool("sold", true), pb.NewMatchInt("beds", 3),
		}}}, []uint64{0}},
		"radius":       {all(pb.NewGeoRadius("at", 39.5, -119.79, 1000)), []uint64{2}},
		"small radius": {all(pb.NewGeoRadius("at", 39.5, -119.79, 800)), nil},
		"box":          {all(pb.NewGeoBoundingBox("at", 40, -120, 39, -119)), []uint64{2}},
		"outside box":  {all(pb.NewGeoBoundingBox("at", 40, -119, 39, -120)), nil},
	} {
		require.Equal(t, c.want, scrollQdrant(t, api, c.filter), name)
		require.Equal(t, len(c.want), countQdrantPoints(t, api, qdrantTestCollection, c.filter), name)
		hits, err := api.Query(t.Context(), &pb.QueryPoints{
			CollectionName: qdrantTestCollection, Query: pb.NewQuery(1, 0), Filter: c.filter,
		})
		require.NoError(t, err, name)
		require.Len(t, hits, len(c.want), name)
	}
}

func TestQdrantRefusesWhatItDoesNotKnow(t *testing.T) {
	api := homesOf(t)
	ctx := t.Context()
	for name, condition := range map[string]*pb.Condition{
		"text":      pb.NewMatchText("city", "Re"),
		"except":    pb.NewMatchExcept("city", "Reno"),
		"prefix":    pb.NewMatchPrefix("city", "Re"),
		"path":      pb.NewMatchKeyword("a.b", "x"),
		"count":     pb.NewValuesCount("tags", &pb.ValuesCount{Gt: pb.PtrOf(uint64(1))}),
		"nested":    pb.NewNestedCondition("a", pb.NewIsEmpty("b")),
		"slice":     pb.NewSlice(2, 1),
		"inside":    pb.NewFilterAsCondition(&pb.Filter{Should: []*pb.Condition{pb.NewHasVector("v")}}),
		"date time": pb.NewDatetimeRange("at", &pb.DatetimeRange{}),
	} {
		filter := &pb.Filter{Must: []*pb.Condition{condition}}
		_, err := api.Count(ctx, &pb.CountPoints{CollectionName: qdrantTestCollection, Filter: filter})
		require.Equal(t, codes.Unimplemented, rpc.Code(err), name)
		_, err = api.Delete(ctx, &pb.DeletePoints{CollectionName: qdrantTestCollection, Points: pb.NewPointsSelectorFilter(filter)})
		require.Equal(t, codes.Unimplemented, rpc.Code(err), name)
	}
	for _, condition := range []*pb.Condition{{}, {ConditionOneOf: &pb.Condition_Field{Field: &pb.FieldCondition{Key: "city"}}}} {
		_, err := api.Count(ctx, &pb.CountPoints{CollectionName: qdrantTestCollection, Filter: &pb.Filter{Must: []*pb.Condition{condition}}})
		require.Equal(t, codes.InvalidArgument, rpc.Code(err))
	}
	for name, query := range map[string]*pb.QueryPoints{
		"recommend": {Query: pb.NewQueryRecommend(&pb.RecommendInput{})},
		"no query":  {},
		"by id":     {Query: pb.NewQueryID(pb.NewIDNum(1))},
		"prefetch":  {Query: pb.NewQuery(1, 0), Prefetch: []*pb.PrefetchQuery{{}}},
		"named":     {Query: pb.NewQuery(1, 0), Using: pb.PtrOf("v")},
	} {
		query.CollectionName = qdrantTestCollection
		_, err := api.Query(ctx, query)
		require.Equal(t, codes.Unimplemented, rpc.Code(err), name)
	}
	_, err := api.Facet(ctx, &pb.FacetCounts{CollectionName: qdrantTestCollection, Key: "city"})
	require.Equal(t, codes.Unimplemented, rpc.Code(err))
	_, err = api.Query(ctx, &pb.QueryPoints{CollectionName: qdrantTestCollection, Query: pb.NewQuery(1, 0), Limit: pb.PtrOf(uint64(0))})
	require.Equal(t, codes.InvalidArgument, rpc.Code(err))
	_, err = api.Upsert(ctx, &pb.UpsertPoints{CollectionName: qdrantTestCollection, Points: []*pb.PointStruct{
		qdrantTestPoint(1, nil, 1, 0), {Id: pb.NewIDUUID("nonsense"), Vectors: pb.NewVectors(1, 0)},
	}})
	require.Equal(t, codes.InvalidArgument, rpc.Code(err))
	_, err = api.Upsert(ctx, &pb.UpsertPoints{CollectionName: qdrantTestCollection, Points: []*pb.PointStruct{
		qdrantTestPoint(1, nil, 1, 0), qdrantTestPoint(2, nil, 1, 0, 0),
	}})
	require.ErrorContains(t, err, "expected dim: 2, got 3")
	require.Equal(t, codes.InvalidArgument, rpc.Code(err))
	require.Zero(t, countQdrantPoints(t, api, qdrantTestCollection, nil), "a refused batch leaves nothing")
}

func TestQdrantScrollPages(t *testing.T) {
	api := homesOf(t)
	for i := range uint64(25) {
		upsertQdrant(t, api, qdrantTestCollection, qdrantTestPoint(i, map[string]any{"n": int64(i), "m": 1}, 1, 0))
	}
	var pages, seen []int
	pager := api.ScrollAll(t.Context(), &pb.ScrollPoints{
		CollectionName: qdrantTestCollection, WithPayload: pb.NewWithPayloadExclude("m"), WithVectors: pb.NewWithVectors(true),
	})
	for {
		points, err := pager.Next()
		if err != nil {
			break
		}
		pages = append(pages, len(points))
		for _, point := range points {
			require.Len(t, point.GetPayload(), 1)
			require.Equal(t, []float32{1, 0}, point.GetVectors().GetVector().GetDense().GetData())
			seen = append(seen, int(point.GetPayload()["n"].GetIntegerValue()))
		}
	}
	require.Equal(t, []int{10, 10, 5}, pages)
	require.Len(t, seen, 25)
	require.True(t, slices.IsSorted(seen))
	points, err := api.Get(t.Context(), &pb.GetPoints{
		CollectionName: qdrantTestCollection, Ids: []*pb.PointId{pb.NewIDNum(7), pb.NewIDNum(99), pb.NewIDNum(3)},
	})
	require.NoError(t, err)
	require.Len(t, points, 2)
	require.Len(t, points[0].GetPayload(), 2)
	require.Equal(t, uint64(7), points[0].GetId().GetNum())
}

func TestQdrantGivesPayloadsBackAsTheyCame(t *testing.T) {
	api := homesOf(t)
	given := qdrantTestPoint(1, map[string]any{
		"nothing": nil, "yes": true, "no": false, "zero": int64(0), "below": int64(-7), "half": 0.5, "none": 0.0,
		"infinite": math.Inf(-1), "text": "Ägypten", "empty": "", "list": []any{int64(1), "two", nil, []any{}},
		"place": map[string]any{"lon": -119.75, "more": map[string]any{}}, "": "a field without a name",
	}, 1, 0)
	upsertQdrant(t, api, qdrantTestCollection, given)
	got, err := api.Get(t.Context(), &pb.GetPoints{CollectionName: qdrantTestCollection, Ids: []*pb.PointId{given.GetId()}})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Len(t, got[0].GetPayload(), len(given.GetPayload()))
	for name, value := range given.GetPayload() {
		require.Truef(t, proto.Equal(value, got[0].GetPayload()[name]), "%q: %v", name, got[0].GetPayload()[name])
	}
}

// TestQdrantAgreesWithAPlainSearch compares with sorting all points, before and after the tenant index parts them and
// while points change.
func TestQdrantAgreesWithAPlainSearch(t *testing.T) {
	api := homesOf(t)
	random := rand.New(rand.NewPCG(3, 4))
	type home struct {
		tenant string
		vector []float32
	}
	homes := map[uint64]home{}
	change := func() {
		var batch []*pb.PointStruct
		for range 200 {
			id := random.Uint64N(150)
			h := home{fmt.Sprint("t", random.IntN(3)), []float32{random.Float32() - .5, random.Float32() - .5}}
			homes[id] = h
			batch = append(batch, qdrantTestPoint(id, map[string]any{"tenant_id": h.tenant}, h.vector...))
		}
		upsertQdrant(t, api, qdrantTestCollection, batch...)
		for range 40 {
			id := random.Uint64N(150)
			delete(homes, id)
			_, err := api.Delete(t.Context(), &pb.DeletePoints{CollectionName: qdrantTestCollection, Points: pb.NewPointsSelector(pb.NewIDNum(id))})
			require.NoError(t, err)
		}
	}
	check := func() {
		for _, tenant := range []string{"t0", "t1", "t2", "t3"} {
			var want []uint64
			for id, h := range homes {
				if h.tenant == tenant {
					want = append(want, id)
				}
			}
			slope := func(id uint64) float64 { // falls with the cosine to (1, 0)
				v := homes[id].vector
				return -float64(v[0]) / math.Hypot(float64(v[0]), float64(v[1]))
			}
			slices.SortFunc(want, func(a, b uint64) int { return cmp.Compare(slope(a), slope(b)) })
			hits, err := api.Query(t.Context(), &pb.QueryPoints{
				CollectionName: qdrantTestCollection, Query: pb.NewQuery(5, 0), Limit: pb.PtrOf(uint64(9)), Offset: pb.PtrOf(uint64(2)),
				Filter: &pb.Filter{Must: []*pb.Condition{pb.NewMatchKeyword("tenant_id", tenant)}},
			})
			require.NoError(t, err)
			want = want[min(2, len(want)):min(11, len(want))]
			require.Len(t, hits, len(want))
			for i, hit := range hits {
				require.InDelta(t, -slope(want[i]), hit.GetScore(), 1e-5)
			}
		}
	}
	change()
	check()
	_, err := api.CreateFieldIndex(t.Context(), &pb.CreateFieldIndexCollection{
		CollectionName: qdrantTestCollection, FieldName: "tenant_id", FieldType: pb.FieldType_FieldTypeKeyword.Enum(),
		FieldIndexParams: pb.NewPayloadIndexParamsKeyword(&pb.KeywordIndexParams{IsTenant: pb.PtrOf(true)}),
	})
	require.NoError(t, err)
	check()
	for range 5 {
		change()
		check()
	}
	require.Equal(t, len(homes), countQdrantPoints(t, api, qdrantTestCollection, nil))
	info, err := api.GetCollectionInfo(t.Context(), qdrantTestCollection)
	require.NoError(t, err)
	require.Equal(t, uint64(len(homes)), info.GetPointsCount())
	require.Equal(t, pb.PayloadSchemaType_Keyword, info.GetPayloadSchema()["tenant_id"].GetDataType())
}

func TestQdrantServesManyAtOnce(t *testing.T) {
	api := homesOf(t)
	var group sync.WaitGroup
	errs := make(chan error, 1000)
	for worker := range uint64(6) {
		group.Go(func() {
			for i := range uint64(50) {
				_, err := api.Upsert(t.Context(), &pb.UpsertPoints{CollectionName: qdrantTestCollection, Points: []*pb.PointStruct{
					qdrantTestPoint(worker*1000+i, map[string]any{"i": int64(i)}, 1, float32(i)),
				}})
				errs <- err
				_, err = api.Query(t.Context(), &pb.QueryPoints{
					CollectionName: qdrantTestCollection, Query: pb.NewQuery(1, 1),
					WithPayload: pb.NewWithPayload(true), WithVectors: pb.NewWithVectors(true),
				})
				errs <- err
				_, err = api.Delete(t.Context(), &pb.DeletePoints{
					CollectionName: qdrantTestCollection, Points: pb.NewPointsSelector(pb.NewIDNum(worker*1000 + i/2)),
				})
				errs <- err
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
	require.Equal(t, 6*25, countQdrantPoints(t, api, qdrantTestCollection, nil))
}

func startQdrant(t *testing.T) *embedded.Qdrant {
	server, err := embedded.StartQdrant(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close()) })
	return server
}

// homesOf returns a client of a fresh server with an empty collection of two dimensions.
func homesOf(t *testing.T) *pb.Client {
	api := qdrantClient(t, startQdrant(t).URL(), true)
	require.NoError(t, createQdrant(t, api, qdrantTestCollection, 2))
	return api
}

func qdrantClient(t *testing.T, address string, withKey bool) *pb.Client {
	u, err := url.Parse(address)
	require.NoError(t, err)
	port, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	config := &pb.Config{Host: u.Hostname(), Port: port, SkipCompatibilityCheck: true, PoolSize: 1}
	if key, _ := u.User.Password(); withKey {
		config.Headers = map[string]string{"api-key": key}
	}
	api, err := pb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, api.Close()) })
	return api
}

func createQdrant(t *testing.T, api *pb.Client, name string, dimensions uint64) error {
	return api.CreateCollection(t.Context(), &pb.CreateCollection{
		CollectionName: name,
		VectorsConfig:  pb.NewVectorsConfig(&pb.VectorParams{Size: dimensions, Distance: pb.Distance_Cosine}),
	})
}

func qdrantTestPoint(id uint64, payload map[string]any, vector ...float32) *pb.PointStruct {
	return &pb.PointStruct{Id: pb.NewIDNum(id), Payload: pb.NewValueMap(payload), Vectors: pb.NewVectorsDense(vector)}
}

func upsertQdrant(t *testing.T, api *pb.Client, collection string, points ...*pb.PointStruct) {
	result, err := api.Upsert(t.Context(), &pb.UpsertPoints{CollectionName: collection, Points: points, Wait: pb.PtrOf(true)})
	require.NoError(t, err)
	require.Equal(t, pb.UpdateStatus_Completed, result.GetStatus())
}

func countQdrantPoints(t *testing.T, api *pb.Client, collection string, filter *pb.Filter) int {
	n, err := api.Count(t.Context(), &pb.CountPoints{CollectionName: collection, Filter: filter, Exact: pb.PtrOf(true)})
	require.NoError(t, err)
	return int(n)
}

func scrollQdrant(t *testing.T, api *pb.Client, filter *pb.Filter) (ids []uint64) {
	points, err := api.Scroll(t.Context(), &pb.ScrollPoints{CollectionName: qdrantTestCollection, Filter: filter})
	require.NoError(t, err)
	for _, point := range points {
		ids = append(ids, point.GetId().GetNum())
	}
	return ids
}
