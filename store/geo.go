package store

import (
	"math"
	"strconv"
	"strings"
)

// Location is a point on the Earth, in degrees.
type Location struct {
	Latitude  float64 // -90 to 90, north is positive
	Longitude float64 // -180 to 180, east is positive
}

// earthMeters is the Earth's mean radius.
const earthMeters = 6_371_008.8

// MetersTo is the distance to another location along the Earth's surface, taken for a sphere (haversine).
func (l Location) MetersTo(other Location) float64 {
	const radian = math.Pi / 180
	sinLat := math.Sin((other.Latitude - l.Latitude) * radian / 2)
	sinLon := math.Sin((other.Longitude - l.Longitude) * radian / 2)
	h := sinLat*sinLat + math.Cos(l.Latitude*radian)*math.Cos(other.Latitude*radian)*sinLon*sinLon
	return 2 * earthMeters * math.Asin(math.Sqrt(min(h, 1)))
}

// Circle is every location that lies nearer to its center than Meters, which the vector store keeps as a float32.
type Circle struct {
	Center Location
	Meters float64
}

// MetersTo is how far a point lies from the center, to the decimetre; nil where the point does not say, and for no circle.
func (c *Circle) MetersTo(p Payload) *float64 {
	if c == nil || p.Latitude == nil || p.Longitude == nil {
		return nil
	}
	meters := math.Round(c.Center.MetersTo(Location{Latitude: *p.Latitude, Longitude: *p.Longitude})*10) / 10
	return &meters
}

// ParseLocation reads `latitude,longitude` in degrees, and reports whether that is on the Earth.
func ParseLocation(text string) (Location, bool) {
	first, second, _ := strings.Cut(text, ",")
	latitude, err := strconv.ParseFloat(strings.TrimSpace(first), 64)
	longitude, alsoErr := strconv.ParseFloat(strings.TrimSpace(second), 64)
	return Location{Latitude: latitude, Longitude: longitude}, err == nil && alsoErr == nil &&
		math.Abs(latitude) <= 90 && math.Abs(longitude) <= 180
}
