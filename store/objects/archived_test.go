package objects_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

func archivesListed(t *testing.T, b bucket) {
	id := uuid.New()
	tenant := b.client.Tenant(id)
	names := []string{"2026/02/01/b", "2026/01/31/c", "2026/01/31/a"}
	ends := map[string]int64{}
	for _, name := range names {
		spans, err := tenant.PutArchive(t.Context(), name, [][]byte{[]byte("one " + name), []byte("two")})
		require.NoError(t, err)
		last := spans[len(spans)-1]
		ends[last.Key] = last.Offset + last.Length
	}
	require.NoError(t, tenant.Put(t.Context(), "documents/lease.pdf", strings.NewReader("x"), 1, "application/pdf"))
	_, err := b.client.Tenant(uuid.New()).PutArchive(t.Context(), "2026/01/31/b", [][]byte{[]byte("theirs")})
	require.NoError(t, err)
	var keys []string
	for object, err := range tenant.ArchiveObjects(t.Context()) {
		require.NoError(t, err)
		keys = append(keys, object.Key)
		require.Equal(t, ends[object.Key], object.Bytes, "it ends with its last record")
		require.WithinDuration(t, time.Now(), object.Modified, time.Minute)
	}
	require.Len(t, keys, 3)
	require.True(t, slices.IsSorted(keys))
	require.True(t, strings.HasPrefix(keys[0], id.String()+"/raw/"), "as Postgres refers to it")
	for _, err := range b.client.Tenant(uuid.Nil).ArchiveObjects(t.Context()) {
		require.Error(t, err)
	}
	var none []store.ArchiveObject
	for object := range b.client.Tenant(uuid.New()).ArchiveObjects(t.Context()) {
		none = append(none, object)
	}
	require.Empty(t, none)
}
