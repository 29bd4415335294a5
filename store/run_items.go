package store

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// RunWork is what a run with items is besides: how it shall go, and how far it is. A run over several tenants is one such
// run for each of them, under one id.
type RunWork struct {
	Stage     events.Stage // where its items begin; empty where each begins at its own
	Why       string       // never empty
	Ticket    string       // where somebody else keeps the story; may be empty
	Rate      float64      // events per second, over all tenants of the run; 0 = as they come
	Canary    int64        // items that go first, over all tenants, and must end before any other goes; 0 = none
	StopAbove float64      // share of dead among ended events, from 0 to 1, above which the run stops; 0 = never
	Selection []byte       // JSON object of what was asked for, for people; a rerun's is a RerunSelection
	Digest    []byte       // SHA-256 over the items' Event, sorted

	Selected  int64 // items
	Released  int64 // of them: on their way, or ended
	Ended     int64 // of those released
	Dead      int64 // of those ended
	Skipped   int64 // there was nothing to do for them any more; the item says why
	Cancelled int64
	SettledAt time.Time // when nothing was on its way any more; zero before
}

// InFlight counts the events that are on their way.
func (w RunWork) InFlight() int64 { return w.Released - w.Ended }

// Left counts the items that are still to be released.
func (w RunWork) Left() int64 { return w.Selected - w.Released - w.Skipped - w.Cancelled }

// RunItem is one event that a run brings about. Its identity is frozen when the run is planned.
type RunItem struct {
	Ordinal int64     // from 1, in the order of release; given when the run is planned
	Event   uuid.UUID // UID of the new event; derived when the run is planned: see RunEvent
	Letter  uuid.UUID // the dead letter that is replayed; uuid.Nil in a rerun
	Cause   uuid.UUID // UID of the event that is worked on again; uuid.Nil where nobody knows
	Ref     Ref       // zero of a letter that could not be read
	Version events.Version
	Stage   events.Stage // where it begins
	State   ItemState
	Outcome events.Outcome // of its event, where that has ended
	Reason  string         // of its event; why it was skipped
}

// ItemState says how far an item is.
type ItemState string

// The states.
const (
	ItemSelected  ItemState = "selected"
	ItemReleased  ItemState = "released"  // accepted: it is in progress, and perhaps published
	ItemPublished ItemState = "published" // confirmed by the broker
	ItemEnded     ItemState = "ended"     // its event has come to its end
	ItemSkipped   ItemState = "skipped"   // there was nothing to do for it any more
	ItemCancelled ItemState = "cancelled" // its run ended before it was released
)

// Why items are skipped, beside what a kind of run says for itself.
const (
	SkipMissing     = "record_missing" // there is no such record
	SkipSuperseded  = "superseded"     // the record has a newer version, or was made anew by another run
	SkipDeleted     = "deleted"        // nothing is judged or embedded of a tombstone
	SkipNotPassed   = "not_passed"     // only what passed quality is embedded
	SkipNotEmbedded = "not_embedded"   // neither a vector nor a verdict says what the index must hold
	SkipRawMissing  = "raw_missing"    // its raw bytes are not kept
)

// RunEvent is the UID of the event that a run brings about for a tenant's item: derived from the run and the letter, or
// the record's version, and the stage.
//
// Invariant 2: whoever makes it again makes the same event.
func RunEvent(run string, tenant uuid.UUID, item RunItem) uuid.UUID {
	name := append([]byte("run\x00"+run+"\x00"), tenant[:]...)
	if item.Letter != uuid.Nil {
		return uuid.NewSHA1(item.Letter, name)
	}
	name = append(name, item.Stage+"\x00"...)
	name = append(name, item.Ref.Type+"\x00"...)
	name = append(name, item.Ref.Key+"\x00"...)
	name = binary.BigEndian.AppendUint64(name, uint64(item.Version.At.UnixMicro()))
	name = binary.BigEndian.AppendUint64(name, uint64(item.Version.Sequence))
	return uuid.NewSHA1(tenant, name)
}

// ReleasedItem is an item that is accepted and perhaps not published: all that its message is made of.
type ReleasedItem struct {
	RunItem
	// Waiting is the item's row in progress, of one that begins behind ingestion; nil where its event has ended already.
	Waiting *Unmoved
	// Origin is the event that is worked on again, of one that begins at ingestion; nil where progress does not know it.
	Origin *RunOrigin
}

// RunOrigin is an accepted event as its upstream gave it, but for its bytes.
type RunOrigin struct {
	ID, Source, Type string
	OccurredAt       time.Time
}

// Published says what became of released items when their messages were published.
type Published struct {
	Confirmed []int64          // ordinals: the broker has them, and progress will tell their end
	Final     []int64          // the broker has them, and that is their end here: another tenant's progress tells the rest
	Skipped   map[int64]string // there was nothing to publish, and why; only of items that have no row in progress
}

// Settled is what came of looking at a run once more.
type Settled struct {
	Run   Run                    // as it is now
	Ended map[events.Outcome]int // events whose end was noticed this time
	// Forgotten counts published items that the broker must have lost: they are to be published again.
	Forgotten int
}

// RunAtWork names a run that the leading process has something to do for.
type RunAtWork struct {
	Tenant uuid.UUID
	ID     string
	Active bool // its tenant is neither suspended nor deleted: items may be released
}

// TenantRun is a run and whose it is. Problems and Selection are left out: they hold what records hold.
type TenantRun struct {
	Tenant uuid.UUID
	Run
}
