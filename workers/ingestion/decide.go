package ingestion

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// arrival is one event of a batch, normalised.
type arrival struct {
	index    int // in the batch
	message  workers.Message
	record   events.Record
	ref      store.Ref
	uid      uuid.UUID
	remadeOf uuid.UUID // the event whose bytes these are; uuid.Nil of an upstream's
	accepted time.Time
}

func newArrival(index int, message workers.Message, record events.Record) arrival {
	return arrival{
		index: index, message: message, record: record, uid: message.Event.UID(), accepted: time.Now().UTC(),
		ref: store.Ref{Type: record.Type, Key: record.Key}, remadeOf: message.RemadeOf(),
	}
}

// occurred is the event time: the envelope's, else the version's.
func (a arrival) occurred() time.Time {
	if a.message.Event.Time.IsZero() {
		return a.record.Version.At
	}
	return a.message.Event.Time
}

// decision is what ingestion makes of a batch.
type decision struct {
	plan    store.IngestPlan
	results []workers.Result // as long as the arrivals
	raw     []arrival        // whose bytes are archived, in the order of plan.Archived
}

// decide works through a batch in the order of arrival, as if each event came alone: the newest version of a record
// wins, whatever batch it came in. It does no I/O.
//
// Invariants 2 and 3: a known event changes nothing and is forwarded again; an older version goes no further. The same
// version takes the place of another only where it was made anew from the very bytes that brought that one.
func decide(arrivals []arrival, known store.Known) decision {
	d := decision{results: make([]workers.Result, len(arrivals))}
	seen := make(map[uuid.UUID]bool, len(arrivals))
	held := make(map[store.Ref]store.Held, len(arrivals))
	winner := make(map[store.Ref]int, len(arrivals)) // arrival that holds the record, of those in this batch
	overtaken := make(map[store.Ref]int)             // arrival that held it just before
	accepted := make(map[int]int, len(arrivals))     // arrival → its place in plan.Accepted

	for i, a := range arrivals {
		if seen[a.uid] { // the same event twice in one batch: the first speaks for both
			d.results[i] = workers.Done()
			continue
		}
		seen[a.uid] = true
		current, exists := held[a.ref]
		if !exists {
			current, exists = known.Records[a.ref]
		}
		order := 1
		if exists {
			order = a.record.Version.Compare(current.Version)
		}
		switch {
		case order > 0:
			if before, ok := winner[a.ref]; ok {
				d.supersede(before, accepted)
				overtaken[a.ref] = before
			}
			held[a.ref] = store.Held{Version: a.record.Version, Event: a.uid, Deleted: a.record.Deleted}
			winner[a.ref] = i
			d.results[i] = workers.Done(a.step())
		case order == 0 && current.Event == a.uid:
			d.results[i] = workers.Done(a.step())
		case order == 0 && current.Event == a.remadeOf:
			held[a.ref] = store.Held{Version: a.record.Version, Event: a.uid, Deleted: a.record.Deleted}
			winner[a.ref] = i
			d.results[i] = workers.Done(a.step())
		case order == 0:
			d.results[i] = workers.Stale(events.VersionDuplicate)
		case known.Events[a.uid]: // its progress may have been cut off: the stages behind will end it
			d.results[i] = workers.Stale(events.Superseded, a.step())
		default:
			d.results[i] = workers.Stale(events.VersionOlder)
		}
		if !known.Events[a.uid] {
			accepted[i] = len(d.plan.Accepted)
			d.accept(a, d.results[i], known.Archived[a.uid])
		}
	}
	for i, a := range arrivals {
		if at, ok := winner[a.ref]; ok && at == i {
			write := store.RecordWrite{Record: a.record, Event: a.uid, RemadeOf: a.remadeOf}
			if before, ok := overtaken[a.ref]; ok {
				write.Prior = watched(arrivals[before].record)
			}
			d.plan.Records = append(d.plan.Records, write)
		}
	}
	return d
}

// supersede ends an event of this batch that a newer version of the same batch overtook: it never reaches Postgres.
func (d *decision) supersede(index int, accepted map[int]int) {
	d.results[index] = workers.Stale(events.Superseded)
	if place, ok := accepted[index]; ok {
		acceptance := &d.plan.Accepted[place]
		acceptance.Next, acceptance.Outcome, acceptance.Reason = "", events.Stale, events.Superseded
	}
}

// accept takes responsibility for an arrival. Its bytes may be archived: see store.Known.
func (d *decision) accept(a arrival, result workers.Result, archived bool) {
	event := a.message.Event
	acceptance := store.Acceptance{
		Event: a.uid, ID: event.ID, Source: event.Source, Type: event.Type, Ref: a.ref, Version: a.record.Version,
		OccurredAt: a.occurred(), RunID: event.RunID, Trace: event.TraceParent, Lane: a.message.Lane,
	}
	switch {
	case result.Outcome != events.Done:
		acceptance.Outcome, acceptance.Reason = result.Outcome, result.Reason
	case !a.record.Deleted:
		acceptance.Next = events.Quality
	case a.ref.Type.Searchable():
		acceptance.Next = events.Indexing
	default:
		acceptance.Outcome = events.Done
	}
	d.plan.Accepted = append(d.plan.Accepted, acceptance)
	if archived {
		return
	}
	d.plan.Archived = append(d.plan.Archived, a.uid)
	d.raw = append(d.raw, a)
}

// step is what ingestion says of an arrival.
func (a arrival) step() events.Event {
	verb := events.Ingested
	if a.record.Deleted {
		verb = events.Removed
	}
	step := events.Step{
		RecordType: a.ref.Type, Key: a.ref.Key, VersionAt: a.record.Version.At, VersionSeq: a.record.Version.Sequence,
		Origin: a.uid, OccurredAt: a.occurred(), AcceptedAt: a.accepted,
	}
	return step.Event(events.Ingestion, verb, a.message.Event)
}

// watched gives the watched fields of a version that was overtaken within its batch, so that what quality compares
// with does not depend on how events fell into batches.
func watched(before events.Record) []byte {
	var doc map[string]json.RawMessage
	if before.Deleted {
		return []byte("{}") // nil would let Postgres take them from a version before the delete
	}
	if json.Unmarshal(before.Doc, &doc) != nil {
		return nil
	}
	fields := map[string]json.RawMessage{}
	for _, field := range store.WatchedFields {
		if value, ok := doc[field]; ok {
			fields[field] = value
		}
	}
	encoded, err := json.Marshal(fields)
	if err != nil {
		return nil
	}
	return encoded
}

func uids(arrivals []arrival) []uuid.UUID {
	ids := make([]uuid.UUID, len(arrivals))
	for i, a := range arrivals {
		ids[i] = a.uid
	}
	return ids
}

func refs(arrivals []arrival) []store.Ref {
	all := make([]store.Ref, len(arrivals))
	for i, a := range arrivals {
		all[i] = a.ref
	}
	return all
}

func payloads(arrivals []arrival) [][]byte {
	all := make([][]byte, len(arrivals))
	for i, a := range arrivals {
		all[i] = a.message.Raw.Payload
	}
	return all
}
