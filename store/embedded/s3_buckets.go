package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/johannesboyne/gofakes3"
	bolt "go.etcd.io/bbolt"
)

// ensureBucket creates a bucket unless it exists.
func (o *s3Objects) ensureBucket(name string) error {
	err := o.CreateBucket(name)
	if gofakes3.HasErrorCode(err, gofakes3.ErrBucketAlreadyExists) {
		return nil
	}
	return err
}

// CreateBucket creates a bucket that does not exist.
func (o *s3Objects) CreateBucket(name string) error {
	return o.db.Update(func(tx *bolt.Tx) error {
		if tx.Bucket([]byte(name+headSuffix)) != nil {
			return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
		}
		_, headErr := tx.CreateBucket([]byte(name + headSuffix))
		_, bodyErr := tx.CreateBucket([]byte(name + bodySuffix))
		return errors.Join(headErr, bodyErr)
	})
}

// BucketExists reports whether there is such a bucket.
func (o *s3Objects) BucketExists(name string) (bool, error) {
	exists := false
	err := o.db.View(func(tx *bolt.Tx) error {
		exists = tx.Bucket([]byte(name+headSuffix)) != nil
		return nil
	})
	return exists, err
}

// DeleteBucket removes an empty bucket.
func (o *s3Objects) DeleteBucket(name string) error {
	return o.db.Update(func(tx *bolt.Tx) error {
		return inBucket(tx, name, func(heads, _ *bolt.Bucket) error {
			if key, _ := heads.Cursor().First(); key != nil {
				return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
			}
			return dropBucket(tx, name)
		})
	})
}

// ForceDeleteBucket removes a bucket and its objects.
func (o *s3Objects) ForceDeleteBucket(name string) error {
	return o.db.Update(func(tx *bolt.Tx) error {
		return inBucket(tx, name, func(_, _ *bolt.Bucket) error { return dropBucket(tx, name) })
	})
}

func dropBucket(tx *bolt.Tx, name string) error {
	return errors.Join(tx.DeleteBucket([]byte(name+headSuffix)), tx.DeleteBucket([]byte(name+bodySuffix)))
}

// ListBuckets names the buckets. When they were made is not kept.
func (o *s3Objects) ListBuckets() ([]gofakes3.BucketInfo, error) {
	var buckets []gofakes3.BucketInfo
	err := o.db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(bucket []byte, _ *bolt.Bucket) error {
			if name, ok := strings.CutSuffix(string(bucket), headSuffix); ok {
				buckets = append(buckets, gofakes3.BucketInfo{Name: name})
			}
			return nil
		})
	})
	return buckets, err
}

// ListBucket returns one page of the objects under a prefix, in the order of their keys' bytes. Keys that share what
// lies between the prefix and the next delimiter are returned as one common prefix.
func (o *s3Objects) ListBucket(name string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	listing := listing{prefix: *prefix, limit: page.MaxKeys, list: gofakes3.NewObjectList()}
	if page.HasMarker {
		listing.marker = page.Marker
	}
	err := o.view(name, func(heads, _ *bolt.Bucket) error { return listing.read(heads.Cursor()) })
	return listing.list, err
}

// listing walks a bucket's heads for one page.
type listing struct {
	prefix gofakes3.Prefix
	marker string // list what sorts after this key, or after all keys of this common prefix
	limit  int64  // 0: nothing is returned
	list   *gofakes3.ObjectList
	count  int64
}

func (l *listing) read(cursor *bolt.Cursor) error {
	key, value := cursor.Seek([]byte(max(l.prefix.Prefix, l.marker)))
	for key != nil && bytes.HasPrefix(key, []byte(l.prefix.Prefix)) {
		group, grouped := l.groupOf(string(key))
		entry := string(key)
		if grouped {
			entry = group
		}
		if l.marker == "" || entry > l.marker {
			if l.count == l.limit {
				l.list.IsTruncated = l.limit > 0
				return nil
			}
			if err := l.add(entry, grouped, value); err != nil {
				return err
			}
		}
		if grouped {
			key, value = seekBehind(cursor, group)
		} else {
			key, value = cursor.Next()
		}
	}
	l.list.NextMarker = "" // the page is the last one
	return nil
}

// groupOf is the common prefix that a key is listed under, if there is a delimiter behind the prefix.
func (l *listing) groupOf(key string) (string, bool) {
	if !l.prefix.HasDelimiter {
		return "", false
	}
	head, _, found := strings.Cut(key[len(l.prefix.Prefix):], l.prefix.Delimiter)
	return l.prefix.Prefix + head + l.prefix.Delimiter, found
}

func (l *listing) add(entry string, grouped bool, value []byte) error {
	l.count++
	l.list.NextMarker = entry
	if grouped {
		l.list.AddPrefix(entry)
		return nil
	}
	var head objectHead
	if err := json.Unmarshal(value, &head); err != nil {
		return fmt.Errorf("decode head of object: %w", err)
	}
	l.list.Add(&gofakes3.Content{
		Key:          entry,
		Size:         head.Bytes,
		ETag:         gofakes3.FormatETag(head.MD5),
		LastModified: gofakes3.NewContentTime(head.Modified),
	})
	return nil
}

// seekBehind moves to the first key that does not begin with prefix and sorts after it. In valid UTF-8, no byte is 0xff.
func seekBehind(cursor *bolt.Cursor, prefix string) (key, value []byte) {
	return cursor.Seek(append([]byte(prefix), 0xff))
}
