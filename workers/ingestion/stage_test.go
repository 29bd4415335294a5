package ingestion

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
)

// fakeRecords is one tenant's Postgres. It commits as Postgres does: all of a plan, or nothing of it.
type fakeRecords struct {
	t        *testing.T
	known    store.Known
	plans    int
	spans    map[uuid.UUID]store.Span
	staged   map[uuid.UUID]store.Frame
	conflict func(plan int) bool // whether another worker was faster than the nth plan, from 1
	fail     error

	heartbeats []store.Heartbeat
}

func (f *fakeRecords) Heartbeats(_ context.Context, heartbeats []store.Heartbeat) error {
	f.heartbeats = append(f.heartbeats, heartbeats...)
	return f.fail
}

func (f *fakeRecords) Ingest(ctx context.Context, ids []uuid.UUID, refs []store.Ref, plan func(store.Known) (store.IngestPlan, error)) error {
	if f.fail != nil {
		return f.fail
	}
	require.Len(f.t, refs, len(ids))
	f.plans++
	decided, err := plan(f.known)
	if err != nil {
		return err
	}
	var spans []store.Span
	if len(decided.Staged) > 0 {
		require.Len(f.t, decided.Staged, len(decided.Archived))
	} else if len(decided.Archived) > 0 {
		if spans, err = decided.Archive(ctx); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		require.Len(f.t, spans, len(decided.Archived))
	}
	if f.conflict != nil && f.conflict(f.plans) {
		return fmt.Errorf("ingest: %w", store.ErrConflict)
	}
	for i, event := range decided.Archived {
		if len(decided.Staged) > 0 {
			f.staged[event] = decided.Staged[i]
		} else {
			f.spans[event] = spans[i]
		}
	}
	apply(f.known, decided)
	return nil
}

// fakeArchive keeps objects by name; spans say at which place of their object a record lies.
type fakeArchive struct {
	objects map[string][][]byte
	fail    error
}

func (f *fakeArchive) PutArchive(_ context.Context, name string, records [][]byte) ([]store.Span, error) {
	if f.fail != nil {
		return nil, f.fail
	}
	f.objects[name] = records
	spans := make([]store.Span, len(records))
	for i := range spans {
		spans[i] = store.Span{Key: name, Offset: int64(i)}
	}
	return spans, nil
}

func (f *fakeArchive) Pack(records [][]byte) ([]store.Frame, error) {
	frames := make([]store.Frame, len(records))
	for i, record := range records {
		frames[i].Packed = record
	}
	return frames, nil
}

// bench is the stage on fakes.
type bench struct {
	t       *testing.T
	records *fakeRecords
	archive *fakeArchive
	stage   *Stage
}

func newBench(t *testing.T) *bench {
	b := &bench{
		t:       t,
		records: &fakeRecords{t: t, known: unknown(), spans: map[uuid.UUID]store.Span{}, staged: map[uuid.UUID]store.Frame{}},
		archive: &fakeArchive{objects: map[string][][]byte{}},
	}
	b.stage = New(
		func(id uuid.UUID) Records { require.Equal(t, tenant, id); return b.records },
		func(id uuid.UUID) Archive { require.Equal(t, tenant, id); return b.archive },
	)
	return b
}

func (b *bench) process(batch ...workers.Message) []workers.Result {
	b.t.Helper()
	results, err := b.stage.Process(b.t.Context(), tenant, batch)
	require.NoError(b.t, err)
	require.Len(b.t, results, len(batch))
	return results
}

// archived is what the archive holds of an event.
func (b *bench) archived(m workers.Message) string {
	b.t.Helper()
	if frame, ok := b.records.staged[m.Event.UID()]; ok {
		return string(frame.Packed)
	}
	span, ok := b.records.spans[m.Event.UID()]
	require.True(b.t, ok, "no bytes are kept of event %s", m.Event.ID)
	return string(b.archive.objects[span.Key][span.Offset])
}

// incoming is an event as it passes the door; key and minute are its record and version.
func incoming(t *testing.T, id, eventType, key string, minute int, data string) workers.Message {
	t.Helper()
	event := events.Event{
		ID: id, Source: "test", Type: eventType, Subject: key,
		Time: start.Add(time.Duration(minute) * time.Minute), TenantID: tenant, Data: []byte(data),
	}
	m, err := workers.Intake{}.Accept(workers.Delivery{
		Raw: event.Message(), Lane: "a", Attempt: 1, RoutingKey: tenant.String() + "." + eventType,
	})
	require.NoError(t, err)
	return m
}

func upserted(t *testing.T, id, key string, minute int) workers.Message {
	t.Helper()
	return incoming(t, id, events.Type(events.Property, events.Upserted), key, minute, fmt.Sprintf(`{ "City" : "Kirkland", "id": %q }`, id))
}

// large is upserted with as many bytes as are worth an object.
func large(t *testing.T, id, key string, minute int) workers.Message {
	t.Helper()
	return incoming(t, id, events.Type(events.Property, events.Upserted), key, minute,
		fmt.Sprintf(`{ "City" : "Kirkland", "id": %q, "PublicRemarks": %q }`, id, strings.Repeat("x", stagedBelow)))
}

func TestRejectionIsDeadWithItsReasonWhileNeighboursGoOn(t *testing.T) {
	b := newBench(t)
	results := b.process(
		upserted(t, "1", "A", 1),
		incoming(t, "2", events.Type(events.Property, events.Upserted), "B", 1, `{"City":`),
		incoming(t, "3", events.Type(events.Property, events.Indexed), "C", 1, `{}`),
		incoming(t, "4", events.Type(events.Property, events.Upserted), "", 1, `{}`),
		incoming(t, "5", events.Type(events.Property, events.Upserted), "E", 1, ``),
		upserted(t, "6", "F", 1),
	)
	for i, reason := range map[int]events.Reason{1: events.DataNotJSON, 2: events.TypeUnknown, 3: events.KeyInvalid, 4: events.DataEmpty} {
		require.Equal(t, events.Dead, results[i].Outcome)
		require.Equal(t, reason, results[i].Reason)
		var rejection *events.Rejection
		require.ErrorAs(t, results[i].Err, &rejection, "an operator reads why")
		require.Empty(t, results[i].Outputs)
	}
	for i, key := range map[int]string{0: "A", 5: "F"} {
		require.Equal(t, events.Done, results[i].Outcome)
		require.Len(t, results[i].Outputs, 1)
		require.Equal(t, events.Type(events.Property, events.Ingested), results[i].Outputs[0].Type)
		require.Equal(t, key, results[i].Outputs[0].Subject)
		require.Equal(t, tenant, results[i].Outputs[0].TenantID)
	}
	require.Len(t, b.records.known.Events, 2, "what is rejected is not accepted: its dead letter speaks for it")
	require.Len(t, b.records.known.Records, 2)
}

func TestBatchOfRejectionsTouchesNoStore(t *testing.T) {
	b := newBench(t)
	b.records.fail = errors.New("must not be called")
	results := b.process(incoming(t, "1", events.Type(events.Property, events.Upserted), "A", 1, `[]`))
	require.Equal(t, events.DataNotJSON, results[0].Reason)
}

func TestArchiveGetsExactlyTheRawBytesOfAcceptedEvents(t *testing.T) {
	b := newBench(t)
	before := upserted(t, "0", "A", 5)
	b.process(before)
	clear(b.archive.objects)

	older, newest, overtaken := upserted(t, "1", "A", 1), large(t, "2", "B", 2), upserted(t, "3", "C", 1)
	overtaking := upserted(t, "4", "C", 2)
	b.process(before, older, incoming(t, "x", events.Type(events.Property, events.Upserted), "D", 1, `nonsense`), newest, newest, overtaken, overtaking)

	require.Len(t, b.archive.objects, 1, "one object per batch")
	for _, records := range b.archive.objects {
		require.Len(t, records, 4, "neither what is known, nor what is rejected, nor anything twice")
	}
	for _, m := range []workers.Message{older, newest, overtaken, overtaking} {
		require.Equal(t, string(m.Raw.Payload), b.archived(m), "as it came, not as it was normalised")
	}
}

func TestFewRawBytesAreStagedWithTheRestOfThePlan(t *testing.T) {
	b := newBench(t)
	b.archive.fail = errors.New("the object store is away")
	batch := []workers.Message{upserted(t, "1", "A", 1), upserted(t, "2", "B", 1)}
	b.process(batch...)
	require.Empty(t, b.archive.objects)
	require.Len(t, b.records.staged, 2)
	for _, m := range batch {
		require.Equal(t, string(m.Raw.Payload), b.archived(m))
	}
}

func TestInvariant2RedeliveredBatchChangesNothingAndIsForwardedAgain(t *testing.T) {
	b := newBench(t)
	batch := []workers.Message{
		upserted(t, "1", "A", 1), upserted(t, "2", "B", 1),
		incoming(t, "3", events.Type(events.Property, events.Deleted), "C", 1, ``),
	}
	first := b.process(batch...)
	clear(b.archive.objects)
	again := b.process(batch...)
	require.Empty(t, b.archive.objects)
	require.Len(t, b.records.known.Events, 3)
	for i := range batch {
		require.Equal(t, first[i].Outcome, again[i].Outcome)
		require.Len(t, again[i].Outputs, 1)
		require.Equal(t, first[i].Outputs[0].ID, again[i].Outputs[0].ID)
	}
}

func TestInvariant2BatchThatIsWrittenAgainReplacesItsObject(t *testing.T) {
	b := newBench(t)
	b.records.conflict = func(int) bool { return true }
	batch := []workers.Message{large(t, "1", "A", 1), upserted(t, "2", "B", 1)}
	for range 2 {
		_, err := b.stage.Process(t.Context(), tenant, batch)
		require.ErrorIs(t, err, store.ErrConflict)
	}
	names := map[string]bool{}
	for name := range b.archive.objects {
		names[path.Base(name)] = true // the folder is the day
	}
	require.Len(t, names, 1)
}

func TestConflictIsPlannedAgainWithWhatTheOtherWorkerWrote(t *testing.T) {
	b := newBench(t)
	mine, other := upserted(t, "1", "A", 1), upserted(t, "2", "B", 1)
	ref := store.Ref{Type: events.Property, Key: "A"}
	newer := store.Held{Version: events.NewVersion(start.Add(time.Hour), 0), Event: uuid.New()}
	b.records.conflict = func(plan int) bool {
		b.records.known.Records[ref] = newer
		return plan == 1
	}
	results := b.process(mine, other)
	require.Equal(t, 2, b.records.plans)
	require.Equal(t, events.Stale, results[0].Outcome)
	require.Equal(t, events.VersionOlder, results[0].Reason)
	require.Empty(t, results[0].Outputs, "nothing is left of the plan that lost")
	require.Equal(t, events.Done, results[1].Outcome)
	require.Equal(t, newer, b.records.known.Records[ref], "Invariant 3: the record did not go backwards")
}

func TestConflictThatDoesNotEndIsAnError(t *testing.T) {
	b := newBench(t)
	b.records.conflict = func(int) bool { return true }
	_, err := b.stage.Process(t.Context(), tenant, []workers.Message{upserted(t, "1", "A", 1)})
	require.ErrorIs(t, err, store.ErrConflict)
	require.Equal(t, plansAtMost, b.records.plans)
	require.Empty(t, b.records.known.Events)
}

func TestErrorsOfStoresPassThrough(t *testing.T) {
	unavailable := fmt.Errorf("dial: %w", store.ErrUnavailable)
	t.Run("records", func(t *testing.T) {
		b := newBench(t)
		b.records.fail = unavailable
		_, err := b.stage.Process(t.Context(), tenant, []workers.Message{upserted(t, "1", "A", 1)})
		require.ErrorIs(t, err, store.ErrUnavailable)
	})
	t.Run("archive", func(t *testing.T) {
		b := newBench(t)
		b.archive.fail = unavailable
		_, err := b.stage.Process(t.Context(), tenant, []workers.Message{large(t, "1", "A", 1)})
		require.ErrorIs(t, err, store.ErrUnavailable)
		require.Equal(t, 1, b.records.plans, "only a conflict is planned again")
		require.Empty(t, b.records.known.Events, "Invariant 1: nothing is accepted whose bytes are not kept")
	})
}
