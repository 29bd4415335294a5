package embedded

import (
	"math"
	"slices"
	"strings"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/codybias9/real-estate-os/store"
)

// qdrantCondition tells whether a point meets a condition of a filter.
type qdrantCondition func(*qdrantPoint) bool

func qdrantAny(*qdrantPoint) bool { return true }

// compileQdrantFilter turns a filter into a condition; a nil or empty filter lets everything pass. Conditions that this
// server does not know are refused, never passed over.
func compileQdrantFilter(filter *pb.Filter) (qdrantCondition, error) {
	must, err := compileQdrantConditions(filter.GetMust())
	if err != nil {
		return nil, err
	}
	mustNot, err := compileQdrantConditions(filter.GetMustNot())
	if err != nil {
		return nil, err
	}
	should, err := compileQdrantConditions(filter.GetShould())
	if err != nil {
		return nil, err
	}
	minShould, err := compileQdrantConditions(filter.GetMinShould().GetConditions())
	if err != nil {
		return nil, err
	}
	if filter.GetMinShould() != nil && filter.GetMinShould().GetMinCount() < 1 {
		return nil, status.Error(codes.InvalidArgument, "Validation error in body: [min_count must be greater than 0]")
	}
	atLeast := int(min(filter.GetMinShould().GetMinCount(), math.MaxInt32))
	if len(must)+len(mustNot)+len(should)+atLeast == 0 {
		return qdrantAny, nil
	}
	return func(point *qdrantPoint) bool {
		holds := func(condition qdrantCondition) bool { return condition(point) }
		for _, condition := range must {
			if !condition(point) {
				return false
			}
		}
		return !slices.ContainsFunc(mustNot, holds) &&
			(len(should) == 0 || slices.ContainsFunc(should, holds)) &&
			(atLeast == 0 || countQdrant(minShould, holds) >= atLeast)
	}, nil
}

func countQdrant(conditions []qdrantCondition, holds func(qdrantCondition) bool) int {
	n := 0
	for _, condition := range conditions {
		if holds(condition) {
			n++
		}
	}
	return n
}

func compileQdrantConditions(conditions []*pb.Condition) ([]qdrantCondition, error) {
	compiled := make([]qdrantCondition, len(conditions))
	for i, condition := range conditions {
		var err error
		if compiled[i], err = compileQdrantCondition(condition); err != nil {
			return nil, err
		}
	}
	return compiled, nil
}

func compileQdrantCondition(condition *pb.Condition) (qdrantCondition, error) {
	switch c := condition.GetConditionOneOf().(type) {
	case *pb.Condition_Field:
		return compileQdrantField(c.Field)
	case *pb.Condition_HasId:
		ids, err := parseQdrantIDs(c.HasId.GetHasId())
		if err != nil {
			return nil, err
		}
		wanted := make(map[qdrantID]bool, len(ids))
		for _, id := range ids {
			wanted[id] = true
		}
		return func(point *qdrantPoint) bool { return wanted[point.id] }, nil
	case *pb.Condition_IsEmpty:
		return onQdrantField(c.IsEmpty.GetKey(), isQdrantEmpty)
	case *pb.Condition_IsNull:
		return onQdrantField(c.IsNull.GetKey(), isQdrantNull)
	case *pb.Condition_Filter:
		return compileQdrantFilter(c.Filter)
	case nil:
		return nil, status.Error(codes.InvalidArgument, "Malformed Condition type")
	default:
		return nil, status.Errorf(codes.Unimplemented, "the embedded Qdrant does not support the condition %T", c)
	}
}

// onQdrantField tests the field as a whole: nil when the point lacks it.
func onQdrantField(key string, test func(*pb.Value) bool) (qdrantCondition, error) {
	if key == "" || strings.ContainsAny(key, ".[]\"") {
		return nil, status.Errorf(codes.Unimplemented, "the embedded Qdrant filters on top-level fields only, not on %q", key)
	}
	return func(point *qdrantPoint) bool { return test(point.payload.field(key)) }, nil
}

func compileQdrantField(field *pb.FieldCondition) (qdrantCondition, error) {
	if err := unsupported(map[string]bool{
		"values_count":   field.GetValuesCount() != nil,
		"geo_polygon":    field.GetGeoPolygon() != nil,
		"datetime_range": field.GetDatetimeRange() != nil,
	}); err != nil {
		return nil, err
	}
	var tests []func(*pb.Value) bool
	if field.GetMatch() != nil {
		test, err := compileQdrantMatch(field.GetMatch())
		if err != nil {
			return nil, err
		}
		tests = append(tests, anyQdrantElement(test))
	}
	if r := field.GetRange(); r != nil {
		tests = append(tests, anyQdrantElement(func(v *pb.Value) bool { return inQdrantRange(v, r) }))
	}
	if r := field.GetGeoRadius(); r != nil {
		tests = append(tests, anyQdrantElement(func(v *pb.Value) bool { return inQdrantRadius(v, r) }))
	}
	if b := field.GetGeoBoundingBox(); b != nil {
		tests = append(tests, anyQdrantElement(func(v *pb.Value) bool { return inQdrantBox(v, b) }))
	}
	if field.IsEmpty != nil {
		tests = append(tests, func(v *pb.Value) bool { return isQdrantEmpty(v) == field.GetIsEmpty() })
	}
	if field.IsNull != nil {
		tests = append(tests, func(v *pb.Value) bool { return isQdrantNull(v) == field.GetIsNull() })
	}
	if len(tests) != 1 {
		return nil, status.Errorf(codes.InvalidArgument, "field condition on %q must have exactly one test, not %d", field.GetKey(), len(tests))
	}
	return onQdrantField(field.GetKey(), tests[0])
}

// anyQdrantElement is how the server reads lists: one matching element is enough. A missing field never matches.
func anyQdrantElement(test func(*pb.Value) bool) func(*pb.Value) bool {
	return func(value *pb.Value) bool {
		if list, ok := value.GetKind().(*pb.Value_ListValue); ok {
			return slices.ContainsFunc(list.ListValue.GetValues(), test)
		}
		return value != nil && test(value)
	}
}

func compileQdrantMatch(match *pb.Match) (func(*pb.Value) bool, error) {
	switch m := match.GetMatchValue().(type) {
	case *pb.Match_Keyword:
		return func(v *pb.Value) bool { return isQdrantKeyword(v, m.Keyword) }, nil
	case *pb.Match_Integer:
		return func(v *pb.Value) bool { return isQdrantInteger(v, m.Integer) }, nil
	case *pb.Match_Boolean:
		return func(v *pb.Value) bool {
			b, ok := v.GetKind().(*pb.Value_BoolValue)
			return ok && b.BoolValue == m.Boolean
		}, nil
	case *pb.Match_Keywords:
		return func(v *pb.Value) bool {
			return slices.ContainsFunc(m.Keywords.GetStrings(), func(s string) bool { return isQdrantKeyword(v, s) })
		}, nil
	case *pb.Match_Integers:
		return func(v *pb.Value) bool {
			return slices.ContainsFunc(m.Integers.GetIntegers(), func(n int64) bool { return isQdrantInteger(v, n) })
		}, nil
	case nil:
		return nil, status.Error(codes.InvalidArgument, "Malformed Match condition")
	default:
		return nil, status.Errorf(codes.Unimplemented, "the embedded Qdrant does not support the match %T", m)
	}
}

func isQdrantKeyword(value *pb.Value, keyword string) bool {
	s, ok := value.GetKind().(*pb.Value_StringValue)
	return ok && s.StringValue == keyword
}

func isQdrantInteger(value *pb.Value, integer int64) bool {
	n, ok := value.GetKind().(*pb.Value_IntegerValue)
	return ok && n.IntegerValue == integer
}

func isQdrantEmpty(value *pb.Value) bool {
	switch kind := value.GetKind().(type) {
	case nil, *pb.Value_NullValue:
		return true
	case *pb.Value_ListValue:
		return len(kind.ListValue.GetValues()) == 0
	default:
		return false
	}
}

// isQdrantNull holds for an explicit null, alone or in a list; a missing field is empty but not null.
func isQdrantNull(value *pb.Value) bool {
	switch kind := value.GetKind().(type) {
	case *pb.Value_NullValue:
		return true
	case *pb.Value_ListValue:
		return slices.ContainsFunc(kind.ListValue.GetValues(), isQdrantNull)
	default:
		return false
	}
}

func qdrantNumber(value *pb.Value) (float64, bool) {
	switch kind := value.GetKind().(type) {
	case *pb.Value_DoubleValue:
		return kind.DoubleValue, true
	case *pb.Value_IntegerValue:
		return float64(kind.IntegerValue), true
	default:
		return 0, false
	}
}

func inQdrantRange(value *pb.Value, r *pb.Range) bool {
	n, ok := qdrantNumber(value)
	return ok &&
		(r.Lt == nil || n < *r.Lt) && (r.Gt == nil || n > *r.Gt) &&
		(r.Lte == nil || n <= *r.Lte) && (r.Gte == nil || n >= *r.Gte)
}

// qdrantPlace reads a place. One that is not on the Earth is none: the server's geo index leaves it out.
func qdrantPlace(value *pb.Value) (place store.Location, ok bool) {
	fields := value.GetStructValue().GetFields()
	lon, hasLon := qdrantNumber(fields["lon"])
	lat, hasLat := qdrantNumber(fields["lat"])
	return store.Location{Latitude: lat, Longitude: lon}, hasLon && hasLat && math.Abs(lon) <= 180 && math.Abs(lat) <= 90
}

// inQdrantRadius holds inside the circle, and not on it.
func inQdrantRadius(value *pb.Value, r *pb.GeoRadius) bool {
	place, ok := qdrantPlace(value)
	center := store.Location{Latitude: r.GetCenter().GetLat(), Longitude: r.GetCenter().GetLon()}
	return ok && center.MetersTo(place) < float64(r.GetRadius())
}

// inQdrantBox takes a box whose west lies east of its east to span the date line.
func inQdrantBox(value *pb.Value, box *pb.GeoBoundingBox) bool {
	place, ok := qdrantPlace(value)
	lon, lat := place.Longitude, place.Latitude
	west, east := box.GetTopLeft().GetLon(), box.GetBottomRight().GetLon()
	inLon := west <= lon && lon <= east
	if west > east {
		inLon = lon >= west || lon <= east
	}
	return ok && inLon && box.GetBottomRight().GetLat() <= lat && lat <= box.GetTopLeft().GetLat()
}
