package runs

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// readAtOnce bounds the raw bytes that are read from the archive at the same time.
const readAtOnce = 16

// Raw reads the raw bytes of an accepted event; store.ErrNotFound where they are not kept.
type Raw func(ctx context.Context, tenant, event uuid.UUID) ([]byte, error)

// Rerun is the source of runs that work on stored records once more.
type Rerun struct {
	topology events.Topology
	raw      Raw
}

// NewRerun makes the source.
func NewRerun(topology events.Topology, raw Raw) *Rerun { return &Rerun{topology: topology, raw: raw} }

// Messages implements Source.
func (r *Rerun) Messages(ctx context.Context, tenant uuid.UUID, run store.Run, items []store.ReleasedItem) (workers.RunMessages, error) {
	if run.Stage != events.Ingestion {
		return workers.RunSteps(r.topology, tenant, items), nil
	}
	messages := workers.RunMessages{Published: store.Published{Skipped: map[int64]string{}}}
	for part := range slices.Chunk(items, workers.MessagesPart) {
		if err := r.remake(ctx, tenant, run, part, &messages); err != nil || messages.Full() {
			return messages, err
		}
	}
	return messages, nil
}

// remake adds the messages that have ingestion read the bytes of events once more.
func (r *Rerun) remake(ctx context.Context, tenant uuid.UUID, run store.Run, items []store.ReleasedItem, messages *workers.RunMessages) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readAtOnce)
	for _, item := range items {
		group.Go(func() error {
			out, err := r.remade(ctx, tenant, run, item)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, store.ErrNotFound):
				messages.Published.Skipped[item.Ordinal] = store.SkipRawMissing
			case err != nil:
				return err
			default:
				messages.Out = append(messages.Out, out)
				messages.Published.Confirmed = append(messages.Published.Confirmed, item.Ordinal)
			}
			return nil
		})
	}
	return group.Wait()
}

// remade is the message that has ingestion read an event's bytes once more.
func (r *Rerun) remade(ctx context.Context, tenant uuid.UUID, run store.Run, item store.ReleasedItem) (events.Outgoing, error) {
	if item.Origin == nil {
		return events.Outgoing{}, store.ErrNotFound
	}
	payload, err := r.raw(ctx, tenant, item.Cause)
	if err != nil {
		return events.Outgoing{}, err
	}
	event := original(tenant, item, payload)
	event.ID, event.RunID, event.CausationID = item.Event.String(), run.ID, item.Cause.String()
	return workers.Remade(r.topology, event, item.Cause), nil
}

// original is the event of raw bytes. In structured mode they are all of it; in binary mode its attributes are known from
// its acceptance, and a payload that looks like an event says of itself another id.
func original(tenant uuid.UUID, item store.ReleasedItem, payload []byte) events.Event {
	if bytes.HasPrefix(bytes.TrimSpace(payload), []byte("{")) {
		whole := message.NewMessage("", payload)
		whole.Metadata.Set(events.MetaContentType, events.StructuredContentType)
		if event, err := events.Decode(whole); err == nil && event.UID() == item.Cause && event.TenantID == tenant {
			return event
		}
	}
	return events.Event{
		Source: item.Origin.Source, Type: item.Origin.Type, Subject: item.Ref.Key, Time: item.Origin.OccurredAt,
		Sequence: item.Version.Sequence, TenantID: tenant, Data: payload,
	}
}
