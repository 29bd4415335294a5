package objects_test

import (
	"crypto/rand"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
)

func described(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	require.NoError(t, tenant.Put(t.Context(), "a/ä b.pdf", strings.NewReader("content"), 7, "application/pdf; v=1"))
	object, err := tenant.Stat(t.Context(), "a/ä b.pdf")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), object.Modified, time.Minute)
	require.NotEmpty(t, object.ETag)
	require.NotContains(t, object.ETag, `"`)
	want := store.ObjectInfo{Key: "a/ä b.pdf", Bytes: 7, ETag: object.ETag, Modified: object.Modified, ContentType: "application/pdf; v=1"}
	require.Equal(t, want, object)
	for listed, err := range tenant.List(t.Context(), "a/") {
		require.NoError(t, err)
		require.Equal(t, object.ETag, listed.ETag)
	}
	_, err = tenant.Stat(t.Context(), "a/other")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = b.client.Tenant(uuid.New()).Stat(t.Context(), "a/ä b.pdf")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = tenant.Stat(t.Context(), "../x")
	require.ErrorIs(t, err, objects.ErrInvalidKey)
}

func readAtOffsets(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	bytes := make([]byte, 17<<20) // more than one part
	_, _ = rand.Read(bytes)
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader(string(bytes)), -1, "application/pdf"))
	object, err := tenant.Stat(t.Context(), "a")
	require.NoError(t, err)
	for _, part := range [][2]int64{{0, object.Bytes}, {1, object.Bytes - 1}, {0, 1}, {16 << 20, 1 << 20}, {object.Bytes - 1, 1}} {
		body, err := tenant.OpenAt(t.Context(), object, part[0], part[1])
		require.NoError(t, err)
		got, err := io.ReadAll(body)
		require.NoError(t, err)
		require.NoError(t, body.Close())
		require.True(t, string(bytes[part[0]:part[0]+part[1]]) == string(got), "%v", part)
	}
	for _, part := range [][2]int64{{-1, 1}, {0, 0}, {0, object.Bytes + 1}, {object.Bytes, 1}} {
		_, err := tenant.OpenAt(t.Context(), object, part[0], part[1])
		require.Error(t, err, "%v", part)
	}
	before := b.proxy.bytesFromServer()
	body, err := tenant.OpenAt(t.Context(), object, 1<<20, 10)
	require.NoError(t, err)
	require.NoError(t, body.Close())
	require.Less(t, b.proxy.bytesFromServer()-before, int64(4096), "only what was asked for is sent")
}

func replacedWhileRead(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader("first"), 5, ""))
	object, err := tenant.Stat(t.Context(), "a")
	require.NoError(t, err)
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader("other"), 5, ""))
	_, err = tenant.OpenAt(t.Context(), object, 2, 3)
	require.ErrorIs(t, err, store.ErrConflict)
	require.NoError(t, tenant.Put(t.Context(), "a", strings.NewReader("x"), 1, ""))
	_, err = tenant.OpenAt(t.Context(), object, 2, 3)
	require.ErrorIs(t, err, store.ErrConflict)
	require.NoError(t, tenant.Delete(t.Context(), "a"))
	_, err = tenant.OpenAt(t.Context(), object, 2, 3)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = tenant.OpenAt(t.Context(), store.ObjectInfo{Key: "../a", Bytes: 1}, 0, 1)
	require.ErrorIs(t, err, objects.ErrInvalidKey)
}

func listAfterKey(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	for _, key := range []string{"d/a", "d/b", "d/c/b", "d/é", "e"} {
		require.NoError(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""))
	}
	for after, want := range map[string]string{
		"": "d/a d/b d/c/b d/é", "d/a": "d/b d/c/b d/é", "d/az": "d/b d/c/b d/é", "d/c": "d/c/b d/é", "d/c/b": "d/é", "d/é": "", "a": "d/a d/b d/c/b d/é",
	} {
		var got []string
		for object, err := range tenant.ListAfter(t.Context(), "d/", after) {
			require.NoError(t, err)
			got = append(got, object.Key)
		}
		require.Equal(t, want, strings.Join(got, " "), "after %q", after)
	}
	for _, err := range tenant.ListAfter(t.Context(), "d/", "../x") {
		require.ErrorIs(t, err, objects.ErrInvalidKey)
	}
}

// Servers on file systems cannot have a file and a directory of one name.
// What one server stores, another refuses, and MinIO stores without listing it, is refused on all.
func nameBelowAnother(t *testing.T, b bucket) {
	tenant := b.client.Tenant(uuid.New())
	for _, key := range []string{"a", "b/c/d"} {
		require.NoError(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""))
	}
	for _, key := range []string{"a/b", "a/b/c", "b", "b/c", "b/c/d/e"} {
		require.ErrorIs(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""), store.ErrExists, key)
	}
	for _, key := range []string{"a", "ab", "b/cd", "b/c/d", "b/c/e"} {
		require.NoError(t, tenant.Put(t.Context(), key, strings.NewReader("x"), 1, ""), key)
	}
	var keys []string
	for object, err := range tenant.List(t.Context(), "") {
		require.NoError(t, err)
		keys = append(keys, object.Key)
	}
	require.Equal(t, []string{"a", "ab", "b/c/d", "b/c/e", "b/cd"}, keys)
}
