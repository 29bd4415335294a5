package objects

import (
	"crypto/sha256"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/codybias9/real-estate-os/store"
)

// MaxRecordBytes is the size of the largest record an archive takes, uncompressed: what the broker takes as a message.
// Anything larger is a document. It also bounds what a frame may unpack to.
const MaxRecordBytes = 16 << 20

// codec packs records into independent zstd frames and unpacks single ones. Safe for concurrent use; its encoder and
// decoder keep their tables between calls.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderCRC(false), // the span's SHA-256 says more
		zstd.WithZeroFrames(true),  // an empty record has a frame too
	)
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	decoder, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(0), // as many at once as there are processors
		zstd.WithDecoderMaxMemory(MaxRecordBytes),
	)
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &codec{encoder: encoder, decoder: decoder}, nil
}

func (c *codec) close() { c.decoder.Close() }

// pack returns the frames of records, in order, as parts of one buffer. The records are not kept.
func (c *codec) pack(records [][]byte) ([]store.Frame, error) {
	total := 0
	for i, record := range records {
		if len(record) > MaxRecordBytes {
			return nil, fmt.Errorf("pack record %d: %d bytes, at most %d", i, len(record), MaxRecordBytes)
		}
		total += len(record)
	}
	// JSON packs to less than half, small records with the overhead of a frame each.
	packed := make([]byte, 0, total/2+32*len(records))
	ends := make([]int, len(records))
	frames := make([]store.Frame, len(records))
	for i, record := range records {
		packed = c.encoder.EncodeAll(record, packed)
		ends[i], frames[i].SHA256 = len(packed), sha256.Sum256(record)
	}
	begin := 0
	for i, end := range ends {
		frames[i].Packed, begin = packed[begin:end:end], end
	}
	return frames, nil
}

// unpack returns the record of one frame. It never makes more than MaxRecordBytes of it, whatever the frame says, and
// fails with ErrCorrupt unless the record has the digest.
func (c *codec) unpack(packed []byte, digest [sha256.Size]byte) ([]byte, error) {
	record, err := c.decoder.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: unpack frame: %w", ErrCorrupt, err)
	}
	if sha256.Sum256(record) != digest {
		return nil, fmt.Errorf("%w: record does not match its SHA-256", ErrCorrupt)
	}
	return record, nil
}

// maxFrameBytes bounds the length of a frame: what zstd makes of a record that does not compress.
const maxFrameBytes = MaxRecordBytes + MaxRecordBytes/128 + 64
