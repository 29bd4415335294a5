package objects

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/minio/minio-go/v7"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/embedded"
)

// It looks at the bucket from behind the handle: what is left must not be hidden by the code that removes it.
func TestPurgeLeavesNothingOfTheTenant(t *testing.T) {
	local, err := embedded.StartS3(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, local.Close()) })
	for name, at := range map[string]string{"embedded": local.URL(), "S3_URL": os.Getenv("S3_URL")} {
		if at == "" {
			continue
		}
		t.Run(name, func(t *testing.T) { purgeLeavesNothing(t, at) })
	}
}

func purgeLeavesNothing(t *testing.T, server string) {
	at, err := url.Parse(server)
	require.NoError(t, err)
	at.Path = "/reos-test-" + strings.ToLower(rand.Text())
	client, err := Open(t.Context(), Config{URL: at.String()})
	require.NoError(t, err)
	defer func() { require.NoError(t, client.Close()) }()
	require.NoError(t, client.Ensure(t.Context()))
	own, other := client.Tenant(uuid.New()), client.Tenant(uuid.New())
	const objects = 1100 // more than a page
	for i := range objects {
		require.NoError(t, own.Put(t.Context(), fmt.Sprintf("documents/%d", i), strings.NewReader("x"), 1, ""))
	}
	_, err = own.PutArchive(t.Context(), "2026/01/batch", [][]byte{[]byte("{}")})
	require.NoError(t, err)
	require.NoError(t, other.Put(t.Context(), "documents/1", strings.NewReader("theirs"), 6, ""))
	for _, key := range []string{own.prefix + "documents/half", own.prefix + "documents/half", other.prefix + "documents/half"} {
		upload, err := client.core.NewMultipartUpload(t.Context(), client.bucket, key, minio.PutObjectOptions{})
		require.NoError(t, err)
		_, err = client.core.PutObjectPart(t.Context(), client.bucket, key, upload, 1, bytes.NewReader(make([]byte, 5<<20)), 5<<20, minio.PutObjectPartOptions{})
		require.NoError(t, err)
	}

	uploads := []store.Leftover{{Place: "unfinished uploads", Count: 2}}
	if hidesUploads(t, client, own.prefix) {
		uploads = nil
	}

	left, err := own.Leftovers(t.Context())
	require.NoError(t, err)
	require.Equal(t, append([]store.Leftover{{Place: "objects", Count: objects + 1}}, uploads...), left)
	// Not by Put: it refuses what MinIO hides.
	hidden := 0
	if _, err := client.core.PutObject(t.Context(), client.bucket, own.prefix+"documents/0/below", strings.NewReader("x"), 1, "", "", minio.PutObjectOptions{}); err == nil {
		hidden = 1
	}
	removed := 0
	for range 2 {
		require.NoError(t, own.Purge(t.Context(), func(n int) { removed += n }))
		require.Equal(t, objects+1+hidden+2*len(uploads), removed)
		left, err = own.Leftovers(t.Context())
		require.NoError(t, err)
		require.Empty(t, left)
	}
	var keys []string
	for object := range client.core.ListObjectsIter(t.Context(), client.bucket, minio.ListObjectsOptions{Recursive: true}) {
		require.NoError(t, object.Err)
		keys = append(keys, object.Key)
	}
	require.Equal(t, []string{other.prefix + "documents/1"}, keys)
	left, err = other.Leftovers(t.Context())
	require.NoError(t, err)
	theirs := []store.Leftover{{Place: "objects", Count: 1}}
	if len(uploads) > 0 {
		theirs = append(theirs, store.Leftover{Place: "unfinished uploads", Count: 1})
	}
	require.Equal(t, theirs, left)

	require.ErrorIs(t, client.Tenant(uuid.Nil).Purge(t.Context(), func(int) {}), ErrInvalidKey)
	require.NoError(t, other.Purge(t.Context(), func(int) {}))
	require.NoError(t, client.core.RemoveBucket(t.Context(), client.bucket))
}

// hidesUploads says whether a server lists unfinished uploads for whole names only, as MinIO does, which removes them by
// itself a day later. It must list them by their names then: a server that lists none at all is not what we think.
func hidesUploads(t *testing.T, client *Client, prefix string) bool {
	t.Helper()
	below, err := client.core.ListMultipartUploads(t.Context(), client.bucket, prefix, "", "", "", 10)
	require.NoError(t, err)
	named, err := client.core.ListMultipartUploads(t.Context(), client.bucket, prefix+"documents/half", "", "", "", 10)
	require.NoError(t, err)
	require.Len(t, named.Uploads, 2)
	return len(below.Uploads) == 0
}
