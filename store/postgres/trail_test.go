package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// said is an acceptance under an upstream's own id, which is no UUID.
func said(record events.Record, id, source string) store.Acceptance {
	a := acceptance(record)
	a.ID, a.Source = id, source
	a.Event = events.Event{ID: id, Source: source}.UID()
	return a
}

func mustAccept(t *testing.T, f fixture, tenant uuid.UUID, accepted ...store.Acceptance) {
	t.Helper()
	ids, refs := make([]uuid.UUID, len(accepted)), make([]store.Ref, len(accepted))
	for i, a := range accepted {
		ids[i], refs[i] = a.Event, a.Ref
	}
	require.NoError(t, f.db.Tenant(tenant).Ingest(t.Context(), ids, refs, func(store.Known) (store.IngestPlan, error) {
		return store.IngestPlan{Accepted: accepted}, nil
	}))
}

func sources(t *testing.T, f fixture, tenant uuid.UUID, id, source string) []string {
	t.Helper()
	refs, err := f.db.Tenant(tenant).FindEvents(t.Context(), id, source)
	require.NoError(t, err)
	found := []string{}
	for _, ref := range refs {
		found = append(found, ref.ID+" of "+ref.Source)
	}
	return found
}

func TestEventsAreFoundByEveryNameTheyHave(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	east, west := said(property("k", 1), "evt-1", "mls/east"), said(property("l", 1), "evt-1", "mls/west")
	plain := acceptance(property("m", 1)) // its id is its UID
	mustAccept(t, f, f.a, east, plain)
	require.NoError(t, f.db.Tenant(f.a).SaveReceipts(t.Context(), []store.Receipt{
		{Event: west.Event, ID: west.ID, Source: west.Source, Lane: store.LiveEntry},
		{Event: east.Event, ID: east.ID, Source: east.Source, Lane: store.LiveEntry},
	}))
	for name, given := range map[string]struct {
		id, source string
		want       []string
	}{
		"id":                   {"evt-1", "", []string{"evt-1 of mls/east", "evt-1 of mls/west"}},
		"id and source":        {"evt-1", "mls/west", []string{"evt-1 of mls/west"}},
		"UID":                  {east.Event.String(), "", []string{"evt-1 of mls/east"}},
		"id that is the UID":   {plain.ID, "", []string{plain.ID + " of mls"}},
		"UUID and source":      {plain.ID, "mls", []string{plain.ID + " of mls"}},
		"UUID, other source":   {plain.ID, "mls/east", []string{}},
		"no such id":           {"evt-2", "", []string{}},
		"id of no such source": {"evt-1", "mls/north", []string{}},
		"anything":             {"\x00\xff", "\x00", []string{}},
	} {
		require.Equal(t, given.want, sources(t, f, f.a, given.id, given.source), name)
	}
	require.Empty(t, sources(t, f, f.b, "evt-1", ""), "another tenant's")
}

func TestLetterThatOnlyHasTheIDIsFoundAndBelongsToAll(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	unread := letter("unread", uuid.Nil)
	unread.EventID, unread.Reason = "evt-9", events.EnvelopeInvalid
	require.NoError(t, f.db.Tenant(f.a).SaveDeadLetters(t.Context(), []store.DeadLetter{unread}))
	require.Equal(t, []string{"evt-9 of "}, sources(t, f, f.a, "evt-9", ""))
	trail, err := f.db.Tenant(f.a).Trail(t.Context(), store.EventRef{ID: "evt-9"})
	require.NoError(t, err)
	require.Nil(t, trail.Progress)
	require.Equal(t, []store.TrailLetter{{
		ID: unread.ID, Stage: unread.Stage, Reason: unread.Reason, Error: unread.Error, Attempts: unread.Attempts,
		FirstFailedAt: unread.FirstFailedAt, FailedAt: unread.FailedAt,
	}}, trail.Letters)

	mended := said(property("k", 1), "evt-9", "mls")
	mustAccept(t, f, f.a, mended)
	require.Equal(t, []string{"evt-9 of mls"}, sources(t, f, f.a, "evt-9", ""))
	trail, err = f.db.Tenant(f.a).Trail(t.Context(), store.EventRef{Event: mended.Event, ID: mended.ID, Source: mended.Source})
	require.NoError(t, err)
	require.Len(t, trail.Letters, 1)
	require.NotNil(t, trail.Progress)
}

func TestTrailTellsAllThatIsKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	record, newer := property("k", 1), property("k", 2)
	mustIngest(t, f.db, f.a, record)
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(record, false)}, advance(record, events.Quality, events.Indexing)))
	_, err := tenant.Pause(t.Context(), events.Indexing, "ann", "wait")
	require.NoError(t, err)
	_, err = tenant.Pause(t.Context(), events.Quality, "bob", "over")
	require.NoError(t, err)
	_, err = tenant.Resume(t.Context(), events.Quality, "bob", "done")
	require.NoError(t, err)
	ref := store.EventRef{Event: eventOf(record), ID: eventOf(record).String(), Source: "mls"}

	trail, err := tenant.Trail(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, ref, trail.Ref)
	require.Nil(t, trail.Receipt)
	require.Equal(t, events.Indexing, trail.Progress.Waiting)
	require.Equal(t, record.Version, trail.Progress.Version)
	require.NotZero(t, trail.Progress.JudgedAt)
	require.Zero(t, trail.Progress.EmbeddedAt)
	require.Zero(t, trail.Progress.FinishedAt)
	require.False(t, trail.Verdict.Passed)
	require.Len(t, trail.Verdict.Failures, 1)
	require.Equal(t, &store.Held{Version: record.Version, Event: eventOf(record)}, trail.Newest)
	require.Len(t, trail.Pauses, 1)
	require.Equal(t, "ann", trail.Pauses[0].By)

	mustIngest(t, f.db, f.a, newer)
	require.NoError(t, tenant.SaveVerdicts(t.Context(), []store.Verdict{verdict(newer, true)}, nil))
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{
		Event: eventOf(record), From: events.Indexing, Outcome: events.Stale, Reason: events.Superseded,
	}}))
	trail, err = tenant.Trail(t.Context(), ref)
	require.NoError(t, err)
	require.Nil(t, trail.Verdict, "it is of another version")
	require.Equal(t, newer.Version, trail.Newest.Version)
	require.Equal(t, events.Stale, trail.Progress.Outcome)
	require.Equal(t, events.Indexing, trail.Progress.EndedIn)

	none, err := f.db.Tenant(f.b).Trail(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, store.Trail{Ref: ref}, none, "another tenant's")
}

func TestTrailOfAnEventThatDiedUnread(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	died := letter("odd", uuid.New())
	died.EventID, died.RecordType, died.Key = died.Event.String(), "castle", ""
	require.NoError(t, f.db.Tenant(f.a).SaveDeadLetters(t.Context(), []store.DeadLetter{died}))
	trail, err := f.db.Tenant(f.a).Trail(t.Context(), store.EventRef{Event: died.Event, ID: died.EventID})
	require.NoError(t, err)
	require.Equal(t, events.Dead, trail.Progress.Outcome)
	require.Equal(t, events.Version{}, trail.Progress.Version)
	require.Nil(t, trail.Newest)
	require.Len(t, trail.Letters, 1)
	require.WithinDuration(t, time.Now(), trail.Progress.FinishedAt, time.Minute)
}
