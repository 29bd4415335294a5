package main

import (
	"context"
	"crypto/sha256"
	endian "encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	qdrant "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

// versionedRow is a row of any store that stands for a record's version.
type versionedRow struct {
	Tenant   [16]byte
	Key      string
	At       time.Time
	Sequence int64
	Present  bool
	Number   int64
}

func (r versionedRow) id() recordID { return recordID{r.Tenant, r.Key} }

func (r versionedRow) String() string { return fmt.Sprintf("%s %s", uuid.UUID(r.Tenant), r.Key) }

// newest finds what was published last of the row's record. Where the row is of no such version, it says so.
func (c *chaos) newest(r versionedRow, what string, wrong *findings) *fact {
	newest := c.stream.newest[r.id()]
	if newest == nil {
		wrong.add("extra", "%s %s", what, r)
		return nil
	}
	switch version := events.NewVersion(r.At, r.Sequence); version.Compare(newest.version) {
	case -1:
		wrong.add("regressed", "%s %s is of %s, the newest of %s", what, r, show(version), show(newest.version))
	case 1:
		wrong.add("invented", "%s %s is of %s, the newest of %s", what, r, show(version), show(newest.version))
	}
	return newest
}

func show(v events.Version) string {
	return v.At.Format(time.RFC3339Nano) + "/" + strconv.FormatInt(v.Sequence, 10)
}

// comparePoints: Qdrant holds the points of all searchable records at their newest version, with their vectors, and no
// other point.
func (c *chaos) comparePoints(vectors map[recordID][]byte, wrong *findings) {
	c.t.Helper()
	found := map[recordID]bool{}
	for _, point := range c.points() {
		text := func(field string) string { return point.Payload[field].GetStringValue() }
		tenant, err := uuid.Parse(text("tenant_id"))
		require.NoError(c.t, err)
		at, err := time.Parse(time.RFC3339Nano, text("version_at"))
		require.NoError(c.t, err)
		r := versionedRow{Tenant: tenant, Key: text("record_key"), At: at, Sequence: point.Payload["version_sequence"].GetIntegerValue()}
		newest := c.newest(r, "point", wrong)
		if newest == nil {
			continue
		}
		if found[r.id()] {
			wrong.add("extra", "second point of %s", r)
		}
		found[r.id()] = true
		price := point.Payload["list_price"]
		switch {
		case !newest.searchable():
			wrong.add("searchable", "%s, which is deleted (%t) or quarantined (%t)", r, newest.deleted, !newest.sound)
		case price.GetDoubleValue()+float64(price.GetIntegerValue()) != float64(newest.price):
			wrong.add("wrong point", "%s: price %v, published %d", r, price, newest.price)
		case vectors[r.id()] != nil && !sameDirection(vectors[r.id()], point.GetVectors().GetVector().GetDense().GetData()):
			wrong.add("wrong point", "%s: its vector is another version's", r)
		}
	}
	for id, newest := range c.stream.newest {
		if newest.searchable() && !found[id] {
			wrong.add("not searchable", "%s %s", id.tenant, id.key)
		}
	}
}

// points reads every point that Qdrant holds, of all tenants.
func (c *chaos) points() []*qdrant.RetrievedPoint {
	c.t.Helper()
	at := parse(c.t, c.servers.direct.qdrant)
	key, _ := at.User.Password()
	host, portText, err := net.SplitHostPort(at.Host)
	require.NoError(c.t, err)
	port, err := strconv.Atoi(portText)
	require.NoError(c.t, err)
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: host, Port: port, SkipCompatibilityCheck: true, Headers: map[string]string{"api-key": key},
	})
	require.NoError(c.t, err)
	defer client.Close()
	names, err := client.ListCollections(context.Background())
	require.NoError(c.t, err)
	var all []*qdrant.RetrievedPoint
	for _, name := range names {
		for offset := (*qdrant.PointId)(nil); ; {
			page, next, err := client.ScrollAndOffset(context.Background(), &qdrant.ScrollPoints{
				CollectionName: name, Limit: qdrant.PtrOf(uint32(1000)), Offset: offset,
				WithPayload: qdrant.NewWithPayload(true), WithVectors: qdrant.NewWithVectors(true),
			})
			require.NoError(c.t, err)
			all = append(all, page...)
			if next == nil {
				break
			}
			offset = next
		}
	}
	return all
}

// sameDirection compares a vector as Postgres keeps it with one of the vector store, which may have scaled it.
func sameDirection(stored []byte, vector []float32) bool {
	if len(stored) != 4*len(vector) {
		return false
	}
	var product, a, b float64
	for i, x := range vector {
		y := float64(math.Float32frombits(endian.LittleEndian.Uint32(stored[4*i:])))
		product, a, b = product+float64(x)*y, a+float64(x)*float64(x), b+y*y
	}
	return product/math.Sqrt(a*b) > 0.99999
}

// span is a row of raw_archive, or of staged_raw.
type span struct {
	Tenant, Event  [16]byte
	Object         string
	Offset, Length int64
	SHA256, Staged []byte
}

// compareArchive: the raw bytes of every event are in the object store, where Postgres says, or are staged in Postgres.
// Both are read as of one moment; what was staged then may have become part of an object meanwhile.
func (c *chaos) compareArchive(conn *pgx.Conn, wrong *findings) {
	c.t.Helper()
	spans := query[span](c, conn, `SELECT tenant_id, event_uid, object_key, byte_offset, byte_length, sha256, NULL::bytea FROM raw_archive
		UNION ALL SELECT tenant_id, event_uid, '', 0, octet_length(frame), sha256, frame FROM staged_raw`)
	objects := c.objects()
	unpack, err := zstd.NewReader(nil)
	require.NoError(c.t, err)
	defer unpack.Close()
	found := map[uuid.UUID]bool{}
	for _, s := range spans {
		made := c.stream.facts[s.Event]
		if made == nil {
			wrong.add("extra", "raw bytes of event %s", uuid.UUID(s.Event))
			continue
		}
		if found[made.id] {
			wrong.add("extra", "raw bytes of event %s, a second time", made.id)
		}
		found[made.id] = true
		held := s.Staged
		if held == nil {
			held = objects[s.Object]
		}
		if err := s.check(held, made, unpack); err != nil {
			wrong.add("wrong raw bytes", "event %s in %q: %v", made.id, s.Object, err)
		}
	}
	for id := range c.stream.facts {
		if !found[id] {
			wrong.add("lost", "raw bytes of event %s", id)
		}
	}
}

// requireArchived waits until nothing is staged any more, and compares the archive again: it is all in objects now.
func (c *chaos) requireArchived() {
	c.t.Helper()
	conn, err := pgx.Connect(context.Background(), c.world.admin)
	require.NoError(c.t, err)
	defer conn.Close(context.Background())
	c.world.awaitNumber(0, "SELECT count(*) FROM staged_raw")
	wrong := &findings{}
	c.compareArchive(conn, wrong)
	require.Empty(c.t, wrong.list(), "seed %d", c.seed)
	c.note("the raw bytes of %d events are archived, in %d objects", len(c.stream.facts), c.world.number("SELECT count(DISTINCT object_key) FROM raw_archive"))
}

// check compares what an object, or the frame that is staged, holds with what was published.
func (s span) check(object []byte, made *fact, unpack *zstd.Decoder) error {
	digest := sha256.Sum256(made.body)
	switch {
	case s.Tenant != made.tenant, s.Staged == nil && !strings.HasPrefix(s.Object, made.tenant.String()+"/"):
		return fmt.Errorf("the event is tenant %s's", made.tenant)
	case object == nil:
		return fmt.Errorf("no such object")
	case s.Offset+s.Length > int64(len(object)):
		return fmt.Errorf("the object has %d bytes, the span ends at %d", len(object), s.Offset+s.Length)
	case string(s.SHA256) != string(digest[:]):
		return fmt.Errorf("the digest is of something else")
	}
	body, err := unpack.DecodeAll(object[s.Offset:s.Offset+s.Length], nil)
	if err == nil && string(body) != string(made.body) {
		err = fmt.Errorf("the object holds something else")
	}
	return err
}

// objects reads the whole bucket.
func (c *chaos) objects() map[string][]byte {
	c.t.Helper()
	ctx := context.Background()
	at := c.servers.direct.s3
	secret, _ := at.User.Password()
	client, err := minio.New(at.Host, &minio.Options{
		Creds: credentials.NewStaticV4(at.User.Username(), secret, ""), Region: at.Query().Get("region"),
	})
	require.NoError(c.t, err)
	bucket := strings.TrimPrefix(c.world.s3.Path, "/")
	objects := map[string][]byte{}
	for info := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(c.t, info.Err)
		object, err := client.GetObject(ctx, bucket, info.Key, minio.GetObjectOptions{})
		require.NoError(c.t, err)
		objects[info.Key], err = io.ReadAll(object)
		require.NoError(c.t, err)
		require.NoError(c.t, object.Close())
	}
	return objects
}
