// Package embedding is the third stage: it turns what passed into vectors. A record whose text did not change keeps
// the vector it has.
package embedding

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// Records is a tenant's part of Postgres, as this stage needs it.
type Records interface {
	// EmbeddingStates loads the newest versions of the properties that exist and what is embedded of them.
	EmbeddingStates(ctx context.Context, model string, wanted []store.Wanted) ([]store.EmbeddingState, error)
	// SaveEmbeddings stores vectors, unless a newer version's is there, and advances, in one transaction.
	SaveEmbeddings(ctx context.Context, model string, writes []store.EmbeddingWrite, advances []store.Advance) error
}

// Stage is the embedding stage.
type Stage struct {
	workers.Steps
	records  func(tenant uuid.UUID) Records
	embedder Embedder
}

// New makes the stage; records hands out tenant-bound handles.
func New(records func(uuid.UUID) Records, embedder Embedder) *Stage {
	return &Stage{records: records, embedder: embedder}
}

// Name implements workers.Stage.
func (s *Stage) Name() events.Stage { return events.Embedding }

// Process implements workers.Stage.
func (s *Stage) Process(ctx context.Context, tenant uuid.UUID, batch []workers.Message) ([]workers.Result, error) {
	records := s.records(tenant)
	states, err := records.EmbeddingStates(ctx, s.embedder.Model(), workers.Wanted(batch))
	if err != nil {
		return nil, err
	}
	stored := make(map[string]store.EmbeddingState, len(states))
	for _, state := range states {
		stored[state.Record.Ref.Key] = state
	}
	results := make([]workers.Result, len(batch))
	advances := workers.NewAdvances(s.Name())
	work := newWork()
	for i, m := range batch {
		state, ok := stored[m.Step.Key]
		switch {
		case !ok || state.Record.Version.Compare(m.Step.Version()) < 0:
			results[i] = workers.Missing(m)
			continue
		case state.Record.Version.Compare(m.Step.Version()) > 0:
			results[i] = advances.Supersede(m)
			continue
		}
		if err := work.add(state); err != nil {
			return nil, err
		}
		advances.To(m, events.Indexing)
		results[i] = workers.Done(m.Step.Event(s.Name(), events.Embedded, m.Event))
	}
	if err := work.embed(ctx, s.embedder); err != nil {
		return nil, err
	}
	return results, records.SaveEmbeddings(ctx, s.embedder.Model(), work.writes, advances.List())
}

// work is what a batch has to embed and to write, each record once.
type work struct {
	writes []store.EmbeddingWrite
	texts  []string
	place  []int // of each text, in writes
	seen   map[string]bool
}

func newWork() *work { return &work{seen: map[string]bool{}} }

// add notes a record whose vector or version is not what is stored.
func (w *work) add(state store.EmbeddingState) error {
	key := state.Record.Ref.Key
	if w.seen[key] {
		return nil
	}
	w.seen[key] = true
	doc, err := events.ParseDoc(state.Record.Doc)
	if err != nil {
		return fmt.Errorf("read record %q: %w", key, err)
	}
	text := Text(doc)
	hash := ContentHash(text)
	unchanged := bytes.Equal(hash[:], state.ContentHash)
	if unchanged && state.Version.Compare(state.Record.Version) == 0 {
		return nil
	}
	if !unchanged {
		w.texts = append(w.texts, text)
		w.place = append(w.place, len(w.writes))
	}
	w.writes = append(w.writes, store.EmbeddingWrite{Key: key, Version: state.Record.Version, ContentHash: hash[:]})
	return nil
}

// embed asks the embedder for the missing vectors, as many at a time as it takes.
func (w *work) embed(ctx context.Context, embedder Embedder) error {
	for start := 0; start < len(w.texts); start += embedder.MaxBatch() {
		end := min(start+embedder.MaxBatch(), len(w.texts))
		vectors, err := embedder.Embed(ctx, w.texts[start:end])
		if err != nil {
			return fmt.Errorf("embed %d texts with %s: %w", end-start, embedder.Model(), err)
		}
		if len(vectors) != end-start {
			return fmt.Errorf("embed with %s: got %d vectors for %d texts", embedder.Model(), len(vectors), end-start)
		}
		for i, vector := range vectors {
			// A vector is kept for as long as its text is the same: a wrong one would stay when the embedder is mended.
			if len(vector) != embedder.Dimensions() {
				return fmt.Errorf("embed with %s: got a vector of %d dimensions, not %d", embedder.Model(), len(vector), embedder.Dimensions())
			}
			w.writes[w.place[start+i]].Vector = vector
		}
	}
	return nil
}
