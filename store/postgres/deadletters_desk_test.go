package postgres_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// failing is a letter that died of an error at a minute.
func failing(name, text string, minute int) store.DeadLetter {
	l := letter(name, uuid.Nil)
	l.Error, l.FailedAt, l.WorkerVersion, l.Key = text, epoch.Add(time.Duration(minute)*time.Minute), "1.4.0", "k-"+name
	return l
}

func save(t *testing.T, f fixture, tenant uuid.UUID, letters ...store.DeadLetter) {
	t.Helper()
	require.NoError(t, f.db.Tenant(tenant).SaveDeadLetters(t.Context(), letters))
}

func groupsOf(t *testing.T, reader store.LetterGroupReader, filter store.LetterGroupFilter) []store.LetterGroup {
	t.Helper()
	groups, err := reader.LetterGroups(t.Context(), filter)
	require.NoError(t, err)
	return groups
}

func TestLettersOfOneCauseAreOneGroup(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	one, two, other := failing("1", "model service: 413", 0), failing("2", "model service: 429", 90), failing("3", "disk full", 0)
	later := failing("4", "model service: 500", 91)
	later.WorkerVersion = "1.5.0"
	save(t, f, f.a, one, two, other)
	save(t, f, f.a, one, two) // again: they are counted once
	save(t, f, f.b, later)
	groups := groupsOf(t, f.db.Platform(), store.LetterGroupFilter{})
	require.Len(t, groups, 2)
	models := groups[0]
	require.Equal(t, store.LetterGroup{
		Fingerprint: store.Fingerprint(events.Quality, events.StageError, "model service: 1"), Kind: store.Transient, Stage: events.Quality,
		Reason: events.StageError, Pattern: "model service: #", Sample: "model service: 413", Open: 3, Tenants: 2,
		FirstAt: epoch, LastAt: later.FailedAt, Versions: []string{"1.4.0", "1.5.0"},
		Sentence: "3 events of 2 tenants since 2026-01-31 12:00, all in quality, since worker 1.4.0: stage_error: model service: #",
	}, models)
	require.Equal(t, "1 event of 1 tenant since 2026-01-31 12:00, in quality, by worker 1.4.0: stage_error: disk full", groups[1].Sentence)

	mine := groupsOf(t, f.db.Tenant(f.a), store.LetterGroupFilter{})
	require.Equal(t, []int64{2, 1}, []int64{mine[0].Open, mine[1].Open})
	require.Empty(t, groupsOf(t, f.db.Tenant(uuid.New()), store.LetterGroupFilter{}))

	page := store.LetterGroupFilter{DeadLetterFilter: store.DeadLetterFilter{Limit: 1}}
	require.Equal(t, groups[:1], groupsOf(t, f.db.Platform(), page))
	page.After = groups[0].Cursor()
	require.Equal(t, groups[1:], groupsOf(t, f.db.Platform(), page))
	page.After = groups[1].Cursor()
	require.Empty(t, groupsOf(t, f.db.Platform(), page))

	for name, test := range map[string]struct {
		filter store.DeadLetterFilter
		open   []int64
	}{
		"by stage":             {store.DeadLetterFilter{Stage: events.Indexing}, nil},
		"by reason":            {store.DeadLetterFilter{Reason: events.StageError}, []int64{3, 1}},
		"by kind":              {store.DeadLetterFilter{Kind: store.BadData}, nil},
		"by fingerprint":       {store.DeadLetterFilter{Fingerprint: models.Fingerprint}, []int64{3}},
		"by worker":            {store.DeadLetterFilter{WorkerVersion: "1.5.0"}, []int64{1}},
		"by the hour":          {store.DeadLetterFilter{Since: epoch.Add(time.Hour)}, []int64{2}},
		"until":                {store.DeadLetterFilter{Until: epoch.Add(time.Minute)}, []int64{1, 1}},
		"by key, singly":       {store.DeadLetterFilter{Key: "k-2"}, []int64{1}},
		"by type, singly":      {store.DeadLetterFilter{Type: "reos.property.upserted.v1"}, []int64{3, 1}},
		"singly by the minute": {store.DeadLetterFilter{Type: "reos.property.upserted.v1", Since: later.FailedAt}, []int64{1}},
	} {
		var open []int64
		for _, g := range groupsOf(t, f.db.Platform(), store.LetterGroupFilter{DeadLetterFilter: test.filter}) {
			open = append(open, g.Open)
		}
		require.Equal(t, test.open, open, name)
	}

	detail, err := f.db.Platform().LetterGroup(t.Context(), models.Fingerprint)
	require.NoError(t, err)
	require.Equal(t, models, detail.LetterGroup)
	require.Equal(t, []store.LetterCount{{Tenant: f.a, Open: 2}, {Tenant: f.b, Open: 1}}, detail.ByTenant)
	hour := epoch.Truncate(time.Hour)
	require.Equal(t, []store.LetterHour{{Hour: hour.Add(time.Hour), Open: 2}, {Hour: hour, Open: 1}}, detail.ByHour)
	_, err = f.db.Tenant(f.b).LetterGroup(t.Context(), groups[1].Fingerprint)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestLettersAreFoundByWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var all []store.DeadLetter
	for i := range 250 {
		l := failing(fmt.Sprint(i), []string{"it broke", "it burnt"}[i%2], i)
		l.Payload = fmt.Appendf(nil, `{"City":"C%d","Media":[{"Order":%d}]}`, i%10, i)
		all = append(all, l)
	}
	save(t, f, f.a, all...)
	find := func(filter store.DeadLetterFilter, match string, looks int) store.LetterPage {
		var m *store.PayloadMatch
		if parsed, ok := store.ParsePayloadMatch(match); ok {
			m = &parsed
		}
		page, err := store.FindLetters(t.Context(), f.db.Tenant(f.a), filter, m, looks)
		require.NoError(t, err)
		return page
	}
	require.Equal(t, all[7].ID, find(store.DeadLetterFilter{Key: "k-7", Limit: 5}, "", 0).Letters[0].ID)
	require.Len(t, find(store.DeadLetterFilter{IDs: []uuid.UUID{all[1].ID, all[2].ID}, Limit: 5}, "", 0).Letters, 2)
	require.Empty(t, find(store.DeadLetterFilter{IDs: []uuid.UUID{}, Limit: 5}, "", 0).Letters)
	require.Len(t, find(store.DeadLetterFilter{Since: all[100].FailedAt, Until: all[103].FailedAt, Limit: 5}, "", 0).Letters, 3)
	require.Len(t, find(store.DeadLetterFilter{Fingerprint: store.Fingerprint(events.Quality, events.StageError, "it burnt"), Limit: 500}, "", 0).Letters, 125)
	for _, none := range []store.DeadLetterFilter{{State: store.LetterReplayed}, {Kind: store.BadData}, {Type: "x"}, {WorkerVersion: "2"}} {
		none.Limit = 5
		require.Empty(t, find(none, "", 0).Letters)
	}

	page := find(store.DeadLetterFilter{Limit: 20}, "City=C3", 0)
	require.Len(t, page.Letters, 20)
	require.Nil(t, page.Letters[0].Payload, "only a summary was asked for")
	require.Positive(t, page.Letters[0].PayloadBytes)
	rest := find(store.DeadLetterFilter{Limit: 20, After: *page.Next}, "City=C3", 0)
	require.Len(t, rest.Letters, 5)
	require.Nil(t, rest.Next)
	require.Equal(t, all[42].ID, find(store.DeadLetterFilter{Limit: 20}, "Media.0.Order=42", 0).Letters[0].ID)
	require.Empty(t, find(store.DeadLetterFilter{Limit: 20}, "Media.1", 0).Letters)
	some := find(store.DeadLetterFilter{Limit: 20}, "City=C3", 30)
	require.Len(t, some.Letters, 3, "of the first thirty")
	require.Equal(t, all[220].ID, some.Next.ID)

	seen := 0
	require.NoError(t, store.SelectLetters(t.Context(), f.db.Platform(), store.LetterSelection{Payload: "City"}, true, func(letters []store.DeadLetter) error {
		for _, l := range letters {
			require.NotNil(t, l.Payload)
			seen++
		}
		return nil
	}))
	require.Equal(t, 250, seen)
}

// Letters may have 16 MiB each: a hundred of them are no page.
func TestAPageOfWholeLettersIsBoundedByItsBytes(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const letters, large = 5, store.PageBytes / 2
	for i := range letters {
		l := failing(fmt.Sprint(i), "it broke", i)
		l.Payload = append([]byte(`{"City":"C"}`), bytes.Repeat([]byte(" "), large)...)
		save(t, f, f.a, l)
	}
	meant := store.LetterSelection{Payload: "City=C"}
	for name, reader := range map[string]store.LetterReader{"tenant": f.db.Tenant(f.a), "platform": f.db.Platform()} {
		page, err := reader.DeadLetters(t.Context(), store.DeadLetterFilter{Whole: true, Limit: 100})
		require.NoError(t, err)
		require.Len(t, page, 2, name)
		summaries, err := reader.DeadLetters(t.Context(), store.DeadLetterFilter{Limit: 100})
		require.NoError(t, err)
		require.Len(t, summaries, letters, "that are no payloads")
		for _, meant := range []store.LetterSelection{meant, {}} {
			var seen []uuid.UUID
			require.NoError(t, store.SelectLetters(t.Context(), reader, meant, true, func(found []store.DeadLetter) error {
				require.LessOrEqual(t, len(found), 2)
				for _, l := range found {
					seen = append(seen, l.ID)
				}
				return nil
			}))
			require.Equal(t, letterIDs(summaries), seen, "each once, in order")
		}
	}
}

func letterIDs(letters []store.DeadLetter) (ids []uuid.UUID) {
	for _, l := range letters {
		ids = append(ids, l.ID)
	}
	return ids
}

func TestANewerVersionOvertakesALetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	old, new := property("moved", 1), property("moved", 2)
	other := property("still", 1)
	mustIngest(t, f.db, f.a, old, other)
	versioned := letter("versioned", eventOf(old))
	versioned.Key, versioned.Version = "moved", old.Version
	unread := letter("unread", uuid.New())
	unread.Key, unread.FailedAt = "moved", time.Now().Add(-time.Hour)
	still := letter("still", eventOf(other))
	still.Key, still.Version = "still", other.Version
	save(t, f, f.a, versioned, unread, still)
	overtaken := func() []string {
		letters, err := tenant.DeadLetters(t.Context(), store.DeadLetterFilter{})
		require.NoError(t, err)
		everybodys, err := f.db.Platform().DeadLetters(t.Context(), store.DeadLetterFilter{})
		require.NoError(t, err)
		require.Equal(t, letters, everybodys)
		names := []string{}
		for _, l := range letters {
			if l.Overtaken {
				names = append(names, map[uuid.UUID]string{versioned.ID: "versioned", unread.ID: "unread", still.ID: "still"}[l.ID])
			}
		}
		slices.Sort(names)
		return names
	}
	require.Empty(t, overtaken())
	mustIngest(t, f.db, f.a, new)
	require.Empty(t, overtaken(), "the newer version may yet die as well")
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: eventOf(new), From: events.Indexing, Outcome: events.Done}}))
	require.Equal(t, []string{"unread", "versioned"}, overtaken())
}

func TestDiscardedLettersAreCountedAuditedAndPurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	one, two, three := failing("1", "it broke", 0), failing("2", "it broke", 1), failing("3", "it broke", 2)
	save(t, f, f.a, one, two, three)
	save(t, f, f.b, failing("4", "it broke", 3))
	act := store.Act{By: "ann", Why: "test data"}
	ids := []uuid.UUID{three.ID, one.ID, uuid.New(), failing("4", "", 0).ID}
	discarded, err := tenant.DiscardLetters(t.Context(), ids, act, json.RawMessage(`{"letters": 2}`))
	require.NoError(t, err)
	require.EqualValues(t, 2, discarded)
	again, err := tenant.DiscardLetters(t.Context(), ids, store.Act{By: "bob", Why: "again"}, nil)
	require.NoError(t, err)
	require.Zero(t, again)
	require.Equal(t, 1, status(t, f.db, f.a).DeadLetters, "open ones")

	shown, err := tenant.DeadLetter(t.Context(), one.ID)
	require.NoError(t, err)
	require.Equal(t, store.LetterDiscarded, shown.State)
	require.Equal(t, []string{"ann", "test data"}, []string{shown.Discard.By, shown.Discard.Why})
	group := groupsOf(t, tenant, store.LetterGroupFilter{})[0]
	require.Equal(t, []int64{1, 0, 2}, []int64{group.Open, group.Replayed, group.Discarded})
	require.Equal(t, two.FailedAt, group.FirstAt.Add(time.Minute), "the hour's first")
	save(t, f, f.a, one) // redelivered: it stays as it is
	entries, err := tenant.AuditLog(t.Context(), store.AuditFilter{})
	require.NoError(t, err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, fmt.Sprintf("%s %s %s", e.Actor, e.Action, e.Why))
	}
	require.Equal(t, []string{"ann deadletter.discard test data", "ann deadletter.discard test data", "ann deadletters.discard test data"}, actions[:3])
	_, err = f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)

	purged, err := f.db.Platform().PurgeLetters(t.Context(), time.Hour)
	require.NoError(t, err)
	require.Zero(t, purged)
	purged, err = f.db.Platform().PurgeLetters(t.Context(), 0)
	require.NoError(t, err)
	require.EqualValues(t, 2, purged)
	_, err = tenant.DeadLetter(t.Context(), one.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	group = groupsOf(t, tenant, store.LetterGroupFilter{})[0]
	require.Equal(t, []int64{1, 0}, []int64{group.Open, group.Discarded})
	_, err = tenant.DiscardLetters(t.Context(), []uuid.UUID{two.ID}, act, nil)
	require.NoError(t, err)
	_, err = f.db.Platform().PurgeLetters(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, groupsOf(t, tenant, store.LetterGroupFilter{}))
	require.Len(t, groupsOf(t, f.db.Platform(), store.LetterGroupFilter{}), 1)
}

// An index takes no value of several thousand bytes; a letter with such a key is kept all the same.
func TestInvariant5NoKeyIsTooLongToBeKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var random strings.Builder
	for i := range 2000 {
		random.WriteString(uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)).String())
	}
	long := letter("long", uuid.New())
	long.Key, long.EventID, long.EventType, long.RunID = random.String(), random.String(), "ż"+strings.Repeat("ż", 10_000), random.String()
	long.Reason, long.Lane, long.WorkerVersion = events.Reason(random.String()), random.String(), random.String()
	save(t, f, f.a, long)
	kept, err := f.db.Tenant(f.a).DeadLetter(t.Context(), long.ID)
	require.NoError(t, err)
	require.Equal(t, random.String()[:252]+"…", kept.Key)
	require.Len(t, kept.EventType, 255)
}

// planned freezes a replay of letters of the tenant.
func planned(t *testing.T, f fixture, tenant uuid.UUID, run string, items ...store.RunItem) {
	t.Helper()
	pages := iter.Seq2[[]store.RunItem, error](func(yield func([]store.RunItem, error) bool) { yield(items, nil) })
	order := store.Run{ID: run, Kind: store.ReplayRun, Source: "dead letters", RunWork: store.RunWork{Selection: []byte(`{"model":"m"}`)}}
	act := store.Act{By: "ann", Why: "mended"}
	_, err := f.db.Tenant(tenant).PlanRun(t.Context(), order, pages, act)
	require.NoError(t, err)
	_, _, err = f.db.Tenant(tenant).BeginRun(t.Context(), run, act)
	require.NoError(t, err)
}

func TestALetterIsReplayedOnceWhateverPlansItIsIn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	tenant := f.db.Tenant(f.a)
	record := property("stored", 1)
	mustIngest(t, f.db, f.a, record)
	step := letter("step", eventOf(record))
	step.Key, step.Version = "stored", record.Version
	raw, gone := failing("raw", "it broke", 0), failing("gone", "it broke", 1)
	save(t, f, f.a, step, raw, gone)
	items := []store.RunItem{
		{Letter: step.ID, Cause: step.Event, Stage: events.Quality, Ref: refOf(record), Version: record.Version},
		{Letter: raw.ID, Stage: events.Ingestion},
		{Letter: gone.ID, Stage: events.Ingestion},
	}
	planned(t, f, f.a, "first", items...)
	planned(t, f, f.a, "second", items...)
	_, err := tenant.DiscardLetters(t.Context(), []uuid.UUID{gone.ID}, store.Act{By: "bob", Why: "no"}, nil)
	require.NoError(t, err)

	ends := make(chan error, 2)
	counts := make(chan [2]int, 2)
	for _, run := range []string{"first", "second"} {
		go func() {
			released, skipped, err := f.db.Tenant(f.a).ReleaseRun(context.WithoutCancel(t.Context()), run, 10)
			counts <- [2]int{released, skipped}
			ends <- err
		}()
	}
	total := [2]int{}
	for range 2 {
		require.NoError(t, <-ends)
		n := <-counts
		total[0], total[1] = total[0]+n[0], total[1]+n[1]
	}
	require.Equal(t, [2]int{2, 4}, total, "each of the two that are open goes out once")

	shown, err := tenant.DeadLetter(t.Context(), step.ID)
	require.NoError(t, err)
	require.Equal(t, store.LetterReplayed, shown.State)
	require.Equal(t, events.Quality, shown.Replay.Waiting)
	trail, err := tenant.Trail(t.Context(), store.EventRef{Event: shown.Replay.Event})
	require.NoError(t, err)
	require.Equal(t, shown.Replay.RunID, trail.Progress.RunID)
	require.NoError(t, tenant.Advance(t.Context(), []store.Advance{{Event: shown.Replay.Event, From: events.Indexing, Outcome: events.Done}}))
	shown, err = f.db.Platform().DeadLetter(t.Context(), step.ID)
	require.NoError(t, err)
	require.Equal(t, events.Done, shown.Replay.Outcome)
	require.False(t, shown.Overtaken, "its own replay is no newer version")

	var replays, skips []string
	for _, g := range groupsOf(t, tenant, store.LetterGroupFilter{}) {
		replays = append(replays, fmt.Sprint(g.Open, g.Replayed, g.Discarded))
	}
	require.Equal(t, []string{"0 2 1"}, replays)
	for _, run := range []string{"first", "second"} {
		found, err := tenant.RunItems(t.Context(), run, store.ItemSkipped, 0, 10)
		require.NoError(t, err)
		for _, item := range found {
			skips = append(skips, item.Reason)
		}
	}
	slices.Sort(skips)
	require.Equal(t, []string{"letter_discarded", "letter_discarded", "letter_replayed", "letter_replayed"}, skips)
	entries, err := tenant.AuditLog(t.Context(), store.AuditFilter{Action: store.LetterReplayedAct})
	require.NoError(t, err)
	require.Len(t, entries, 2)
	require.Equal(t, []string{"ann", "mended"}, []string{entries[0].Actor, entries[0].Why})
	_, err = f.db.Platform().VerifyAudit(t.Context(), nil)
	require.NoError(t, err)
}

func TestEditsAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	edit := store.Edit{Run: "r", Letter: uuid.New(), Patch: []byte(`[{"value": 1.50, "path": "/b", "op": "add"}]`), Before: [32]byte{1}, After: [32]byte{2}}
	require.NoError(t, f.db.Tenant(f.a).SaveEdits(t.Context(), []store.Edit{edit}))
	require.NoError(t, f.db.Tenant(f.a).SaveEdits(t.Context(), []store.Edit{edit}))
	require.NoError(t, f.db.Tenant(f.a).SaveEdits(t.Context(), nil))
	kept := failing("kept", "it broke", 0)
	save(t, f, f.a, kept)
	letters, found, err := f.db.Tenant(f.a).LettersToReplay(t.Context(), "r", []uuid.UUID{edit.Letter, kept.ID})
	require.NoError(t, err)
	require.Equal(t, map[uuid.UUID]store.Edit{edit.Letter: edit}, found, "byte by byte")
	require.Len(t, letters, 1)
	require.Equal(t, kept.Payload, letters[0].Payload)
	letters, found, err = f.db.Tenant(f.b).LettersToReplay(t.Context(), "r", []uuid.UUID{edit.Letter, kept.ID})
	require.NoError(t, err)
	require.Empty(t, found)
	require.Empty(t, letters)
}
