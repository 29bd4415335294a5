package postgres

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// A write that sends a few events on to a stage of the same process also reads what that stage is about to ask for: one
// statement more, and a round trip less on an event's way. What was read ahead is one stage's for one event, and is taken
// once. It is older than a read would be by the time that the event's message takes, and forgotten when that takes long:
// then it is read like anything else.
//
// Invariant 3: a stage always decides on what it has read before, and the guards of its writes hold however old that is.

const (
	// aheadLives is how long something read ahead is good for: about as long as a batch works on what it has read.
	aheadLives = 100 * time.Millisecond

	// aheadAtMost bounds how much is kept, and aheadDocBytes what is worth keeping.
	aheadAtMost   = 256
	aheadDocBytes = 64 << 10
)

// ahead keeps what was read ahead for the stages of this process.
type ahead struct {
	model  string
	stages []events.Stage
	lives  time.Duration

	mu     sync.Mutex
	states map[move]aheadState
}

// move is an event on its way to a stage.
type move struct {
	tenant, event uuid.UUID
	stage         events.Stage
	model         string // whose vectors the stage asks for, if any
}

type aheadState struct {
	state any // what the stage reads
	until time.Time
}

// ReadAhead lets what is written for a stage's events be read for the next one as well, of the stages that this process
// runs; the vectors are those of one model. It is to be called before the first Tenant.
func (db *DB) ReadAhead(model string, stages []events.Stage) {
	db.ahead = &ahead{model: model, stages: stages, lives: aheadLives, states: map[move]aheadState{}}
}

// put keeps what a stage will ask for; it forgets what nobody has asked for in time.
func (a *ahead) put(states map[move]any) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	for m, kept := range a.states {
		if now.After(kept.until) {
			delete(a.states, m)
		}
	}
	for m, state := range states {
		if len(a.states) < aheadAtMost {
			a.states[m] = aheadState{state: state, until: now.Add(a.lives)}
		}
	}
}

// take returns what was read ahead of all that a stage wants; false where any of it is to be read.
func take[T any](t *Tenant, stage events.Stage, model string, wanted []store.Wanted) ([]T, bool) {
	a := t.db.ahead
	if a == nil || len(wanted) > jointRows {
		return nil, false
	}
	now := time.Now()
	var states []T
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, w := range wanted {
		m := move{tenant: t.id, event: w.Event, stage: stage, model: model}
		if kept, ok := a.states[m]; ok && !now.After(kept.until) {
			states = append(states, kept.state.(T))
		}
		delete(a.states, m)
	}
	return states, len(states) == len(wanted)
}

// onward is an event that a write sends on to another stage.
type onward struct {
	event uuid.UUID
	ref   store.Ref
	stage events.Stage
}

func onwardOfAccepted(accepted []store.Acceptance) []onward {
	return column(accepted, func(a store.Acceptance) onward { return onward{event: a.Event, ref: a.Ref, stage: a.Next} })
}

func onwardOfAdvances(advances []store.Advance) []onward {
	return column(advances, func(a store.Advance) onward { return onward{event: a.Event, ref: a.Ref, stage: a.Next} })
}

// readAhead adds to a batch what the stages of this process will ask for, and returns what keeps that once the batch is
// committed.
func (t *Tenant) readAhead(b *pgx.Batch, sent []onward) (keep func()) {
	a := t.db.ahead
	if a == nil {
		return func() {}
	}
	states := map[move]any{}
	for _, stage := range a.stages {
		eventOf := map[store.Ref]uuid.UUID{}
		keys := map[events.RecordType][]string{}
		for _, n := range sent {
			if n.stage == stage {
				eventOf[n.ref] = n.event
				keys[n.ref.Type] = append(keys[n.ref.Type], n.ref.Key)
			}
		}
		note := func(model string, record store.StoredRecord, state any) {
			if len(record.Doc) <= aheadDocBytes {
				states[move{tenant: t.id, event: eventOf[record.Ref], stage: stage, model: model}] = state
			}
		}
		for record, keys := range keys {
			keys = slices.Compact(slices.Sorted(slices.Values(keys)))
			switch stage {
			case events.Quality:
				queueEach(b, recordStatements[record].load, []any{t.key(), keys}, scanStored(record),
					func(one store.StoredRecord) { note("", one, one) })
			case events.Embedding:
				queueEach(b, sqlEmbeddingStates, []any{t.key(), keys, a.model}, scanEmbeddingState,
					func(one store.EmbeddingState) { note(a.model, one.Record, one) })
			case events.Indexing:
				queueEach(b, sqlIndexStates, []any{t.key(), keys, a.model}, scanIndexState,
					func(one store.IndexState) { note(a.model, one.Record, one) })
			}
		}
	}
	return func() { a.put(states) }
}

// queueEach adds a query whose rows are handed over one by one.
func queueEach[T any](b *pgx.Batch, sql string, args []any, scan pgx.RowToFunc[T], each func(T)) {
	b.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, scan)
		for _, one := range found {
			each(one)
		}
		return err
	})
}
