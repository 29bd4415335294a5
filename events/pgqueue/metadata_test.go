package pgqueue

import (
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestMetadataIsExact(t *testing.T) {
	t.Parallel()
	for _, metadata := range []message.Metadata{
		{},
		{"": ""},
		{"key": "", "": "value", "nul\x00": "\xff\xfe", "ключ": "\U0001f3e0"},
	} {
		decoded, err := decodeMetadata(encodeMetadata(metadata))
		require.NoError(t, err)
		require.Equal(t, metadata, decoded)
	}
}

func TestMetadataOfTheDeliveryIsNotStored(t *testing.T) {
	t.Parallel()
	require.Empty(t, encodeMetadata(message.Metadata{events.MetaExchange: "x", events.MetaRoutingKey: "y"}))
}

func FuzzDecodeMetadata(f *testing.F) {
	f.Add([]byte{})
	f.Add(encodeMetadata(message.Metadata{"key": "value"}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x05, 'a'})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		metadata, err := decodeMetadata(encoded)
		if err != nil {
			require.ErrorIs(t, err, errMetadata)
			return
		}
		again, err := decodeMetadata(encodeMetadata(metadata))
		require.NoError(t, err)
		delete(metadata, events.MetaExchange)
		delete(metadata, events.MetaRoutingKey)
		require.Equal(t, metadata, again)
	})
}
