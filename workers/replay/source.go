package replay

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Why an item is skipped when its message is made, beside why letters are left out of a plan.
const (
	skipLetterGone = "letter_gone"  // it was discarded, and kept long enough
	skipEdited     = "edit_changed" // the patch makes other data of it than it did for the plan
)

// Source makes the messages of replays: see runs.Source.
type Source struct {
	topology events.Topology
	of       func(tenant uuid.UUID) Letters
}

// NewSource makes the source; of hands out tenant-bound handles.
func NewSource(topology events.Topology, of func(uuid.UUID) Letters) *Source {
	return &Source{topology: topology, of: of}
}

// Messages makes the messages of released items. Letters that died behind ingestion go on as steps of their records, the
// others go in by the intake once more, on the bulk lane.
func (s *Source) Messages(ctx context.Context, tenant uuid.UUID, run store.Run, items []store.ReleasedItem) (workers.RunMessages, error) {
	var inside, outside []store.ReleasedItem
	for _, item := range items {
		if item.Stage == events.Ingestion {
			outside = append(outside, item)
		} else {
			inside = append(inside, item)
		}
	}
	messages := workers.RunSteps(s.topology, tenant, inside)
	for part := range slices.Chunk(outside, workers.MessagesPart) {
		again, err := s.intake(ctx, tenant, run, part)
		if err != nil {
			return workers.RunMessages{}, err
		}
		if messages.Add(again); messages.Full() {
			break
		}
	}
	return messages, nil
}

// intake makes the messages of letters that go in by the intake.
func (s *Source) intake(ctx context.Context, tenant uuid.UUID, run store.Run, items []store.ReleasedItem) (workers.RunMessages, error) {
	messages := workers.RunMessages{Published: store.Published{Skipped: map[int64]string{}}}
	ids := make([]uuid.UUID, len(items))
	for i, item := range items {
		ids[i] = item.Letter
	}
	letters, edits, err := s.load(ctx, tenant, run, ids)
	if err != nil {
		return messages, err
	}
	for _, item := range items {
		l, found := letters[item.Letter]
		if !found {
			messages.Published.Skipped[item.Ordinal] = skipLetterGone
			continue
		}
		out, why := s.message(run, item, l, edits)
		switch {
		case why != "":
			messages.Published.Skipped[item.Ordinal] = why
			continue
		case tenant == store.PlatformTenant: // what becomes of it, its own tenant's progress tells
			messages.Published.Final = append(messages.Published.Final, item.Ordinal)
		default:
			messages.Published.Confirmed = append(messages.Published.Confirmed, item.Ordinal)
		}
		messages.Out = append(messages.Out, out)
	}
	return messages, nil
}

// load reads whole letters, and what the run changes in them.
func (s *Source) load(ctx context.Context, tenant uuid.UUID, run store.Run, ids []uuid.UUID) (map[uuid.UUID]store.DeadLetter, map[uuid.UUID]store.Edit, error) {
	list, edits, err := s.of(tenant).LettersToReplay(ctx, run.ID, ids)
	letters := make(map[uuid.UUID]store.DeadLetter, len(list))
	for _, l := range list {
		letters[l.ID] = l
	}
	return letters, edits, err
}

// message is a letter's message as it came, under a new id, or why there is none.
//
// Invariant 2: the id is the item's, however often the message is made.
// Invariant 4: it goes out under the routing key that it came with.
func (s *Source) message(run store.Run, item store.ReleasedItem, l store.DeadLetter, edits map[uuid.UUID]store.Edit) (out events.Outgoing, why string) {
	var data []byte
	if edit, edited := edits[l.ID]; edited {
		changed, err := editedData(edit, l)
		if err != nil {
			return out, skipEdited
		}
		data = changed
	}
	values := map[string]string{"id": item.Event.String(), "runid": run.ID}
	if l.EventID != "" {
		values["causationid"] = l.EventID
	}
	msg, err := events.Rewrite(l.Message(), values, data)
	if err != nil {
		return out, leftUnreadable
	}
	return events.Outgoing{Topic: s.topology.BulkIntake() + "/" + l.RoutingKey, Message: msg}, ""
}

// editedData applies an edit as it was planned. The error says that something else comes of it.
func editedData(edit store.Edit, l store.DeadLetter) ([]byte, error) {
	patch, err := decodePatch(edit.Patch)
	if err != nil {
		return nil, err
	}
	data := l.Data()
	if sha256.Sum256(data) != edit.Before {
		return nil, fmt.Errorf("letter %s is not as it was", l.ID)
	}
	edited, err := apply(patch, data)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(edited) != edit.After {
		return nil, fmt.Errorf("the edit of letter %s is not as it was", l.ID)
	}
	return edited, nil
}
