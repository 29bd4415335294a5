package objects

import (
	"context"
	"fmt"
	"io"

	"github.com/minio/minio-go/v7"

	"github.com/codybias9/real-estate-os/store"
)

// Stat describes an object: store.ErrNotFound if there is none.
func (t *Tenant) Stat(ctx context.Context, key string) (ObjectInfo, error) {
	full, err := t.absolute(key)
	if err != nil {
		return ObjectInfo{}, fmt.Errorf("describe object: %w", err)
	}
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	info, err := t.client.core.StatObject(callCtx, t.client.bucket, full, minio.StatObjectOptions{})
	if err != nil {
		return ObjectInfo{}, fmt.Errorf("describe object: %w", classify(ctx, err))
	}
	return ObjectInfo{Key: key, Bytes: info.Size, ETag: info.ETag, Modified: info.LastModified, ContentType: info.ContentType}, nil
}

// OpenAt returns length bytes of a described object from an offset on, to be closed by the caller: store.ErrNotFound if
// there is none any more, store.ErrConflict if it is another one by now. They must lie within the object, and be one at
// least. Reading is bounded by ctx alone, and ctx must live until the content is closed.
func (t *Tenant) OpenAt(ctx context.Context, object ObjectInfo, offset, length int64) (io.ReadCloser, error) {
	full, err := t.absolute(object.Key)
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	if offset < 0 || length < 1 || offset+length > object.Bytes {
		return nil, fmt.Errorf("open object: %d bytes from %d do not lie within %d", length, offset, object.Bytes)
	}
	var options minio.GetObjectOptions
	if err := options.SetRange(offset, offset+length-1); err != nil {
		return nil, fmt.Errorf("open object at %d: %w", offset, err)
	}
	body, info, _, err := t.client.core.GetObject(ctx, t.client.bucket, full, options)
	if minio.ToErrorResponse(err).Code == minio.InvalidRange {
		return nil, fmt.Errorf("open object: %w: it has been replaced", store.ErrConflict)
	}
	if err != nil {
		return nil, fmt.Errorf("open object: %w", classify(ctx, err))
	}
	// Not every server minds If-Match, but all say what they send.
	if info.ETag != object.ETag || info.Size != length {
		_ = body.Close() // nothing of it was asked for
		return nil, fmt.Errorf("open object: %w: it has been replaced", store.ErrConflict)
	}
	return &content{ctx: ctx, body: body}, nil
}
