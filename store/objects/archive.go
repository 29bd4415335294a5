package objects

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/codybias9/real-estate-os/store"
)

const archiveType = "application/zstd"

// PutArchive writes records into the object `<tenant_id>/raw/<name>.zst` and returns where each of them lies, in order.
// It is one request, whatever their number; when it returns nil the bytes are stored.
//
// The caller chooses a name that it uses once, or again only for the same records: a second call replaces the object.
// No record is larger than MaxRecordBytes. Without records nothing is written.
func (t *Tenant) PutArchive(ctx context.Context, name string, records [][]byte) ([]store.Span, error) {
	key, err := t.absolute("raw/" + name + ".zst")
	if err != nil {
		return nil, fmt.Errorf("put archive: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	frames, err := t.client.codec.pack(records)
	if err != nil {
		return nil, fmt.Errorf("put archive: %w", err)
	}
	return t.putFrames(ctx, key, frames)
}

// PutFrames is PutArchive for records that are packed.
func (t *Tenant) PutFrames(ctx context.Context, name string, frames []store.Frame) ([]store.Span, error) {
	key, err := t.absolute("raw/" + name + ".zst")
	if err != nil {
		return nil, fmt.Errorf("put archive: %w", err)
	}
	if len(frames) == 0 {
		return nil, nil
	}
	return t.putFrames(ctx, key, frames)
}

func (t *Tenant) putFrames(ctx context.Context, key string, frames []store.Frame) ([]store.Span, error) {
	size := 0
	for _, frame := range frames {
		size += len(frame.Packed)
	}
	archive := make([]byte, 0, size)
	spans := make([]store.Span, len(frames))
	for i, frame := range frames {
		spans[i] = store.Span{Key: key, Offset: int64(len(archive)), Length: int64(len(frame.Packed)), SHA256: frame.SHA256}
		archive = append(archive, frame.Packed...)
	}
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if err := t.putWhole(callCtx, key, archive, archiveType); err != nil {
		return nil, fmt.Errorf("put archive: %w", classify(ctx, err))
	}
	return spans, nil
}

// Pack makes a frame of each record, in order, without I/O: PutFrames takes them, and Unpack. No record is larger than
// MaxRecordBytes.
func (t *Tenant) Pack(records [][]byte) ([]store.Frame, error) {
	frames, err := t.client.codec.pack(records)
	if err != nil {
		return nil, fmt.Errorf("pack records: %w", err)
	}
	return frames, nil
}

// Unpack returns the record of a frame: ErrCorrupt if it is not what its digest says.
func (t *Tenant) Unpack(frame store.Frame) ([]byte, error) {
	record, err := t.client.codec.unpack(frame.Packed, frame.SHA256)
	if err != nil {
		return nil, fmt.Errorf("unpack record: %w", err)
	}
	return record, nil
}

// putWhole writes an object in one request that names no size limit of ours: an archive has the size it has.
func (t *Tenant) putWhole(ctx context.Context, full string, body []byte, contentType string) error {
	_, err := t.client.core.Client.PutObject(ctx, t.client.bucket, full, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
		ContentType:      contentType,
		DisableMultipart: true,
		// A plain body guarded by its MD5, in place of a chunk-signed one: every server takes it.
		SendContentMd5:       true,
		DisableContentSha256: true,
	})
	return err
}

// ReadSpan returns the record that span points to. It reads only the span's bytes, and checks them against the digest:
// ErrCorrupt if they differ, store.ErrNotFound if the archive is gone, ErrInvalidKey if it is not this tenant's.
func (t *Tenant) ReadSpan(ctx context.Context, span store.Span) ([]byte, error) {
	// Invariant 4: a span of another tenant's archive is refused before anything is asked of the server.
	key, err := t.relative(span.Key)
	if err != nil {
		return nil, fmt.Errorf("read span: %w", err)
	}
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("read span: %w", err)
	}
	if span.Offset < 0 || span.Length <= 0 || span.Length > maxFrameBytes {
		return nil, fmt.Errorf("read span: %w: offset %d, length %d", ErrCorrupt, span.Offset, span.Length)
	}
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	packed, err := t.readRange(callCtx, span)
	if err != nil {
		return nil, fmt.Errorf("read span: %w", classify(ctx, err))
	}
	record, err := t.client.codec.unpack(packed, span.SHA256)
	if err != nil {
		return nil, fmt.Errorf("read span: %w", err)
	}
	return record, nil
}

func (t *Tenant) readRange(ctx context.Context, span store.Span) ([]byte, error) {
	var options minio.GetObjectOptions
	if err := options.SetRange(span.Offset, span.Offset+span.Length-1); err != nil {
		return nil, err
	}
	body, info, _, err := t.client.core.GetObject(ctx, t.client.bucket, span.Key, options)
	if minio.ToErrorResponse(err).Code == minio.InvalidRange {
		return nil, fmt.Errorf("%w: the archive ends before the span", ErrCorrupt)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	// A server that ignores the range, or an archive that ends within it, must not pass for the record.
	if info.Size != span.Length {
		return nil, fmt.Errorf("%w: %d bytes where the span has %d", ErrCorrupt, info.Size, span.Length)
	}
	packed := make([]byte, span.Length)
	if _, err := io.ReadFull(body, packed); err != nil {
		return nil, err
	}
	return packed, nil
}
