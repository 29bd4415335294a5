// Package store holds the types that stages exchange with the stores, and the errors every adapter speaks.
//
// The adapters live below it: postgres (the truth), qdrant (vectors), objects (raw archive and documents). Each
// hands out tenant-bound handles only.
//
// Invariant 4: no handle exists without a tenant. Every adapter's client has one way to its data, Tenant(id).
package store

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// ErrUnavailable says that a store could not be reached or could not take work just now: nothing is known to be
// wrong with the request. The runner pauses on it and burns no attempt. Adapters wrap it: errors.Is(err, ErrUnavailable).
var ErrUnavailable = errors.New("store unavailable")

// ErrNotFound says that what was asked for does not exist for this tenant. Another tenant's data is not found.
var ErrNotFound = errors.New("not found")

// Span says where one record's bytes lie inside an archive object.
type Span struct {
	// Key is the object's full key, `<tenant_id>/raw/…`.
	Key string
	// Offset and Length, in bytes, of the record's own zstd frame: a range read of just these returns the record.
	Offset, Length int64
	// SHA256 is the digest of the uncompressed bytes.
	SHA256 [32]byte
}

// Frame is one record's bytes, packed. An archive object is a sequence of frames.
type Frame struct {
	Packed []byte   // a zstd frame
	SHA256 [32]byte // of the uncompressed bytes
}

// Point is a record as the vector store holds it.
type Point struct {
	Key     string // record key; the point's id is derived from tenant and key
	Version events.Version
	Vector  []float32 // embedding dimensions, unit length
	Payload Payload
}

// Payload is what a search can filter on and show. Nil and empty mean that the record does not say.
type Payload struct {
	Address    string
	City       string
	PostalCode string
	Status     string // RESO StandardStatus
	ListPrice  *float64
	Bedrooms   *int64
	Bathrooms  *int64
	LivingArea *float64 // square feet
	YearBuilt  *int64
	Latitude   *float64
	Longitude  *float64
}

// Query asks a tenant's points for the nearest to Vector.
type Query struct {
	Vector []float32
	Limit  int
	Filter Filter
}

// Filter narrows a search. A zero field does not filter. Bounds are inclusive. What a point does not say matches nothing.
type Filter struct {
	MinPrice, MaxPrice       *float64
	MinBedrooms, MaxBedrooms *int64
	City, Status             string // exact, case-sensitive
	Near                     *Circle
}

// Hit is a point that a search found. Score is the cosine similarity, 1 for the same direction.
type Hit struct {
	Key     string
	Score   float32
	Version events.Version
	Payload Payload
}

// PointID is the id of a record's point: the same for every version of it.
func PointID(tenant uuid.UUID, key string) uuid.UUID {
	return uuid.NewSHA1(tenant, []byte("point\x00"+key))
}

// Timeout is what one call to a store may take before it counts as unavailable.
const Timeout = 10 * time.Second

// ErrConflict says that another worker was faster with the same records: look again and decide anew.
var ErrConflict = errors.New("another worker was faster")

// ErrExists says that the name or id is taken by something else.
var ErrExists = errors.New("already exists")
