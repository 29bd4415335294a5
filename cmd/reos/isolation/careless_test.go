package isolation

import (
	"bytes"
	"context"
	"io"
	"iter"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/ingestion"
)

// careless is an object store's handle as somebody could write it: it unescapes and cleans keys behind the prefix, and
// checks nothing.
type careless struct {
	client *minio.Client
	bucket string
	prefix string
}

func carelessObjects(t *testing.T, address string) func(uuid.UUID) Objects {
	t.Helper()
	at, err := url.Parse(address)
	require.NoError(t, err)
	secret, _ := at.User.Password()
	client, err := minio.New(at.Host, &minio.Options{Creds: credentials.NewStaticV4(at.User.Username(), secret, ""), Region: "us-east-1"})
	require.NoError(t, err)
	return func(id uuid.UUID) Objects {
		return careless{client, strings.TrimPrefix(at.Path, "/"), id.String()}
	}
}

func (c careless) full(key string) string {
	for range 2 {
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
	}
	joined := path.Join(c.prefix, key)
	if strings.HasSuffix(key, "/") || key == "" {
		joined += "/"
	}
	return strings.TrimPrefix(joined, "/")
}

func (c careless) Put(ctx context.Context, key string, body io.Reader, size int64, contentType string) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	_, err = c.client.PutObject(ctx, c.bucket, c.full(key), bytes.NewReader(content), int64(len(content)), minio.PutObjectOptions{ContentType: contentType})
	return err
}

func (c careless) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	return c.client.GetObject(ctx, c.bucket, c.full(key), minio.GetObjectOptions{})
}

func (c careless) OpenAt(ctx context.Context, object objects.ObjectInfo, _, _ int64) (io.ReadCloser, error) {
	return c.Open(ctx, object.Key)
}

func (c careless) Stat(ctx context.Context, key string) (objects.ObjectInfo, error) {
	_, err := c.client.StatObject(ctx, c.bucket, c.full(key), minio.StatObjectOptions{})
	return objects.ObjectInfo{Key: key}, err
}

func (c careless) ListAfter(ctx context.Context, prefix, _ string) iter.Seq2[objects.ObjectInfo, error] {
	return c.List(ctx, prefix)
}

func (c careless) Delete(ctx context.Context, key string) error {
	return c.client.RemoveObject(ctx, c.bucket, c.full(key), minio.RemoveObjectOptions{})
}

func (c careless) List(ctx context.Context, prefix string) iter.Seq2[objects.ObjectInfo, error] {
	return func(yield func(objects.ObjectInfo, error) bool) {
		full := strings.TrimSuffix(c.full(prefix), "./")
		for object := range c.client.ListObjects(ctx, c.bucket, minio.ListObjectsOptions{Prefix: full, Recursive: true}) {
			if !yield(objects.ObjectInfo{Key: strings.TrimPrefix(object.Key, c.prefix+"/")}, object.Err) {
				return
			}
		}
	}
}

func (c careless) PutArchive(ctx context.Context, name string, records [][]byte) ([]store.Span, error) {
	content := bytes.Join(records, nil)
	key := c.full("raw/" + name + ".zst")
	return []store.Span{{Key: key, Length: int64(len(content))}}, c.Put(ctx, "raw/"+name+".zst", bytes.NewReader(content), -1, "")
}

func (c careless) PutFrames(ctx context.Context, name string, frames []store.Frame) ([]store.Span, error) {
	return c.PutArchive(ctx, name, [][]byte{frames[0].Packed})
}

func (c careless) ReadSpan(ctx context.Context, span store.Span) ([]byte, error) {
	object, err := c.client.GetObject(ctx, c.bucket, span.Key, minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer object.Close()
	return io.ReadAll(object)
}

func (c careless) Purge(ctx context.Context, removed func(int)) error {
	for object := range c.client.ListObjects(ctx, c.bucket, minio.ListObjectsOptions{Prefix: c.prefix, Recursive: true}) {
		if err := c.client.RemoveObject(ctx, c.bucket, object.Key, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
		removed(1)
	}
	return nil
}

func (careless) Leftovers(context.Context) ([]store.Leftover, error) { return nil, nil }

// unfiltered is a vector store's handle without the tenant's filter.
type unfiltered struct {
	filtered
	client *pb.Client
}

// filtered is what is left of the handle.
type filtered interface{ Points }

func unfilteredPoints(t *testing.T, address string, handle func(uuid.UUID) Points) func(uuid.UUID) Points {
	t.Helper()
	config, err := rawConfig(address)
	require.NoError(t, err)
	at, err := url.Parse(address)
	require.NoError(t, err)
	key, _ := at.User.Password()
	config.Headers = map[string]string{"api-key": key}
	client, err := pb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return func(id uuid.UUID) Points {
		if id == uuid.Nil {
			id = uuid.New()
		}
		return unfiltered{handle(id), client}
	}
}

const collection = "reos_properties"

func (u unfiltered) Search(ctx context.Context, query store.Query) ([]store.Hit, error) {
	limit := uint64(query.Limit)
	found, err := u.client.Query(ctx, &pb.QueryPoints{
		CollectionName: collection, Query: pb.NewQueryDense(query.Vector), Limit: &limit, WithPayload: pb.NewWithPayload(true),
	})
	var hits []store.Hit
	for _, point := range found {
		hits = append(hits, store.Hit{
			Key: point.GetPayload()["record_key"].GetStringValue(), Score: point.GetScore(),
			Payload: store.Payload{Address: point.GetPayload()["address"].GetStringValue()},
		})
	}
	return hits, err
}

func (u unfiltered) List(ctx context.Context) iter.Seq2[[]store.PointRef, error] {
	return func(yield func([]store.PointRef, error) bool) {
		found, err := u.client.Scroll(ctx, &pb.ScrollPoints{CollectionName: collection, WithPayload: pb.NewWithPayload(true)})
		var page []store.PointRef
		for _, point := range found {
			page = append(page, store.PointRef{ID: point.GetId().GetUuid(), Key: point.GetPayload()["record_key"].GetStringValue()})
		}
		yield(page, err)
	}
}

func (u unfiltered) Count(ctx context.Context) (int, error) {
	n, err := u.client.Count(ctx, &pb.CountPoints{CollectionName: collection})
	return int(n), err
}

func (u unfiltered) DeletePoints(ctx context.Context, ids []string) error {
	_, err := u.client.Delete(ctx, &pb.DeletePoints{CollectionName: collection, Points: pb.NewPointsSelector(pb.NewIDUUID(ids[0]))})
	return err
}

// believing is ingestion that takes the envelope's word for whose an event is.
type believing struct{ *ingestion.Stage }

func (believing) Accept(d workers.Delivery) (workers.Message, error) {
	event, err := events.Decode(d.Raw)
	return workers.Message{Delivery: d, Tenant: event.TenantID, Event: event}, err
}
