package replay_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// changed is a letter that is different in something.
func changed(l store.DeadLetter, change func(*store.DeadLetter)) store.DeadLetter {
	change(&l)
	return l
}

func TestAPlanSaysWhichLettersAreNotEligibleAndWhy(t *testing.T) {
	unroutable := func(tenant uuid.UUID, name string) store.DeadLetter {
		return changed(raw(tenant, name, home), func(l *store.DeadLetter) {
			l.Tenant, l.Event, l.Stage, l.Reason = store.PlatformTenant, uuid.Nil, "", events.TenantUnknown
		})
	}
	for why, l := range map[string]store.DeadLetter{
		"replayed":     changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.State = store.LetterReplayed }),
		"discarded":    changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.State = store.LetterDiscarded }),
		"overtaken":    changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.Overtaken = true }),
		"mismatch":     changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.Reason = events.TenantMismatch }),
		"unreadable":   changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.Event = uuid.Nil }),
		"unproven":     changed(raw(tenantA, "x", home), func(l *store.DeadLetter) { l.RoutingKey = tenantB.String() + ".x" }),
		"suspended":    raw(tenantB, "x", home),
		"no_tenant":    unroutable(nobody, "x"),
		"no_stage":     step(tenantA, "x", events.Freshness),
		"no_record":    changed(step(tenantA, "x", events.Quality), func(l *store.DeadLetter) { l.Version = events.Version{} }),
		"not_searched": changed(step(tenantA, "x", events.Indexing), func(l *store.DeadLetter) { l.RecordType = events.Lease }),
	} {
		t.Run(why, func(t *testing.T) {
			d := newDesk(l, raw(tenantA, "good", home))
			d.states[tenantB] = store.TenantSuspended
			report := mustPlan(t, d, order(store.LetterSelection{}))
			require.EqualValues(t, 2, report.Letters)
			require.EqualValues(t, 1, report.Selected)
			require.Equal(t, []store.LeftOut{{Why: why, Letters: 1, Example: l.ID}}, report.LeftOut)
			d.letters = d.letters[:1]
			report, err := d.Plan(t.Context(), order(store.LetterSelection{}))
			require.ErrorIs(t, err, store.ErrNotFound)
			require.Len(t, report.LeftOut, 1)
		})
	}
	limited := changed(raw(tenantA, "limited", home), func(l *store.DeadLetter) {
		l.Tenant, l.Event, l.Reason, l.RoutingKey = store.PlatformTenant, uuid.Nil, events.DeliveryLimit, "reos.ingestion.a"
	})
	report, err := newDesk(limited).Plan(t.Context(), order(store.LetterSelection{}))
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Equal(t, "unproven", report.LeftOut[0].Why)

	d := newDesk(unroutable(tenantA, "routed"))
	report = mustPlan(t, d, order(store.LetterSelection{}))
	require.Equal(t, []store.TenantShare{{Tenant: store.PlatformTenant, Letters: 1}}, report.ByTenant, "its tenant exists by now")
}

func TestAPlanFreezesWhatIsMeantAndEligible(t *testing.T) {
	letters := []store.DeadLetter{
		raw(tenantA, "1", home), step(tenantA, "2", events.Embedding), step(tenantB, "3", events.Indexing), raw(tenantB, "4", home),
	}
	d := newDesk(letters...)
	o := order(store.LetterSelection{})
	o.FromStage, o.Rate, o.Canary, o.StopAbove, o.Ticket = events.Quality, 2, 1, 0.5, "OPS-7"
	report := mustPlan(t, d, o)
	require.Equal(t, []store.TenantShare{{Tenant: tenantA, Letters: 2}, {Tenant: tenantB, Letters: 2}}, report.ByTenant)
	require.Equal(t, []store.StageShare{{Stage: events.Ingestion, Letters: 2}, {Stage: events.Quality, Letters: 2}}, report.ByStage)
	require.Equal(t, hex.EncodeToString(store.LettersDigest([]uuid.UUID{letters[3].ID, letters[2].ID, letters[1].ID, letters[0].ID})), report.Digest)
	require.Equal(t, 4.0, report.PredictedSeconds, "two a second, and the canary")
	require.Len(t, report.Sample, 4)
	require.Equal(t, []store.RunItem{
		{Letter: letters[0].ID, Cause: letters[0].Event, Stage: events.Ingestion},
		{Letter: letters[1].ID, Cause: letters[1].Event, Stage: events.Quality, Ref: store.Ref{Type: events.Property, Key: "K"}, Version: letters[1].Version},
	}, d.items[tenantA])
	run := d.plans[tenantB]
	require.Equal(t, report.RunID, run.ID)
	require.Equal(t, []any{store.ReplayRun, "OPS-7", 2.0, int64(1), 0.5}, []any{run.Kind, run.Ticket, run.Rate, run.Canary, run.StopAbove})
	var selection struct{ Model string }
	require.NoError(t, json.Unmarshal(run.Selection, &selection))
	require.Equal(t, "m", selection.Model, "indexing looks at vectors of this model")

	own := newDesk(letters...)
	mine := mustPlan(t, own, order(store.LetterSelection{Tenant: &tenantA}))
	require.EqualValues(t, 2, mine.Letters)
	require.NotContains(t, own.plans, tenantB)

	begun, err := d.Begin(t.Context(), nil, report.RunID, store.Act{By: "ann"})
	require.NoError(t, err)
	require.Equal(t, store.RunRunning, begun.State)
	require.Equal(t, store.RunRunning, d.plans[tenantA].State)
	require.Equal(t, store.RunRunning, d.plans[tenantB].State)
	_, err = d.Begin(t.Context(), nil, report.RunID, store.Act{By: "ann"})
	require.NoError(t, err, "again: it runs")
	_, _, err = d.Of(tenantA).CancelRun(t.Context(), report.RunID, store.Act{})
	require.NoError(t, err)
	_, err = d.Begin(t.Context(), &tenantA, report.RunID, store.Act{By: "ann"})
	require.ErrorIs(t, err, store.ErrConflict)
	_, err = own.Begin(t.Context(), &tenantB, mine.RunID, store.Act{By: "ann"})
	require.ErrorIs(t, err, store.ErrNotFound, "another tenant's plan")
}

func TestAPlanThatCannotBeFinishedIsTakenBack(t *testing.T) {
	d := newDesk(raw(tenantA, "1", home), raw(tenantB, "2", home))
	d.fail = errors.New("no more")
	_, err := d.Plan(t.Context(), order(store.LetterSelection{}))
	require.ErrorIs(t, err, d.fail)
	require.Equal(t, store.RunCancelled, d.plans[tenantA].State)
}

func TestManyDiscardsNeedASecondPerson(t *testing.T) {
	letters := []store.DeadLetter{
		raw(tenantA, "1", home), raw(tenantA, "2", home), raw(tenantB, "3", home), raw(tenantB, "4", home),
		changed(raw(tenantA, "5", home), func(l *store.DeadLetter) { l.State = store.LetterDiscarded }),
	}
	d := newDesk(letters...)
	o := store.DiscardOrder{Act: store.Act{By: "ann", Why: "test data"}, DryRun: true}
	report, err := d.Discard(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Letters)
	require.Zero(t, report.Discarded)
	o.DryRun = false
	for _, second := range []string{"", "ann"} {
		o.Second = second
		_, err = d.Discard(t.Context(), o)
		require.ErrorIs(t, err, store.ErrSecondNeeded)
	}
	require.Empty(t, d.audited)
	o.Second = "bob"
	report, err = d.Discard(t.Context(), o)
	require.NoError(t, err)
	require.EqualValues(t, 4, report.Discarded)
	require.Len(t, d.audited, 2, "one for each tenant")
	require.Contains(t, d.audited[0], `"second":"bob"`)
	require.Contains(t, d.audited[0], report.Digest)

	d = newDesk(letters[:2]...)
	report, err = d.Discard(t.Context(), store.DiscardOrder{Act: o.Act, Meant: store.LetterSelection{Tenant: &tenantA}})
	require.NoError(t, err, "few enough for one person")
	require.EqualValues(t, 2, report.Discarded)
}
