package qdrant_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// purges removes points of two models, more than a page of them, and none of another tenant's.
func purges(t *testing.T, f *fixture) {
	other := f.client.Tenant(uuid.New())
	require.NoError(t, other.Upsert(t.Context(), []store.Point{{Key: "k", Version: version(1), Vector: vector(1)}}))
	f.upsert(store.Point{Key: "old model", Version: version(1), Vector: vector(1)})
	require.NoError(t, f.client.Ensure(t.Context(), "another/model", testSize))
	const many = 2100
	points := make([]store.Point, many)
	for i := range points {
		points[i] = store.Point{Key: fmt.Sprint(i), Version: version(1), Vector: vector(uint64(i))}
	}
	require.NoError(t, f.tenant.Upsert(t.Context(), points))

	left, err := f.tenant.Leftovers(t.Context())
	require.NoError(t, err)
	require.Len(t, left, 2, "in two collections")
	require.Equal(t, many+1, left[0].Count+left[1].Count)
	removed := 0
	for range 2 {
		require.NoError(t, f.tenant.Purge(t.Context(), func(n int) { removed += n }))
		require.Equal(t, many+1, removed)
		left, err = f.tenant.Leftovers(t.Context())
		require.NoError(t, err)
		require.Empty(t, left)
	}
	left, err = other.Leftovers(t.Context())
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.ErrorIs(t, f.client.Tenant(uuid.Nil).Purge(t.Context(), func(int) {}), qdrant.ErrNoTenant)
}
