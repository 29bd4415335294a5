package pgqueue

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/codybias9/real-estate-os/events"
)

var errMetadata = errors.New("decode metadata: not length-prefixed pairs")

// encodeMetadata writes keys and values as they are, each behind its length: no text encoding of Postgres' holds any
// string. What the delivery itself will say is left out.
func encodeMetadata(metadata message.Metadata) []byte {
	size := 0
	for key, value := range metadata {
		size += len(key) + len(value) + 2*binary.MaxVarintLen16
	}
	encoded := make([]byte, 0, size)
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if key == events.MetaExchange || key == events.MetaRoutingKey {
			continue
		}
		encoded = appendString(encoded, key)
		encoded = appendString(encoded, metadata[key])
	}
	return encoded
}

func appendString(to []byte, s string) []byte {
	return append(binary.AppendUvarint(to, uint64(len(s))), s...)
}

func decodeMetadata(encoded []byte) (message.Metadata, error) {
	metadata := message.Metadata{}
	for len(encoded) > 0 {
		var key, value string
		var ok bool
		if key, encoded, ok = cutString(encoded); !ok {
			return nil, errMetadata
		}
		if value, encoded, ok = cutString(encoded); !ok {
			return nil, errMetadata
		}
		metadata[key] = value
	}
	return metadata, nil
}

func cutString(from []byte) (s string, rest []byte, ok bool) {
	length, n := binary.Uvarint(from)
	if n <= 0 || length > uint64(len(from)-n) {
		return "", nil, false
	}
	from = from[n:]
	return string(from[:length]), from[length:], true
}
