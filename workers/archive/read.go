package archive

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Places is what Read needs of a tenant's part of Postgres.
type Places interface {
	// RawPlace says where the raw bytes of an accepted event are; else store.ErrNotFound.
	RawPlace(ctx context.Context, event uuid.UUID) (store.RawPlace, error)
}

// Contents is what Read needs of the same tenant's part of the object store. Both of its methods check the bytes against
// their digest.
type Contents interface {
	Unpack(frame store.Frame) ([]byte, error)
	ReadSpan(ctx context.Context, span store.Span) ([]byte, error)
}

// Read returns the raw bytes of an accepted event, by its UID, from the moment of its acceptance on; store.ErrNotFound
// where the tenant has no such event.
func Read(ctx context.Context, places Places, contents Contents, event uuid.UUID) ([]byte, error) {
	place, err := places.RawPlace(ctx, event)
	switch {
	case err != nil:
		return nil, err
	case place.Staged != nil:
		return contents.Unpack(*place.Staged)
	}
	return contents.ReadSpan(ctx, place.Span)
}
