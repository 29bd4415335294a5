package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/codybias9/real-estate-os/store"
)

const (
	purgeObjects = 1000 // in one request: S3's own limit
	listUploads  = 1000
)

// Purge removes everything below the tenant's prefix: objects, whatever their keys and, in a bucket that keeps them, all
// their versions, and uploads that were never finished. It tells removed how many of each request. It may be called again.
//
// It looks again until nothing is listed: MinIO lists no object whose name is below another object's.
func (t *Tenant) Purge(ctx context.Context, removed func(n int)) error {
	for {
		n := 0
		err := t.sweep(ctx, func(objects []minio.ObjectInfo) error {
			if err := t.removeObjects(ctx, objects); err != nil {
				return err
			}
			n += len(objects)
			removed(len(objects))
			return nil
		}, func(upload minio.ObjectMultipartInfo) error {
			ctx, cancel := context.WithTimeout(ctx, store.Timeout)
			defer cancel()
			err := t.client.core.AbortMultipartUpload(ctx, t.client.bucket, upload.Key, upload.UploadID)
			if minio.ToErrorResponse(err).Code == "NoSuchUpload" {
				return nil
			}
			if err != nil {
				return fmt.Errorf("abort upload: %w", classify(ctx, err))
			}
			n++
			removed(1)
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// Leftovers counts what Purge would remove.
func (t *Tenant) Leftovers(ctx context.Context) ([]store.Leftover, error) {
	objects, uploads := store.Leftover{Place: "objects"}, store.Leftover{Place: "unfinished uploads"}
	err := t.sweep(ctx, func(page []minio.ObjectInfo) error {
		objects.Count += len(page)
		return nil
	}, func(minio.ObjectMultipartInfo) error {
		uploads.Count++
		return nil
	})
	var left []store.Leftover
	for _, one := range []store.Leftover{objects, uploads} {
		if one.Count > 0 {
			left = append(left, one)
		}
	}
	return left, err
}

// sweep hands over everything below the tenant's prefix: objects in pages, uploads one by one.
//
// Invariant 4: what a server lists beyond the prefix is an error.
func (t *Tenant) sweep(ctx context.Context, page func([]minio.ObjectInfo) error, upload func(minio.ObjectMultipartInfo) error) error {
	prefix, err := t.absolutePrefix("")
	if err != nil {
		return fmt.Errorf("list objects: %w", err)
	}
	versions, err := t.keepsVersions(ctx)
	if err != nil {
		return err
	}
	var batch []minio.ObjectInfo
	options := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: versions}
	for object := range t.client.core.ListObjectsIter(ctx, t.client.bucket, options) {
		if _, err := t.describe(ctx, object); err != nil {
			return err
		}
		if batch = append(batch, object); len(batch) == purgeObjects {
			if err := page(batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	if len(batch) > 0 {
		if err := page(batch); err != nil {
			return err
		}
	}
	return t.sweepUploads(ctx, prefix, upload)
}

func (t *Tenant) sweepUploads(ctx context.Context, prefix string, upload func(minio.ObjectMultipartInfo) error) error {
	for key, id := "", ""; ; {
		bounded, cancel := context.WithTimeout(ctx, store.Timeout)
		listed, err := t.client.core.ListMultipartUploads(bounded, t.client.bucket, prefix, key, id, "", listUploads)
		cancel()
		if err != nil {
			return fmt.Errorf("list uploads: %w", classify(ctx, err))
		}
		for _, one := range listed.Uploads {
			if !strings.HasPrefix(one.Key, prefix) {
				return fmt.Errorf("list uploads: %w: not the tenant's own", ErrInvalidKey)
			}
			if err := upload(one); err != nil {
				return err
			}
		}
		if !listed.IsTruncated || listed.NextKeyMarker == key && listed.NextUploadIDMarker == id {
			return nil
		}
		key, id = listed.NextKeyMarker, listed.NextUploadIDMarker
	}
}

// keepsVersions says whether the bucket keeps what is overwritten or deleted. A server that knows no versions does not.
func (t *Tenant) keepsVersions(ctx context.Context) (bool, error) {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	versioning, err := t.client.core.GetBucketVersioning(bounded, t.client.bucket)
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && !isBusy(answer) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("ask for versions: %w", classify(ctx, err))
	}
	return versioning.Status != "", nil // one that is suspended has kept some
}

func (t *Tenant) removeObjects(ctx context.Context, objects []minio.ObjectInfo) error {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	queue := make(chan minio.ObjectInfo, len(objects))
	for _, object := range objects {
		queue <- object
	}
	close(queue)
	var failed error
	for result := range t.client.core.RemoveObjects(bounded, t.client.bucket, queue, minio.RemoveObjectsOptions{}) {
		if failed == nil {
			failed = fmt.Errorf("remove objects: %w", classify(ctx, result.Err))
		}
	}
	return failed
}
