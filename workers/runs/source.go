package runs

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Source is what a kind of run says for itself: the messages of its items.
type Source interface {
	// Messages makes the messages of released items of one tenant, at most publishItems of them. It may leave out the last
	// ones where those before them are large: whatever it says nothing of, it is asked for again. So it is after an error,
	// or the death of a process.
	//
	// Invariant 2: it then makes messages of the same ids.
	Messages(ctx context.Context, tenant uuid.UUID, run store.Run, items []store.ReleasedItem) (workers.RunMessages, error)
}
