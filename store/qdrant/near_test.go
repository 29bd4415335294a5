package qdrant_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

// at is a point on the map, named by its key.
func at(key string, latitude, longitude float64) store.Point {
	return store.Point{Key: key, Version: version(1), Vector: vector(1), Payload: store.Payload{
		Latitude: &latitude, Longitude: &longitude, City: "Kirkland",
	}}
}

func circle(latitude, longitude, meters float64) store.Filter {
	return store.Filter{Near: &store.Circle{Center: store.Location{Latitude: latitude, Longitude: longitude}, Meters: meters}}
}

// No small circle is around a pole: Qdrant's index looks for its points by longitude there, and misses them.
func circlesMatch(t *testing.T, f *fixture) {
	half := at("half", 47.6, 0)
	half.Payload.Longitude = nil
	f.upsert(
		at("seattle", 47.6062, -122.3321), at("bellevue", 47.6101, -122.2015), at("portland", 45.5152, -122.6784),
		at("fiji-west", -17, 179.9), at("fiji-east", -17, -179.9), at("pole", 90, 12), at("equator", 0, 0),
		store.Point{Key: "silent", Version: version(1), Vector: vector(1)}, half,
	)
	for _, c := range []struct {
		filter store.Filter
		want   string
	}{
		{circle(47.6062, -122.3321, 1), "seattle"},
		{circle(47.6, -122.3, 20_000), "bellevue seattle"},
		{circle(47.6, -122.3, 300_000), "bellevue portland seattle"},
		{circle(-17, 180, 30_000), "fiji-east fiji-west"},
		{circle(-17, -179.95, 10_000), "fiji-east"},
		{circle(0, 0, 1), "equator"},
		{circle(0, 90, 1000), ""},
		{circle(0, 0, 20_100_000), "bellevue equator fiji-east fiji-west pole portland seattle"},
	} {
		require.Equal(t, c.want, f.found(c.filter), "%+v", *c.filter.Near)
	}
}

// Both servers measure with the same sphere, and both leave the edge out: the radius travels as a float32.
func circlesExcludeTheirEdge(t *testing.T, f *fixture) {
	center := store.Location{Latitude: 47.6, Longitude: -122.3}
	f.upsert(at("here", center.Latitude, center.Longitude), at("there", 47.61, -122.3), at("away", 47.7, -121.9))
	for _, key := range []store.Location{{Latitude: 47.61, Longitude: -122.3}, {Latitude: 47.7, Longitude: -121.9}} {
		distance := float32(center.MetersTo(key))
		above, below := distance, distance
		for float64(above) <= center.MetersTo(key) {
			above = math.Nextafter32(above, math.MaxFloat32)
		}
		for float64(below) >= center.MetersTo(key) {
			below = math.Nextafter32(below, 0)
		}
		inside := f.found(circle(center.Latitude, center.Longitude, float64(above)))
		outside := f.found(circle(center.Latitude, center.Longitude, float64(below)))
		require.Len(t, strings.Fields(inside), len(strings.Fields(outside))+1, "at %v m", distance)
	}
	require.Empty(t, f.found(circle(center.Latitude, center.Longitude, 0)), "nothing is nearer than no distance at all")
}

func circlesWithFilters(t *testing.T, f *fixture) {
	other := at("other", 47.6, -122.3)
	other.Payload.City, other.Payload.ListPrice = "Redmond", ptr(500_000.0)
	f.upsert(at("one", 47.6, -122.3), other, at("far", 40, -122.3))
	filter := circle(47.6, -122.3, 1000)
	require.Equal(t, "one other", f.found(filter))
	filter.City = "Redmond"
	require.Equal(t, "other", f.found(filter))
	filter.MaxPrice = ptr(400_000.0)
	require.Empty(t, f.found(filter))

	stranger := f.client.Tenant(uuid.New())
	hits, err := stranger.Search(t.Context(), store.Query{Vector: vector(1), Limit: 10, Filter: circle(47.6, -122.3, 1000)})
	require.NoError(t, err)
	require.Empty(t, hits, "invariant 4: another tenant's circle holds nothing of this one")
}
