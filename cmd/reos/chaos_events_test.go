package main

import (
	endian "encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

const (
	feedTenants = 4    // in a lane each: see tenantID
	feedKeys    = 2000 // per tenant
	feedHotKeys = 20   // of them, which get a fifth of the events
	feedBlock   = 100  // events are made, mixed and published by the hundred
	feedRecent  = 4000
)

// fact is one event as it is published, and what it says of its record.
type fact struct {
	id      uuid.UUID
	tenant  uuid.UUID
	key     string
	version events.Version
	deleted bool
	sound   bool // no expectation of severity error fails
	price   int  // another one for each version
	body    []byte
}

func (f *fact) eventType() string {
	if f.deleted {
		return events.Type(events.Property, events.Deleted)
	}
	return events.Type(events.Property, events.Upserted)
}

// searchable says whether search must find the record while this is its newest version.
func (f *fact) searchable() bool { return !f.deleted && f.sound }

// recordID names a record across tenants.
type recordID struct {
	tenant uuid.UUID
	key    string
}

// stream makes events: inserts, updates and deletes of the same keys, of sound records and of such that belong in
// quarantine, some of them twice, some late. The same seed gives the same events in the same order. It keeps the
// ground truth of what it made.
type stream struct {
	rng     *rand.Rand
	tenants []uuid.UUID
	late    []*fact // made, and overtaken before they are published
	recent  []*fact // of which some are published once more

	facts  map[uuid.UUID]*fact // by event
	newest map[recordID]*fact
}

func newStream(seed uint64) *stream {
	f := &stream{rng: rand.New(rand.NewPCG(seed, 1)), facts: map[uuid.UUID]*fact{}, newest: map[recordID]*fact{}}
	for lane := range feedTenants {
		f.tenants = append(f.tenants, f.tenantID(lane))
	}
	return f
}

// tenantID makes an id whose last byte puts the tenant into a lane.
func (f *stream) tenantID(lane int) uuid.UUID {
	id := f.uuid()
	id[15] = byte(lane)
	return id
}

// uuid is a version 4 UUID of the seed.
func (f *stream) uuid() uuid.UUID {
	var id uuid.UUID
	endian.BigEndian.PutUint64(id[:8], f.rng.Uint64())
	endian.BigEndian.PutUint64(id[8:], f.rng.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// chance is true in so many of a hundred cases.
func (f *stream) chance(percent int) bool { return f.rng.IntN(100) < percent }

// blocks makes at least so many events to publish next.
func (f *stream) blocks(atLeast int) []*fact {
	var made []*fact
	for len(made) < atLeast {
		made = append(made, f.block()...)
	}
	return made
}

// block makes some events, in the order in which they are published.
func (f *stream) block() []*fact {
	var block []*fact
	for len(block) < feedBlock {
		switch {
		case len(f.recent) > 0 && f.chance(8):
			block = append(block, f.recent[f.rng.IntN(len(f.recent))]) // the very same event again
		case len(f.late) > 0 && f.chance(10):
			at := f.rng.IntN(len(f.late))
			block = append(block, f.late[at])
			f.late = slices.Delete(f.late, at, at+1)
		case f.chance(10):
			f.late = append(f.late, f.make())
		default:
			block = append(block, f.make())
		}
	}
	for range feedBlock / 4 { // neighbours come in another order too
		a, b := f.rng.IntN(len(block)), f.rng.IntN(len(block))
		block[a], block[b] = block[b], block[a]
	}
	f.recent = append(f.recent, block...)
	f.recent = f.recent[max(0, len(f.recent)-feedRecent):]
	return block
}

// rest hands over what is still held back, so that everything made is published.
func (f *stream) rest() []*fact {
	rest := f.late
	f.late = nil
	return rest
}

// make makes a new event, of the next version of a record or, rarely, of its newest version once more.
func (f *stream) make() *fact {
	record := recordID{tenant: f.tenants[f.rng.IntN(len(f.tenants))], key: f.pick()}
	before := f.newest[record]
	made := &fact{id: f.uuid(), tenant: record.tenant, key: record.key}
	switch {
	case before != nil && f.chance(3): // another event brings this very version
		made.version, made.deleted, made.sound, made.price, made.body = before.version, before.deleted, before.sound, before.price, before.body
	default:
		made.version = f.next(before)
		made.deleted, made.sound, made.price = f.chance(12), !f.chance(8), 100_000+f.rng.IntN(1_000_000)
		made.body = made.write()
	}
	f.facts[made.id] = made
	f.newest[record] = made
	return made
}

func (f *stream) pick() string {
	n := f.rng.IntN(feedKeys)
	if f.chance(20) {
		n = f.rng.IntN(feedHotKeys)
	}
	return fmt.Sprintf("K-%04d", n)
}

// next is a version after the one before: of a later time, or of the same time and a later sequence.
func (f *stream) next(before *fact) events.Version {
	switch {
	case before == nil:
		return events.NewVersion(time.Date(2025, 1, 1, 0, 0, f.rng.IntN(1000), 0, time.UTC), 0)
	case f.chance(20):
		return events.NewVersion(before.version.At, before.version.Sequence+1)
	}
	return events.NewVersion(before.version.At.Add(time.Duration(1+f.rng.IntN(100_000))*time.Millisecond), 0)
}

// write is the event's data. Every version differs in what is stored, what is embedded and what search shows.
func (f *fact) write() []byte {
	data := map[string]any{"ListingKey": f.key, "ModificationTimestamp": f.version.At.Format(time.RFC3339Nano)}
	if !f.deleted {
		data["StandardStatus"], data["ListPrice"] = "Active", f.price
		data["UnparsedAddress"], data["City"] = "12 Lake Street, Kirkland, WA 98033", "Kirkland"
		data["PublicRemarks"] = fmt.Sprintf("Listing %s as of %s, change %d, for %d.", f.key, f.version.At, f.version.Sequence, f.price)
	}
	if !f.sound {
		data["StandardStatus"] = "Haunted"
	}
	if f.price%8 == 0 { // so that a full batch is worth an object, and a small one is not
		data["Floorplan"] = strings.Repeat("#", 6000)
	}
	body, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings and whole numbers
	}
	return body
}
