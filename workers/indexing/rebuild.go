package indexing

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// Live is what a rebuild needs of Postgres, across tenants.
type Live interface {
	// LiveIndex hands out, page by page and one tenant at a time, every property that search must find.
	LiveIndex(ctx context.Context, model string, page func(tenant uuid.UUID, states []store.IndexState) error) error
}

// Rebuild fills an empty vector store from Postgres: the embedded one keeps nothing when its process ends.
func Rebuild(ctx context.Context, live Live, points func(tenant uuid.UUID) Points, model string) error {
	return live.LiveIndex(ctx, model, func(tenant uuid.UUID, states []store.IndexState) error {
		batch := make([]store.Point, 0, len(states))
		for _, state := range states {
			point, err := point(state)
			if err != nil {
				return err
			}
			batch = append(batch, point)
		}
		return points(tenant).Upsert(ctx, batch)
	})
}
