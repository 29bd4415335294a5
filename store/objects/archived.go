package objects

import (
	"context"
	"iter"

	"github.com/codybias9/real-estate-os/store"
)

// ArchiveObjects yields the objects of the tenant's raw archive in the order of their keys' bytes. It ends after the
// first error.
func (t *Tenant) ArchiveObjects(ctx context.Context) iter.Seq2[store.ArchiveObject, error] {
	return func(yield func(store.ArchiveObject, error) bool) {
		for object, err := range t.List(ctx, "raw/") {
			found := store.ArchiveObject{Key: t.prefix + object.Key, Bytes: object.Bytes, Modified: object.Modified}
			if !yield(found, err) || err != nil {
				return
			}
		}
	}
}
