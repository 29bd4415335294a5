package postgres_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/postgrestest"
)

// aheadFixture is a fixture whose database reads ahead for all stages.
func aheadFixture(t *testing.T, stages ...events.Stage) fixture {
	f := newFixture(t)
	f.db.ReadAhead("m", stages)
	f.db.KeepAhead()
	return f
}

// wants names a record as the message of an event about it does.
func wants(records ...events.Record) []store.Wanted {
	wanted := make([]store.Wanted, len(records))
	for i, record := range records {
		wanted[i] = store.Wanted{Key: record.Key, Event: eventOf(record)}
	}
	return wanted
}

func onward(record events.Record, from, next events.Stage) []store.Advance {
	to := advance(record, from, next)
	to[0].Ref = refOf(record)
	return to
}

// asked is what a stage gets to see of a property when it asks for it twice: as it was read ahead, and as it is.
type asked struct{ ahead, now any }

// ask changes the stored record behind the stages' back, so that what was read before shows.
func (f fixture) ask(t *testing.T, record events.Record, read func() (any, error)) asked {
	t.Helper()
	conn := connect(t, f.AdminURL)
	tag, err := conn.Exec(t.Context(), `UPDATE properties SET doc = '{}' WHERE record_key = $1`, record.Key)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
	ahead, err := read()
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `UPDATE properties SET doc = $2 WHERE record_key = $1`, record.Key, string(record.Doc))
	require.NoError(t, err)
	now, err := read()
	require.NoError(t, err)
	return asked{ahead, now}
}

// pass takes a record to a stage's door, as the stages before it do.
func (f fixture) pass(t *testing.T, tenant *postgres.Tenant, record events.Record, to events.Stage) {
	t.Helper()
	mustStage(t, f.db, f.a, record)
	if to == events.Quality {
		return
	}
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)}, onward(record, events.Quality, events.Embedding)))
	if to == events.Embedding {
		return
	}
	require.NoError(t, tenant.SaveEmbeddings(t.Context(), "m", []store.EmbeddingWrite{embedding(record, 1)},
		onward(record, events.Embedding, events.Indexing)))
}

// stageReads are how each stage reads what it works on.
func stageReads(t *testing.T, tenant *postgres.Tenant, wanted ...store.Wanted) map[events.Stage]func() (any, error) {
	return map[events.Stage]func() (any, error){
		events.Quality:   func() (any, error) { return tenant.Records(t.Context(), events.Property, wanted) },
		events.Embedding: func() (any, error) { return tenant.EmbeddingStates(t.Context(), "m", wanted) },
		events.Indexing:  func() (any, error) { return tenant.IndexStates(t.Context(), "m", wanted) },
	}
}

// A stage of the same process is handed what it would read, once; it reads whatever else it wants.
func TestReadAheadIsWhatTheStageWouldRead(t *testing.T) {
	t.Parallel()
	for _, stage := range []events.Stage{events.Quality, events.Embedding, events.Indexing} {
		for name, path := range map[string]string{"first version": "", "next version": "before"} {
			t.Run(fmt.Sprint(stage, ", ", name), func(t *testing.T) {
				t.Parallel()
				f := aheadFixture(t, events.Stages...)
				tenant := f.db.Tenant(f.a)
				if path != "" {
					f.pass(t, tenant, property("k", 1), events.Indexing)
				}
				record := property("k", 2)
				record.Faults = []events.Fault{{Field: "City", Must: "text", Observed: "7"}}
				f.pass(t, tenant, record, stage)
				got := f.ask(t, record, stageReads(t, tenant, wants(record)...)[stage])
				require.Equal(t, got.now, got.ahead)
				require.Len(t, got.ahead, 1)
			})
		}
	}
}

func TestReadAheadIsOneEventsOfOneTenantAndStage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stages []events.Stage
		wanted func(record events.Record) store.Wanted
	}{
		"a stage of another process": {stages: []events.Stage{events.Quality}},
		"another event":              {wanted: func(r events.Record) store.Wanted { return store.Wanted{Key: r.Key, Event: uuid.New()} }},
		"several events":             {wanted: func(r events.Record) store.Wanted { return store.Wanted{Key: r.Key} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.stages == nil {
				c.stages = events.Stages
			}
			if c.wanted == nil {
				c.wanted = func(r events.Record) store.Wanted { return wants(r)[0] }
			}
			f := aheadFixture(t, c.stages...)
			tenant, record := f.db.Tenant(f.a), property("k", 1)
			f.pass(t, tenant, record, events.Embedding)
			got := f.ask(t, record, stageReads(t, tenant, c.wanted(record))[events.Embedding])
			require.NotEqual(t, got.now, got.ahead, "it was read ahead")
		})
	}

	t.Run("another model", func(t *testing.T) {
		t.Parallel()
		f := aheadFixture(t, events.Stages...)
		tenant, record := f.db.Tenant(f.a), property("k", 1)
		f.pass(t, tenant, record, events.Indexing)
		got := f.ask(t, record, func() (any, error) { return tenant.IndexStates(t.Context(), "n", wants(record)) })
		require.NotEqual(t, got.now, got.ahead)
	})
	t.Run("another tenant", func(t *testing.T) {
		t.Parallel()
		f := aheadFixture(t, events.Stages...)
		for i, stage := range []events.Stage{events.Quality, events.Embedding, events.Indexing} {
			record := property("k", i+1)
			f.pass(t, f.db.Tenant(f.a), record, stage)
			got, err := stageReads(t, f.db.Tenant(f.b), wants(record)...)[stage]()
			require.NoError(t, err)
			require.Empty(t, got, "Invariant 4")
		}
	})
}

// What was read ahead is no newer than the message that asks for it. A version that came since wins all the same.
func TestInvariant3ReadAheadBringsNothingOldBack(t *testing.T) {
	t.Parallel()
	f := aheadFixture(t, events.Stages...)
	tenant, old, now := f.db.Tenant(f.a), property("k", 1), property("k", 2)
	applied := func(version events.Record, wanted []store.Wanted) (granted []string) {
		states, err := tenant.IndexStates(t.Context(), "m", wanted)
		require.NoError(t, err)
		require.Equal(t, version.Version, states[0].Record.Version)
		require.NoError(t, tenant.Index(t.Context(), []store.IndexEntry{entry(version, true)}, func(_ context.Context, keys []string) error {
			granted = keys
			return nil
		}, nil))
		return granted
	}
	f.pass(t, tenant, old, events.Indexing)
	other := postgrestest.Open(t, f.Database)
	f.pass(t, other.Tenant(f.a), now, events.Indexing)
	require.Equal(t, []string{"k"}, applied(now, []store.Wanted{{Key: "k"}}))
	require.Empty(t, applied(old, wants(old)), "it was read before the newer version came")
}

// A write that is not committed has sent nothing on, though it got as far as reading ahead.
func TestNothingIsKeptOfAFailedWrite(t *testing.T) {
	t.Parallel()
	f := aheadFixture(t, events.Stages...)
	tenant, record := f.db.Tenant(f.a), property("k", 1)
	f.pass(t, tenant, record, events.Quality)
	conn := connect(t, f.AdminURL)
	for _, sql := range []string{
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$`,
		`CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON verdicts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	require.ErrorContains(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, true)},
		onward(record, events.Quality, events.Embedding)), "refused")
	got := f.ask(t, record, stageReads(t, tenant, wants(record)...)[events.Embedding])
	require.NotEqual(t, got.now, got.ahead)
}

func TestLargeRecordsAreNotReadAhead(t *testing.T) {
	t.Parallel()
	f := aheadFixture(t, events.Stages...)
	tenant, record := f.db.Tenant(f.a), property("k", 1)
	record.Doc = fmt.Appendf(nil, `{"ListingKey":"k","PublicRemarks":"%0100000d"}`, 1)
	f.pass(t, tenant, record, events.Quality)
	got := f.ask(t, record, stageReads(t, tenant, wants(record)...)[events.Quality])
	require.NotEqual(t, got.now, got.ahead)
}
