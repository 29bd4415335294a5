package replay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/replay"
)

var topology = events.DefaultTopology()

func released(tenant uuid.UUID, run string, ordinal int64, l store.DeadLetter, stage events.Stage) store.ReleasedItem {
	item := store.RunItem{Ordinal: ordinal, Letter: l.ID, Cause: l.Event, Stage: stage, State: store.ItemReleased}
	if stage != events.Ingestion {
		item.Ref, item.Version = store.Ref{Type: l.RecordType, Key: l.Key}, l.Version
	}
	item.Event = store.RunEvent(run, tenant, item)
	return store.ReleasedItem{RunItem: item}
}

func TestInvariant2AReplayGoesOutAsItCameUnderItsOwnID(t *testing.T) {
	letter := raw(tenantA, "1", home)
	letter.Headers["x-upstream"] = "\xff"
	broken := raw(tenantA, "2", `{"ListPrice":`)
	broken.Headers = map[string]string{"content-type": "application/cloudevents+json"}
	d := newDesk(letter, broken)
	source := replay.NewSource(topology, d.Of)
	items := []store.ReleasedItem{
		released(tenantA, "run", 1, letter, events.Ingestion), released(tenantA, "run", 2, broken, events.Ingestion),
		released(tenantA, "run", 3, raw(tenantA, "gone", home), events.Ingestion),
	}
	made, err := source.Messages(t.Context(), tenantA, store.Run{ID: "run"}, items)
	require.NoError(t, err)
	require.Equal(t, []int64{1}, made.Published.Confirmed)
	require.Equal(t, map[int64]string{2: "unreadable", 3: "letter_gone"}, made.Published.Skipped)
	require.Len(t, made.Out, 1)
	require.Equal(t, topology.IntakeTopic(tenantA, letter.EventType, true), made.Out[0].Topic)
	sent, err := events.Decode(made.Out[0].Message)
	require.NoError(t, err)
	require.Equal(t, []string{items[0].Event.String(), "evt-1", "run"}, []string{sent.ID, sent.CausationID, sent.RunID})
	require.Equal(t, items[0].Event, sent.UID(), "its progress is the item's")
	require.Equal(t, home, string(sent.Data))
	require.Equal(t, "\xff", made.Out[0].Message.Metadata["x-upstream"])
	again, err := source.Messages(t.Context(), tenantA, store.Run{ID: "run"}, items)
	require.NoError(t, err)
	require.Equal(t, made.Out[0].Message.UUID, again.Out[0].Message.UUID)
	require.Equal(t, made.Out[0].Message.Metadata, again.Out[0].Message.Metadata)
}

func TestAnUnroutableLetterGoesToItsTenant(t *testing.T) {
	letter := raw(tenantA, "1", home)
	letter.Tenant, letter.Event, letter.Stage, letter.Reason = store.PlatformTenant, uuid.Nil, "", events.TenantUnknown
	d := newDesk(letter)
	item := released(store.PlatformTenant, "run", 1, letter, events.Ingestion)
	made, err := replay.NewSource(topology, d.Of).Messages(t.Context(), store.PlatformTenant, store.Run{ID: "run"}, []store.ReleasedItem{item})
	require.NoError(t, err)
	require.Equal(t, []int64{1}, made.Published.Final)
	require.Equal(t, topology.IntakeTopic(tenantA, letter.EventType, true), made.Out[0].Topic)
}

func TestEditsAreJudgedBeforeAPlanAcceptsThem(t *testing.T) {
	late := `{"ListingKey":"K","ModificationTimestamp":"soon","ListPrice":1.50,"x":{"b":1,"a":2}}`
	mend := json.RawMessage(`[{"op":"replace","path":"/ModificationTimestamp","value":"2026-01-02T03:04:05Z"}]`)
	for name, test := range map[string]struct {
		letter store.DeadLetter
		patch  json.RawMessage
		fails  bool // the suite
		why    string
	}{
		"good":                     {letter: raw(tenantA, "1", late), patch: mend},
		"by its subject":           {letter: raw(tenantA, "1", `{"ModificationTimestamp":"soon"}`), patch: mend},
		"stored":                   {letter: step(tenantA, "1", events.Quality), patch: mend, why: "stored"},
		"a path that is not there": {letter: raw(tenantA, "1", late), patch: json.RawMessage(`[{"op":"replace","path":"/No","value":1}]`), why: "edit_fails"},
		"a test that fails":        {letter: raw(tenantA, "1", late), patch: json.RawMessage(`[{"op":"test","path":"/ListPrice","value":7}]`), why: "edit_fails"},
		"no JSON":                  {letter: raw(tenantA, "1", `{"ListPrice":`), patch: mend, why: "edit_fails"},
		"still invalid":            {letter: raw(tenantA, "1", late), patch: json.RawMessage(`[{"op":"remove","path":"/x"}]`), why: "edit_invalid"},
		"refused by the suite":     {letter: raw(tenantA, "1", late), patch: mend, fails: true, why: "edit_invalid"},
		"another record":           {letter: changed(raw(tenantA, "1", home), noSubject), patch: json.RawMessage(`[{"op":"replace","path":"/ListingKey","value":"J"}]`), why: "edit_identity"},
		"a key out of nothing":     {letter: changed(raw(tenantA, "1", `{"ModificationTimestamp":"2026-01-02T03:04:05Z"}`), noSubject), patch: json.RawMessage(`[{"op":"add","path":"/ListingKey","value":"J"}]`), why: "edit_identity"},
		"late, by the key in data": {letter: changed(raw(tenantA, "1", late), noSubject), patch: mend},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(test.letter)
			d.passes = !test.fails
			o := order(store.LetterSelection{})
			o.Edit = test.patch
			report, err := d.Plan(t.Context(), o)
			if test.why != "" {
				require.ErrorIs(t, err, store.ErrNotFound)
				require.Equal(t, test.why, report.LeftOut[0].Why, report.LeftOut[0].Detail)
				require.Empty(t, d.edits)
				return
			}
			require.NoError(t, err, report.LeftOut)
			item := released(tenantA, report.RunID, 1, test.letter, events.Ingestion)
			source := replay.NewSource(topology, d.Of)
			made, err := source.Messages(t.Context(), tenantA, store.Run{ID: report.RunID}, []store.ReleasedItem{item})
			require.NoError(t, err)
			sent, err := events.Decode(made.Out[0].Message)
			require.NoError(t, err)
			record, err := events.Normalise(sent)
			require.NoError(t, err)
			require.Equal(t, "K", record.Key)
			require.Equal(t, at, record.Version.At)

			d.letters[0].Payload = []byte(home) // somebody changed the row
			made, err = source.Messages(t.Context(), tenantA, store.Run{ID: report.RunID}, []store.ReleasedItem{item})
			require.NoError(t, err)
			require.Equal(t, map[int64]string{1: "edit_changed"}, made.Published.Skipped)
		})
	}
}

func noSubject(l *store.DeadLetter) { delete(l.Headers, "cloudEvents:subject") }

func TestWhatIsNoPatchIsRefused(t *testing.T) {
	for _, patch := range []string{``, `{}`, `[]`, `[1]`, `null`, `[{"op":"fly","path":"/x"}]`, `[{"op":"add"}]`, `[{"op":"add","path":`} {
		require.ErrorIs(t, replay.CheckPatch(json.RawMessage(patch)), replay.ErrPatch, patch)
	}
	require.NoError(t, replay.CheckPatch(json.RawMessage(`[{"op":"remove","path":"/x"}]`)))
}

func TestLargeLettersGoOutAPartAtATime(t *testing.T) {
	large := `{"ListingKey":"K","PublicRemarks":"` + strings.Repeat("x", 100_000) + `"}`
	var letters []store.DeadLetter
	var items []store.ReleasedItem
	for i := range 250 {
		letters = append(letters, raw(tenantA, fmt.Sprint(i), large))
		items = append(items, released(tenantA, "run", int64(i+1), letters[i], events.Ingestion))
	}
	source := replay.NewSource(topology, newDesk(letters...).Of)
	for left := items; len(left) > 0; {
		made, err := source.Messages(t.Context(), tenantA, store.Run{ID: "run"}, left)
		require.NoError(t, err)
		require.Len(t, made.Out, min(workers.MessagesPart, len(left)))
		require.Len(t, made.Published.Confirmed, len(made.Out))
		require.Equal(t, left[0].Ordinal, made.Published.Confirmed[0], "whatever was left out comes again")
		left = left[len(made.Out):]
	}
}
