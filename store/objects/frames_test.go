package objects

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// carelessly is what a server makes of a key that unescapes and cleans paths.
func carelessly(key string) string {
	if decoded, err := url.PathUnescape(key); err == nil {
		key = decoded
	}
	return path.Clean(strings.ReplaceAll(key, `\`, "/"))
}

func testCodec(t testing.TB) *codec {
	codec, err := newCodec()
	require.NoError(t, err)
	t.Cleanup(codec.close)
	return codec
}

func TestEachRecordHasAFrameOfItsOwn(t *testing.T) {
	codec := testCodec(t)
	records := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three"), 1000), nil, []byte("five")}
	frames, err := codec.pack(records)
	require.NoError(t, err)
	require.Len(t, frames, len(records))
	for i, frame := range frames {
		require.NotEmpty(t, frame.Packed, "an empty record has a frame too")
		require.Equal(t, sha256.Sum256(records[i]), frame.SHA256)
		record, err := codec.unpack(frame.Packed, frame.SHA256)
		require.NoError(t, err)
		require.True(t, bytes.Equal(records[i], record))
	}
}

func TestArchiveIsOneZstdFile(t *testing.T) {
	frames, err := testCodec(t).pack([][]byte{[]byte("a"), {}, []byte("bc")})
	require.NoError(t, err)
	var archive []byte
	for _, frame := range frames {
		archive = append(archive, frame.Packed...)
	}
	reader, err := zstd.NewReader(bytes.NewReader(archive))
	require.NoError(t, err)
	defer reader.Close()
	var all bytes.Buffer
	_, err = all.ReadFrom(reader)
	require.NoError(t, err)
	require.Equal(t, "abc", all.String())
}

func TestRecordsAreBounded(t *testing.T) {
	codec := testCodec(t)
	largest := make([]byte, MaxRecordBytes)
	frames, err := codec.pack([][]byte{largest})
	require.NoError(t, err)
	record, err := codec.unpack(frames[0].Packed, frames[0].SHA256)
	require.NoError(t, err)
	require.Len(t, record, MaxRecordBytes)

	_, err = codec.pack([][]byte{append(largest, 0)})
	require.ErrorContains(t, err, "pack record 0")
}

func TestBombIsNotUnpacked(t *testing.T) {
	writer, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	bomb := writer.EncodeAll(make([]byte, 4*MaxRecordBytes), nil)
	require.Less(t, len(bomb), 1<<16)
	// A frame that does not announce its size is stopped as well.
	var stream bytes.Buffer
	writer.Reset(&stream)
	_, err = writer.Write(make([]byte, 4*MaxRecordBytes))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	for _, packed := range [][]byte{bomb, stream.Bytes()} {
		_, err := testCodec(t).unpack(packed, [32]byte{})
		require.ErrorIs(t, err, ErrCorrupt)
	}
}

func TestWrongBytesAreNoticed(t *testing.T) {
	codec := testCodec(t)
	frames, err := codec.pack([][]byte{[]byte(`{"ListingKey":"1"}`)})
	require.NoError(t, err)
	archive := frames[0].Packed
	for i := range archive {
		broken := bytes.Clone(archive)
		broken[i] ^= 1
		if record, err := codec.unpack(broken, frames[0].SHA256); err == nil {
			require.Equal(t, `{"ListingKey":"1"}`, string(record)) // a bit that does not matter, in the header
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
		}
	}
	_, err = codec.unpack(archive, [32]byte{1})
	require.ErrorIs(t, err, ErrCorrupt)
}

func FuzzFramesRoundTrip(f *testing.F) {
	f.Add([]byte("a record"), []byte{}, uint8(3))
	codec := testCodec(f)
	f.Fuzz(func(t *testing.T, a, b []byte, cut uint8) {
		frames, err := codec.pack([][]byte{a, b})
		require.NoError(t, err)
		for i, want := range [][]byte{a, b} {
			packed := frames[i].Packed
			got, err := codec.unpack(packed, frames[i].SHA256)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got))
			if len(packed) > int(cut) && cut > 0 {
				_, err = codec.unpack(packed[:len(packed)-int(cut)], frames[i].SHA256)
				require.Error(t, err)
			}
		}
		_, _ = codec.unpack(a, [32]byte{}) // whatever the bytes: an error, no panic
	})
}

func BenchmarkPack200Records(b *testing.B) {
	codec := testCodec(b)
	records := make([][]byte, 200)
	size := 0
	for i := range records {
		records[i] = fmt.Appendf(nil, `{"ListingKey":"K%06d","StandardStatus":"Active","ListPrice":%d.00,"BedroomsTotal":%d,"City":"Austin","PublicRemarks":%q}`,
			i, 300000+i*1117, i%6, strings.Repeat("Bright corner lot with updated kitchen and mature oaks. ", 8+i%9))
		size += len(records[i])
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := codec.pack(records); err != nil {
			b.Fatal(err)
		}
	}
}
