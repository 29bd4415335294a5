package embedding_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/embedding"
)

var tenant = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")

// fakeEmbedder makes the vector of a text from its length and notes what it was asked.
type fakeEmbedder struct {
	calls   [][]string
	vectors func(texts []string) ([][]float32, error) // instead, where set
}

func (f *fakeEmbedder) Model() string   { return "fake@1" }
func (f *fakeEmbedder) Dimensions() int { return 2 }
func (f *fakeEmbedder) MaxBatch() int   { return 3 }

func (f *fakeEmbedder) Embed(_ context.Context, texts []string) ([][]float32, error) {
	f.calls = append(f.calls, texts)
	if f.vectors != nil {
		return f.vectors(texts)
	}
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		vectors[i] = vectorOf(text)
	}
	return vectors, nil
}

func vectorOf(text string) []float32 { return []float32{float32(len(text)), 1} }

// fakeRecords is one tenant's Postgres.
type fakeRecords struct {
	states   map[string]store.EmbeddingState
	asked    [][]store.Wanted
	saves    int
	writes   []store.EmbeddingWrite
	advances []store.Advance

	failLoad, failSave error
}

func (f *fakeRecords) EmbeddingStates(_ context.Context, model string, wanted []store.Wanted) ([]store.EmbeddingState, error) {
	f.asked = append(f.asked, wanted)
	var found []store.EmbeddingState
	for _, w := range wanted {
		if state, ok := f.states[w.Key]; ok && model == "fake@1" {
			found = append(found, state)
		}
	}
	return found, f.failLoad
}

func (f *fakeRecords) SaveEmbeddings(_ context.Context, model string, writes []store.EmbeddingWrite, advances []store.Advance) error {
	if model != "fake@1" {
		return fmt.Errorf("a foreign model: %s", model)
	}
	f.saves++
	f.writes, f.advances = writes, advances
	return f.failSave
}

// bench is the stage on fakes.
type bench struct {
	records  *fakeRecords
	embedder *fakeEmbedder
	stage    *embedding.Stage
}

func newBench(t *testing.T, states ...store.EmbeddingState) *bench {
	b := &bench{records: &fakeRecords{states: map[string]store.EmbeddingState{}}, embedder: &fakeEmbedder{}}
	for _, state := range states {
		b.records.states[state.Record.Ref.Key] = state
	}
	b.stage = embedding.New(func(id uuid.UUID) embedding.Records { require.Equal(t, tenant, id); return b.records }, b.embedder)
	return b
}

func (b *bench) process(t *testing.T, batch ...workers.Message) []workers.Result {
	t.Helper()
	results, err := b.stage.Process(t.Context(), tenant, batch)
	require.NoError(t, err)
	require.Len(t, results, len(batch))
	return results
}

func version(sequence int64) events.Version {
	return events.NewVersion(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), sequence)
}

// held is a record at a sequence, not embedded.
func held(key string, sequence int64) store.EmbeddingState {
	return store.EmbeddingState{Record: store.StoredRecord{
		Ref: store.Ref{Type: events.Property, Key: key}, Version: version(sequence), Doc: fmt.Appendf(nil, `{"PublicRemarks":"words of %s"}`, key),
	}}
}

func textOf(t *testing.T, state store.EmbeddingState) string {
	t.Helper()
	doc, err := events.ParseDoc(state.Record.Doc)
	require.NoError(t, err)
	return embedding.Text(doc)
}

// embedded is the same record with a vector of its text, made for the version at a sequence.
func embedded(t *testing.T, state store.EmbeddingState, sequence int64) store.EmbeddingState {
	t.Helper()
	hash := embedding.ContentHash(textOf(t, state))
	state.ContentHash, state.Version = hash[:], version(sequence)
	return state
}

// passed is quality's word about a record at a sequence; each is another accepted event.
func passed(t *testing.T, key string, sequence int64) workers.Message {
	t.Helper()
	v := version(sequence)
	step := events.Step{
		RecordType: events.Property, Key: key, VersionAt: v.At, VersionSeq: v.Sequence,
		Origin: uuid.NewSHA1(tenant, fmt.Appendf(nil, "%s %d", key, sequence)),
	}
	m, err := workers.Steps{}.Accept(workers.Delivery{
		Raw: step.Event(events.Quality, events.Passed, events.Event{ID: "cause", TenantID: tenant}).Message(),
	})
	require.NoError(t, err)
	return m
}

func TestRecordIsEmbeddedAndGoesToIndexing(t *testing.T) {
	state := held("K", 1)
	b := newBench(t, state)
	m := passed(t, "K", 1)
	result := b.process(t, m)[0]
	require.Equal(t, events.Done, result.Outcome)
	require.Len(t, result.Outputs, 1)
	require.Equal(t, events.Type(events.Property, events.Embedded), result.Outputs[0].Type)
	require.Equal(t, tenant, result.Outputs[0].TenantID)
	text := textOf(t, state)
	hash := embedding.ContentHash(text)
	require.Equal(t, []store.EmbeddingWrite{{Key: "K", Version: version(1), ContentHash: hash[:], Vector: vectorOf(text)}}, b.records.writes)
	require.Equal(t, []store.Advance{{
		Event: m.Step.Origin, Ref: store.Ref{Type: events.Property, Key: "K"}, From: events.Embedding, Next: events.Indexing,
	}}, b.records.advances)
}

func TestInvariant2RecordTwiceInABatchIsEmbeddedOnce(t *testing.T) {
	b := newBench(t, held("K", 1))
	m := passed(t, "K", 1)
	results := b.process(t, m, m)
	require.Equal(t, results[0].Outputs[0].ID, results[1].Outputs[0].ID, "both say the same")
	require.Len(t, b.embedder.calls, 1)
	require.Len(t, b.embedder.calls[0], 1)
	require.Len(t, b.records.writes, 1)
	require.Equal(t, [][]store.Wanted{{{Key: "K", Event: m.Step.Origin}}}, b.records.asked)
}

func TestInvariant2RedeliveryWritesNothingAndIsForwardedAgain(t *testing.T) {
	b := newBench(t, embedded(t, held("K", 1), 1))
	m := passed(t, "K", 1)
	result := b.process(t, m)[0]
	require.Empty(t, b.embedder.calls)
	require.Empty(t, b.records.writes)
	require.Len(t, b.records.advances, 1, "its progress may have been cut off")
	require.Equal(t, m.Step.Event(events.Embedding, events.Embedded, m.Event).ID, result.Outputs[0].ID)
}

func TestUnchangedContentKeepsItsVectorAndMovesTheVersion(t *testing.T) {
	state := embedded(t, held("K", 2), 1)
	b := newBench(t, state)
	b.process(t, passed(t, "K", 2))
	require.Empty(t, b.embedder.calls)
	require.Equal(t, []store.EmbeddingWrite{{Key: "K", Version: version(2), ContentHash: state.ContentHash}}, b.records.writes)
	require.Nil(t, b.records.writes[0].Vector)
}

func TestChangedContentOfTheSameVersionIsEmbedded(t *testing.T) {
	state := embedded(t, held("K", 1), 1)
	state.ContentHash = make([]byte, 32) // an earlier edition of Text made it
	b := newBench(t, state)
	b.process(t, passed(t, "K", 1))
	require.Len(t, b.records.writes, 1)
	require.Equal(t, vectorOf(textOf(t, state)), b.records.writes[0].Vector)
}

func TestEmbedderIsAskedForAtMostItsBatch(t *testing.T) {
	var states []store.EmbeddingState
	var batch []workers.Message
	for i := range 9 {
		state := held(fmt.Sprintf("K%0*d", i+1, i), 2) // texts of different lengths
		if i == 1 || i == 5 {
			state = embedded(t, state, 1) // unchanged: between the others, and not asked for
		}
		states = append(states, state)
		batch = append(batch, passed(t, state.Record.Ref.Key, 2))
	}
	b := newBench(t, states...)
	b.process(t, batch...)
	var sizes []int
	for _, texts := range b.embedder.calls {
		sizes = append(sizes, len(texts))
	}
	require.Equal(t, []int{3, 3, 1}, sizes)
	require.Len(t, b.records.writes, 9)
	for i, write := range b.records.writes {
		require.Equal(t, states[i].Record.Ref.Key, write.Key)
		if i == 1 || i == 5 {
			require.Nil(t, write.Vector)
			continue
		}
		require.Equal(t, vectorOf(textOf(t, states[i])), write.Vector, "its own vector")
	}
	require.Equal(t, 1, b.records.saves)
}

func TestWrongVectorsAreAnErrorAndNothingIsSaved(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		vectors [][]float32
		err     error
		says    string
	}{
		"too few":          {[][]float32{{1, 0}}, nil, "got 1 vectors for 2 texts"},
		"too many":         {[][]float32{{1, 0}, {1, 0}, {1, 0}}, nil, "got 3 vectors for 2 texts"},
		"wrong dimensions": {[][]float32{{1, 0}, {1, 0, 0}}, nil, "got a vector of 3 dimensions, not 2"},
		"none":             {[][]float32{{1, 0}, nil}, nil, "got a vector of 0 dimensions, not 2"},
		"an error":         {nil, boom, "embed 2 texts with fake@1: boom"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, held("K", 1), held("L", 1))
			b.embedder.vectors = func([]string) ([][]float32, error) { return c.vectors, c.err }
			_, err := b.stage.Process(t.Context(), tenant, []workers.Message{passed(t, "K", 1), passed(t, "L", 1)})
			require.ErrorContains(t, err, c.says)
			require.Zero(t, b.records.saves)
		})
	}
}

func TestInvariant3SupersededVersionEndsAsStale(t *testing.T) {
	b := newBench(t, held("K", 2))
	m := passed(t, "K", 1)
	require.Equal(t, workers.Stale(events.Superseded), b.process(t, m)[0])
	require.Empty(t, b.embedder.calls)
	require.Empty(t, b.records.writes)
	require.Equal(t, []store.Advance{{Event: m.Step.Origin, From: events.Embedding, Outcome: events.Stale, Reason: events.Superseded}},
		b.records.advances)
}

func TestRecordThatIsNotStoredIsDead(t *testing.T) {
	b := newBench(t, held("older", 1), held("good", 1))
	results := b.process(t, passed(t, "unknown", 1), passed(t, "older", 2), passed(t, "good", 1))
	for _, result := range results[:2] {
		require.Equal(t, events.Dead, result.Outcome)
		require.Equal(t, events.RecordMissing, result.Reason)
		require.ErrorContains(t, result.Err, "is not stored")
	}
	require.Equal(t, events.Done, results[2].Outcome)
	require.Len(t, b.records.writes, 1)
	require.Len(t, b.records.advances, 1, "the dead letter ends an event that died, nobody else")
}

// A tombstone goes from ingestion to indexing, and another event of its very version is a duplicate at the door: no
// tombstone passes quality. Should one be said to have, it is an error, and nothing is embedded.
func TestTombstoneIsNeverEmbedded(t *testing.T) {
	state := held("K", 2)
	state.Record.Deleted, state.Record.Doc = true, nil
	b := newBench(t, state)
	_, err := b.stage.Process(t.Context(), tenant, []workers.Message{passed(t, "K", 2)})
	require.ErrorContains(t, err, `read record "K"`)
	require.Empty(t, b.embedder.calls)
	require.Zero(t, b.records.saves)

	require.Equal(t, workers.Stale(events.Superseded), b.process(t, passed(t, "K", 1))[0], "what passed before the delete ends")
}

func TestErrorsOfTheStorePassThrough(t *testing.T) {
	unavailable := fmt.Errorf("dial: %w", store.ErrUnavailable)
	t.Run("load", func(t *testing.T) {
		b := newBench(t, held("K", 1))
		b.records.failLoad = unavailable
		_, err := b.stage.Process(t.Context(), tenant, []workers.Message{passed(t, "K", 1)})
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Empty(t, b.embedder.calls)
	})
	t.Run("save", func(t *testing.T) {
		b := newBench(t, held("K", 1))
		b.records.failSave = unavailable
		_, err := b.stage.Process(t.Context(), tenant, []workers.Message{passed(t, "K", 1)})
		require.ErrorIs(t, err, store.ErrUnavailable)
	})
}
