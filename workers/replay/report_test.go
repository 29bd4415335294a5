package replay_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// SaveRunReport puts the report where Postgres does.
func (h handle) SaveRunReport(_ context.Context, id string, report []byte) error {
	run := h.plans[h.tenant]
	if run.ID != id {
		return store.ErrNotFound
	}
	selection := map[string]json.RawMessage{}
	if err := json.Unmarshal(run.Selection, &selection); err != nil {
		return err
	}
	selection["report"] = report
	var err error
	run.Selection, err = json.Marshal(selection)
	h.plans[h.tenant] = run
	return err
}

// Invariant 4: what a plan would do is kept with each tenant's run, and only what it would do of its own letters.
func TestInvariant4APlansReportIsKeptForEachTenant(t *testing.T) {
	t.Parallel()
	gone := raw(tenantA, "gone", home)
	gone.State = store.LetterDiscarded
	d := newDesk(raw(tenantA, "1", home), step(tenantA, "2", events.Quality), gone, raw(tenantB, "3", home))
	o := order(store.LetterSelection{})
	o.Canary = 1
	whole := mustPlan(t, d, o)
	require.EqualValues(t, 3, whole.Selected)

	var kept struct{ Report store.ReplayReport }
	require.NoError(t, json.Unmarshal(d.plans[tenantA].Selection, &kept))
	own := kept.Report
	require.Equal(t, whole.RunID, own.RunID)
	require.Equal(t, []int64{3, 2}, []int64{own.Letters, own.Selected})
	require.Equal(t, []store.TenantShare{{Tenant: tenantA, Letters: 2}}, own.ByTenant)
	require.Equal(t, []store.StageShare{{Stage: events.Ingestion, Letters: 1}, {Stage: events.Quality, Letters: 1}}, own.ByStage)
	require.Equal(t, []store.LeftOut{{Why: "discarded", Letters: 1, Example: gone.ID}}, own.LeftOut)
	require.Len(t, own.Sample, 2)
	require.Positive(t, own.PredictedSeconds)
	require.NotContains(t, string(d.plans[tenantA].Selection), tenantB.String())
	require.NotContains(t, string(d.plans[tenantB].Selection), tenantA.String())
}
