package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"

	"github.com/codybias9/real-estate-os/store"
)

// partBytes is the size up to which an object is written in one request, and the size of the parts of a larger one.
// One such buffer is held per write.
const partBytes = 16 << 20

// Tenant is the handle to one tenant's objects. All keys are relative to the tenant's prefix; those that checkKey
// refuses fail with ErrInvalidKey. Safe for concurrent use.
type Tenant struct {
	client *Client
	id     uuid.UUID
	prefix string // "<tenant_id>/"
}

// ObjectInfo describes an object.
type ObjectInfo = store.ObjectInfo

// Put writes an object of size bytes, or of unknown size if size is -1, and replaces what was there. The object appears
// whole or not at all. A body that is shorter or longer than size is an error. Up to 16 MiB it is written in one request. Not
// bounded in time: ctx is.
//
// store.ErrExists says that the key is below another object's key, or above one: servers that keep objects as files refuse
// one of the two, and MinIO stores it and does not list it.
func (t *Tenant) Put(ctx context.Context, key string, body io.Reader, size int64, contentType string) error {
	full, err := t.absolute(key)
	if err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	if err := t.checkApart(ctx, key); err != nil {
		return fmt.Errorf("put object: %w", err)
	}
	source := &source{reader: body, left: size, sized: size >= 0}
	head, err := io.ReadAll(io.LimitReader(source, partBytes))
	if err != nil {
		return fmt.Errorf("put object: read body: %w", err)
	}
	if source.ended() {
		err = t.putWhole(ctx, full, head, contentType)
	} else {
		err = t.putParts(ctx, full, head, source, size, contentType)
	}
	if source.err != nil {
		return fmt.Errorf("put object: read body: %w", source.err)
	}
	if err != nil {
		return fmt.Errorf("put object: %w", classify(ctx, err))
	}
	return nil
}

// checkApart refuses a key that would have to be a directory and a file. Two writers at the same moment may both pass.
func (t *Tenant) checkApart(ctx context.Context, key string) error {
	for at, r := range key {
		if r != '/' {
			continue
		}
		switch _, err := t.Stat(ctx, key[:at]); {
		case err == nil:
			return fmt.Errorf("%w: %q is an object", store.ErrExists, key[:at])
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
	}
	for object, err := range t.List(ctx, key+"/") {
		if err != nil {
			return err
		}
		return fmt.Errorf("%w: %q is an object", store.ErrExists, object.Key)
	}
	return nil
}

// putParts writes a large object in parts, one after the other. Nothing is visible before the last one, and a failure
// removes those that were sent.
func (t *Tenant) putParts(ctx context.Context, full string, head []byte, rest io.Reader, size int64, contentType string) error {
	_, err := t.client.core.Client.PutObject(ctx, t.client.bucket, full, &joined{head: head, rest: rest}, max(size, -1), minio.PutObjectOptions{
		ContentType: contentType,
		// Without a part size, a body of unknown size is read in parts of half a gigabyte.
		PartSize:             partBytes,
		SendContentMd5:       true,
		DisableContentSha256: true,
	})
	return err
}

// Open returns the object's content, to be closed by the caller: store.ErrNotFound if there is none. Reading is bounded
// by ctx alone, and ctx must live until the content is closed.
func (t *Tenant) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	full, err := t.absolute(key)
	if err != nil {
		return nil, fmt.Errorf("open object: %w", err)
	}
	body, _, _, err := t.client.core.GetObject(ctx, t.client.bucket, full, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("open object: %w", classify(ctx, err))
	}
	return &content{ctx: ctx, body: body}, nil
}

// Delete removes an object. That there is none is no error.
func (t *Tenant) Delete(ctx context.Context, key string) error {
	full, err := t.absolute(key)
	if err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	callCtx, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	err = classify(ctx, t.client.core.RemoveObject(callCtx, t.client.bucket, full, minio.RemoveObjectOptions{}))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}

// List yields the tenant's objects whose keys begin with prefix, in the order of their bytes. The empty prefix lists all;
// one that does not end in a slash also matches longer names (`a` lists `ab`). It ends after the first error.
func (t *Tenant) List(ctx context.Context, prefix string) iter.Seq2[ObjectInfo, error] {
	return t.ListAfter(ctx, prefix, "")
}

// ListAfter is List from behind a key on, which need not exist any more.
func (t *Tenant) ListAfter(ctx context.Context, prefix, after string) iter.Seq2[ObjectInfo, error] {
	return func(yield func(ObjectInfo, error) bool) {
		options := minio.ListObjectsOptions{Recursive: true}
		var err error
		if options.Prefix, err = t.absolutePrefix(prefix); err == nil && after != "" {
			options.StartAfter, err = t.absolute(after)
		}
		if err != nil {
			yield(ObjectInfo{}, fmt.Errorf("list objects: %w", err))
			return
		}
		// The library's iterator fetches pages only as they are asked for and leaves nothing behind when it is left.
		for object := range t.client.core.ListObjectsIter(ctx, t.client.bucket, options) {
			info, err := t.describe(ctx, object)
			if !yield(info, err) || err != nil {
				return
			}
		}
	}
}

func (t *Tenant) describe(ctx context.Context, object minio.ObjectInfo) (ObjectInfo, error) {
	if object.Err != nil {
		return ObjectInfo{}, fmt.Errorf("list objects: %w", classify(ctx, object.Err))
	}
	// Invariant 4: a server that lists more than it was asked for does not get it past this handle.
	key, err := t.relative(object.Key)
	if err != nil {
		return ObjectInfo{}, fmt.Errorf("list objects: %w", err)
	}
	return ObjectInfo{Key: key, Bytes: object.Size, ETag: object.ETag, Modified: object.LastModified}, nil
}
