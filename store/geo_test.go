package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store"
)

func TestMetersBetweenPlaces(t *testing.T) {
	t.Parallel()
	seattle, portland := store.Location{Latitude: 47.6062, Longitude: -122.3321}, store.Location{Latitude: 45.5152, Longitude: -122.6784}
	pole, otherPole := store.Location{Latitude: 90}, store.Location{Latitude: -90, Longitude: 77}
	const degree, halfway = 111_195.08, 20_015_114.4 // of a great circle
	for name, c := range map[string]struct {
		from, to store.Location
		want     float64
	}{
		"nowhere":                        {seattle, seattle, 0},
		"between cities":                 {seattle, portland, 234_011},
		"a degree of latitude":           {store.Location{}, store.Location{Latitude: 1}, degree},
		"a degree of longitude at 60°":   {store.Location{Latitude: 60}, store.Location{Latitude: 60, Longitude: 1}, 55_595.9},
		"from pole to pole":              {pole, otherPole, halfway},
		"over the date line":             {store.Location{Longitude: 179.5}, store.Location{Longitude: -179.5}, degree},
		"to the other side of the world": {store.Location{Latitude: 12, Longitude: 30}, store.Location{Latitude: -12, Longitude: -150}, halfway},
	} {
		require.InEpsilon(t, c.want+1, c.from.MetersTo(c.to)+1, 1e-4, name)
		require.InDelta(t, c.from.MetersTo(c.to), c.to.MetersTo(c.from), 1e-6, name)
	}
}
