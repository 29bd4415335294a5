package embedded

import (
	"bytes"
	"math"

	pb "github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The fields of a packed value.
const (
	qdrantDouble  = 2
	qdrantInteger = 3
)

// qdrantPayload is a point's payload in one piece: each field's name, then its packed value, both with their length
// before them. To the garbage collector half a million points are half a million objects, not twenty million. It is never
// changed.
type qdrantPayload []byte

// qdrantValue is a packed value: its message in protobuf's encoding.
type qdrantValue []byte

func packQdrantPayload(fields map[string]*pb.Value) (qdrantPayload, error) {
	var packed []byte
	for name, value := range fields {
		content, err := proto.Marshal(value)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "payload field %q: %v", name, err)
		}
		packed = protowire.AppendString(packed, name)
		packed = protowire.AppendBytes(packed, content)
	}
	return bytes.Clone(packed), nil // without the room that append left
}

// next splits the first field off.
func (p qdrantPayload) next() (name []byte, value qdrantValue, rest qdrantPayload) {
	name, n := protowire.ConsumeBytes(p)
	value, m := protowire.ConsumeBytes(p[n:])
	return name, value, p[n+m:]
}

// field returns nil for a field that the payload lacks.
func (p qdrantPayload) field(wanted string) *pb.Value {
	for len(p) > 0 {
		var name []byte
		var value qdrantValue
		if name, value, p = p.next(); string(name) == wanted {
			return value.unpack()
		}
	}
	return nil
}

// unpack reads numbers by itself: filters test them on every point of a tenant.
func (v qdrantValue) unpack() *pb.Value {
	field, _, n := protowire.ConsumeTag(v)
	switch field {
	case qdrantDouble:
		bits, _ := protowire.ConsumeFixed64(v[n:])
		return pb.NewValueDouble(math.Float64frombits(bits))
	case qdrantInteger:
		integer, _ := protowire.ConsumeVarint(v[n:])
		return pb.NewValueInt(int64(integer))
	}
	value := &pb.Value{}
	if err := proto.Unmarshal(v, value); err != nil {
		panic(err) // packed by this process
	}
	return value
}
