package qdrant_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	pb "github.com/qdrant/go-client/qdrant"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

func listed(t *testing.T, tenant *qdrant.Tenant) []store.PointRef {
	t.Helper()
	var all []store.PointRef
	for page, err := range tenant.List(t.Context()) {
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 2000)
		all = append(all, page...)
	}
	return all
}

func listPages(t *testing.T, f *fixture) {
	const n = 2345 // more than a page
	var points []store.Point
	want := map[string]store.PointRef{}
	for i := range n {
		key := fmt.Sprintf("key %d", i)
		points = append(points, store.Point{Key: key, Version: version(int64(i)), Vector: vector(uint64(i))})
		want[key] = store.PointRef{ID: store.PointID(f.id, key).String(), Key: key, Version: version(int64(i))}
	}
	f.upsert(points...)
	require.NoError(t, f.client.Tenant(uuid.New()).Upsert(t.Context(), points[:5]))
	got := map[string]store.PointRef{}
	for _, point := range listed(t, f.tenant) {
		require.NotContains(t, got, point.Key)
		got[point.Key] = point
	}
	require.Equal(t, want, got)
	for _, err := range f.tenant.List(t.Context()) {
		require.NoError(t, err)
		break // left early
	}
	require.Empty(t, listed(t, f.client.Tenant(uuid.New())))
	for _, err := range f.client.Tenant(uuid.Nil).List(t.Context()) {
		require.ErrorIs(t, err, qdrant.ErrNoTenant)
	}
}

func listStrays(t *testing.T, f *fixture) {
	f.upsert(store.Point{Key: "own", Version: version(1), Vector: vector(1)})
	api := f.raw()
	defer func() { require.NoError(t, api.Close()) }()
	aliases, err := api.ListAliases(t.Context())
	require.NoError(t, err)
	at := slices.IndexFunc(aliases, func(a *pb.AliasDescription) bool { return a.GetAliasName() == f.alias })
	_, err = api.Upsert(t.Context(), &pb.UpsertPoints{
		CollectionName: aliases[at].GetCollectionName(), Wait: pb.PtrOf(true), Points: []*pb.PointStruct{
			{Id: pb.NewIDNum(7), Vectors: pb.NewVectorsDense(vector(2)), Payload: pb.NewValueMap(map[string]any{"tenant_id": f.id.String()})},
			{
				Id: pb.NewIDUUID(store.PointID(f.id, "bare").String()), Vectors: pb.NewVectorsDense(vector(3)),
				Payload: pb.NewValueMap(map[string]any{"tenant_id": f.id.String(), "record_key": "bare", "version_at": "yesterday"}),
			},
		},
	})
	require.NoError(t, err)
	own := store.PointRef{ID: store.PointID(f.id, "own").String(), Key: "own", Version: version(1)}
	bare := store.PointRef{ID: store.PointID(f.id, "bare").String(), Key: "bare", Version: events.Version{}}
	require.ElementsMatch(t, []store.PointRef{{ID: "7"}, bare, own}, listed(t, f.tenant))
	found, err := f.tenant.Points(t.Context(), []string{"own", "bare", "nobody"})
	require.NoError(t, err)
	require.Equal(t, map[string]store.PointRef{"own": own, "bare": bare}, found)
	require.NoError(t, f.tenant.DeletePoints(t.Context(), []string{"7", bare.ID}))
	require.Equal(t, []store.PointRef{own}, listed(t, f.tenant))
	require.Error(t, f.tenant.DeletePoints(t.Context(), []string{"no id"}))
}

func deleteByID(t *testing.T, f *fixture) {
	theirs := f.client.Tenant(uuid.New())
	f.upsert(store.Point{Key: "k", Version: version(1), Vector: vector(1)})
	own := store.PointID(f.id, "k").String()
	require.NoError(t, theirs.DeletePoints(t.Context(), []string{own}))
	require.Equal(t, 1, f.count())
	require.ErrorIs(t, f.client.Tenant(uuid.Nil).DeletePoints(t.Context(), []string{own}), qdrant.ErrNoTenant)
	require.NoError(t, f.tenant.DeletePoints(t.Context(), []string{own, uuid.NewString()}))
	require.Zero(t, f.count())
}
