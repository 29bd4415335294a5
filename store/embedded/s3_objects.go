package embedded

import (
	"bytes"
	"crypto/md5"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/johannesboyne/gofakes3"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// MaxObjectBytes bounds what one request may make this process hold: larger objects are refused.
	MaxObjectBytes = 256 << 20
	// s3LockTimeout is how long a directory may still be held by a process that is just ending.
	s3LockTimeout = 2 * time.Second
	// s3SyncDelay is how long a write waits for others to share its sync. Measured with a sync of 0.3 ms: a lone write
	// takes 1.1 ms instead of 0.6, 32 writers at once do 3,700 writes a second instead of 1,700. Slower disks gain more.
	s3SyncDelay = time.Millisecond
)

// Two bbolt buckets per S3 bucket: listing must not page in the contents.
const (
	headSuffix = "/head" // key → JSON objectHead
	bodySuffix = "/body" // key → content
)

// s3Objects keeps objects in one bbolt file and is the storage of the library's S3 server. Every change is one
// transaction, synced to the disk before it is answered; changes that come at the same time share one.
//
// The storages that come with the library do not serve here: the one on files tears an object when it is killed in the
// middle of a write and lists without pages; the one on bbolt reads all contents to list them, reads the whole object
// for a range, and syncs for every write by itself.
type s3Objects struct {
	db *bolt.DB
}

var _ gofakes3.Backend = (*s3Objects)(nil)

// objectHead is what is known of an object beside its content.
type objectHead struct {
	Bytes    int64             `json:"bytes"`
	MD5      []byte            `json:"md5"`
	Modified time.Time         `json:"modified"`
	Metadata map[string]string `json:"metadata,omitempty"` // HTTP headers
}

func openS3Objects(path string) (*s3Objects, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: s3LockTimeout, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: another process is using it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db.MaxBatchDelay = s3SyncDelay
	if err := syncDir(path); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &s3Objects{db: db}, nil
}

func (o *s3Objects) close() error { return o.db.Close() }

// object runs read on the pair of bbolt buckets of an S3 bucket.
func (o *s3Objects) view(bucket string, read func(heads, bodies *bolt.Bucket) error) error {
	return o.db.View(func(tx *bolt.Tx) error { return inBucket(tx, bucket, read) })
}

// change is like view, for writing. It may run write more than once.
func (o *s3Objects) change(bucket string, write func(heads, bodies *bolt.Bucket) error) error {
	return o.db.Batch(func(tx *bolt.Tx) error { return inBucket(tx, bucket, write) })
}

func inBucket(tx *bolt.Tx, bucket string, do func(heads, bodies *bolt.Bucket) error) error {
	heads, bodies := tx.Bucket([]byte(bucket+headSuffix)), tx.Bucket([]byte(bucket+bodySuffix))
	if heads == nil || bodies == nil {
		return gofakes3.BucketNotFound(bucket)
	}
	return do(heads, bodies)
}

// PutObject replaces an object, whole or not at all.
func (o *s3Objects) PutObject(bucket, key string, metadata map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	if size > MaxObjectBytes {
		return gofakes3.PutObjectResult{}, gofakes3.ErrorMessage(gofakes3.ErrInvalidArgument, fmt.Sprintf("the embedded server takes objects up to %d bytes", MaxObjectBytes))
	}
	content, err := gofakes3.ReadAll(input, size)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	digest := md5.Sum(content)
	head, err := json.Marshal(objectHead{Bytes: size, MD5: digest[:], Modified: time.Now().UTC(), Metadata: metadata})
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	return gofakes3.PutObjectResult{}, o.change(bucket, func(heads, bodies *bolt.Bucket) error {
		if err := checkConditions(heads, key, conditions); err != nil {
			return err
		}
		if err := bodies.Put([]byte(key), content); err != nil {
			return err
		}
		return heads.Put([]byte(key), head)
	})
}

func checkConditions(heads *bolt.Bucket, key string, conditions *gofakes3.PutConditions) error {
	if conditions == nil {
		return nil
	}
	head, err := headOf(heads, key)
	if err != nil && !gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return err
	}
	return gofakes3.CheckPutConditions(conditions, &gofakes3.ConditionalObjectInfo{Exists: err == nil, Hash: head.MD5})
}

func headOf(heads *bolt.Bucket, key string) (objectHead, error) {
	value := heads.Get([]byte(key))
	if value == nil {
		return objectHead{}, gofakes3.KeyNotFound(key)
	}
	var head objectHead
	if err := json.Unmarshal(value, &head); err != nil {
		return objectHead{}, fmt.Errorf("decode head of object: %w", err)
	}
	return head, nil
}

// GetObject copies out the part of the content that was asked for, and no more.
func (o *s3Objects) GetObject(bucket, key string, request *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	var object *gofakes3.Object
	err := o.view(bucket, func(heads, bodies *bolt.Bucket) error {
		head, err := headOf(heads, key)
		if err != nil {
			return err
		}
		part, err := request.Range(head.Bytes)
		if err != nil {
			return err
		}
		content := bodies.Get([]byte(key)) // valid within the transaction only
		if part != nil {
			content = content[part.Start : part.Start+part.Length]
		}
		object = head.object(key)
		object.Range = part
		object.Contents = io.NopCloser(bytes.NewReader(bytes.Clone(content)))
		return nil
	})
	return object, err
}

// HeadObject is GetObject without content.
func (o *s3Objects) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	var object *gofakes3.Object
	err := o.view(bucket, func(heads, _ *bolt.Bucket) error {
		head, err := headOf(heads, key)
		if err != nil {
			return err
		}
		object = head.object(key)
		object.Contents = io.NopCloser(bytes.NewReader(nil))
		return nil
	})
	return object, err
}

func (h objectHead) object(key string) *gofakes3.Object {
	return &gofakes3.Object{Name: key, Metadata: h.Metadata, Size: h.Bytes, Hash: h.MD5}
}

// DeleteObject removes an object; that there is none is no error.
func (o *s3Objects) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	_, err := o.DeleteMulti(bucket, key)
	return gofakes3.ObjectDeleteResult{}, err
}

// DeleteMulti removes all of the objects or, on an error, none.
func (o *s3Objects) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	err := o.change(bucket, func(heads, bodies *bolt.Bucket) error {
		for _, key := range keys {
			if err := errors.Join(heads.Delete([]byte(key)), bodies.Delete([]byte(key))); err != nil {
				return err
			}
		}
		return nil
	})
	var result gofakes3.MultiDeleteResult
	if err == nil {
		for _, key := range keys {
			result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
		}
	}
	return result, err
}

// CopyObject reads the object and writes it again.
func (o *s3Objects) CopyObject(fromBucket, fromKey, toBucket, toKey string, metadata map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(o, fromBucket, fromKey, toBucket, toKey, metadata)
}
