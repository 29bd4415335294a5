package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	timeout = 10 * time.Second
	tick    = 10 * time.Millisecond
)

func letter(name string, event uuid.UUID) store.DeadLetter {
	return store.DeadLetter{
		ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(name)), Event: event, EventID: "e", EventType: "reos.property.upserted.v1",
		RecordType: events.Property, Key: "k", Stage: events.Quality, Lane: "a", Reason: events.StageError, Error: "it broke",
		Attempts: 4, RoutingKey: "r", Headers: map[string]string{"h": "v"}, Payload: []byte("payload"), RunID: "run",
		FirstFailedAt: epoch, FailedAt: epoch.Add(time.Minute),
	}
}

func TestInvariant5DeadLettersKeepEveryByte(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	odd := letter("odd", uuid.Nil)
	odd.Headers = map[string]string{"a\x00\xff": "\x00\xfe", "": "", "ż": "{\"x\":\"\\u0000\"}", "a": "NULL"}
	odd.Payload = []byte{0, 0xff, 0x80, '"', '\\'}
	odd.RoutingKey = "\x00\xff.key"
	odd.Error, odd.Key, odd.EventID = "bad \x00 \xff", "k\x00", "\xff"
	odd.Version, odd.WorkerVersion, odd.TraceParent = versionAt(3), "1.4.0", "00-1-2-01"
	odd.Failures = []time.Time{epoch, epoch.Add(time.Minute)}
	empty := store.DeadLetter{ID: uuid.New(), Reason: events.DeliveryLimit, FirstFailedAt: epoch, FailedAt: epoch, Headers: map[string]string{}}
	require.NoError(t, f.db.Tenant(f.a).SaveDeadLetters(t.Context(), []store.DeadLetter{odd, empty}))

	got, err := f.db.Tenant(f.a).DeadLetter(t.Context(), odd.ID)
	require.NoError(t, err)
	want := odd
	want.Tenant = f.a
	want.Error, want.Key, want.EventID = "bad \uFFFD \uFFFD", "k\uFFFD", "\uFFFD"
	want.Kind, want.State, want.PayloadBytes = store.Transient, store.LetterOpen, len(odd.Payload)
	want.Fingerprint = store.Fingerprint(odd.Stage, odd.Reason, odd.Error)
	require.Equal(t, want, got)
	got, err = f.db.Platform().DeadLetter(t.Context(), empty.ID)
	require.NoError(t, err)
	empty.Tenant, empty.Payload = f.a, []byte{}
	empty.Kind, empty.State, empty.Fingerprint = store.Permanent, store.LetterOpen, store.Fingerprint("", events.DeliveryLimit, "")
	require.Equal(t, empty, got)
	_, err = f.db.Tenant(f.b).DeadLetter(t.Context(), odd.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = f.db.Platform().DeadLetter(t.Context(), uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestDeadLettersEndTheirEvents(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	waiting, finished := property("waiting", 1), property("finished", 1)
	mustIngest(t, f.db, f.a, waiting, finished)
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: eventOf(finished), From: events.Indexing, Outcome: events.Done}}))
	never, twice := letter("never accepted", uuid.New()), letter("again", eventOf(waiting))
	never.Stage, never.RecordType, never.Key = events.Ingestion, "", ""
	require.NoError(t, tenant.SaveDeadLetters(t.Context(), []store.DeadLetter{
		letter("waiting", eventOf(waiting)), letter("finished", eventOf(finished)), never, letter("no event", uuid.Nil), twice,
	}))
	got := status(t, f.db, f.a)
	require.Equal(t, 3, got.Events)
	require.Equal(t, 5, got.DeadLetters)
	require.Empty(t, got.Waiting)
	require.Equal(t, []store.StageCount{
		{Stage: events.Ingestion, Outcome: events.Dead, Reason: events.StageError, Count: 1},
		{Stage: events.Quality, Outcome: events.Dead, Reason: events.StageError, Count: 1},
		{Stage: events.Indexing, Outcome: events.Done, Count: 1},
	}, got.Counts)
	require.NoError(t, tenant.SaveDeadLetters(t.Context(), nil))
}

func TestDeadLettersAreListedNewestFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var all []store.DeadLetter
	for i := range 7 {
		l := letter(string(rune('a'+i)), uuid.Nil)
		l.FailedAt = epoch.Add(time.Duration(i/2) * time.Second) // two at a time
		l.Reason = []events.Reason{events.StageError, events.StagePanic}[i%2]
		l.Stage = []events.Stage{events.Quality, "", events.Indexing}[i%3]
		all = append(all, l)
	}
	require.NoError(t, f.db.Tenant(f.a).SaveDeadLetters(t.Context(), all[:5]))
	require.NoError(t, f.db.Tenant(f.b).SaveDeadLetters(t.Context(), all[5:6]))
	require.NoError(t, f.db.Tenant(store.PlatformTenant).SaveDeadLetters(t.Context(), all[6:]))
	require.NoError(t, f.db.Tenant(uuid.New()).SaveDeadLetters(t.Context(), []store.DeadLetter{letter("z", uuid.Nil)}), "not even for an unknown tenant")

	list := func(filter store.DeadLetterFilter) (ids []uuid.UUID) {
		filter.Limit = 2
		for {
			page, err := f.db.Tenant(f.a).DeadLetters(t.Context(), filter)
			require.NoError(t, err)
			if len(page) == 0 {
				return ids
			}
			for _, l := range page {
				ids = append(ids, l.ID)
			}
			last := page[len(page)-1]
			filter.After = store.DeadLetterCursor{FailedAt: last.FailedAt, ID: last.ID}
		}
	}
	require.Len(t, list(store.DeadLetterFilter{}), 5)
	require.Equal(t, all[4].ID, list(store.DeadLetterFilter{})[0])
	require.ElementsMatch(t, []uuid.UUID{all[1].ID, all[3].ID}, list(store.DeadLetterFilter{Reason: events.StagePanic}))
	require.ElementsMatch(t, []uuid.UUID{all[0].ID, all[3].ID}, list(store.DeadLetterFilter{Stage: events.Quality}))

	everybodys, err := f.db.Platform().DeadLetters(t.Context(), store.DeadLetterFilter{})
	require.NoError(t, err)
	require.Len(t, everybodys, 8)
	require.Equal(t, letter("z", uuid.Nil).ID, everybodys[0].ID)
	require.Equal(t, store.PlatformTenant, everybodys[1].Tenant)
}
