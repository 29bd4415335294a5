package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// reportView is what a replay plan would do.
type reportView struct {
	store.ReplayReport
	Tenant uuid.UUID // whose pages it is on; uuid.Nil: those about all tenants
	Names  map[uuid.UUID]string
}

// Report is what was said of the run when it was planned; nil of what is no replay.
func (p runPage) Report() *reportView { return reportOf(p.Tenant, p.RunView) }

func reportOf(tenant uuid.UUID, view api.RunView) *reportView {
	if view.Work == nil || view.Kind != store.ReplayRun {
		return nil
	}
	var kept struct{ Report *store.ReplayReport }
	if json.Unmarshal(view.Work.Selection, &kept) != nil || kept.Report == nil {
		return nil // its planner was cut off before it could keep it: the run itself says how many
	}
	return &reportView{ReplayReport: *kept.Report, Tenant: tenant}
}

// meanings say why letters are not eligible.
var meanings = map[string]string{
	"discarded":     "given up already",
	"replayed":      "replayed already; if that attempt died too, it has a letter of its own",
	"overtaken":     "a newer version of the record has come to its end: discard them",
	"no_tenant":     "their tenant does not exist, or not any more",
	"suspended":     "their tenant is suspended",
	"mismatch":      "the envelope names another tenant than the routing key",
	"unreadable":    "the envelope cannot be read, so that no new id can be given",
	"unproven":      "nobody can say for sure whose they are",
	"no_record":     "they name no version of a record",
	"no_stage":      "they died where nothing waits for them: their event had come to its end",
	"not_searched":  "records of their type are neither embedded nor indexed",
	"stored":        "the record is stored: its source must send a new version",
	"edit_fails":    "the patch does not fit",
	"edit_identity": "the patch would make them another record's",
	"edit_invalid":  "contract or suite refuse what the patch makes of them",
}

// meaning says why letters are not eligible, where more can be said than the word.
func meaning(why string) string { return meanings[why] }

// merge adds what a plan would do of another tenant's letters.
func (v *reportView) merge(other store.ReplayReport) {
	v.RunID = other.RunID
	v.Letters += other.Letters
	v.Selected += other.Selected
	v.ByTenant = append(v.ByTenant, other.ByTenant...)
	slices.SortFunc(v.ByTenant, func(a, b store.TenantShare) int {
		return cmp.Or(cmp.Compare(b.Letters, a.Letters), bytes.Compare(a.Tenant[:], b.Tenant[:]))
	})
	for _, stage := range other.ByStage {
		i := slices.IndexFunc(v.ByStage, func(known store.StageShare) bool { return known.Stage == stage.Stage })
		if i < 0 {
			v.ByStage = append(v.ByStage, stage)
			continue
		}
		v.ByStage[i].Letters += stage.Letters
	}
	slices.SortFunc(v.ByStage, func(a, b store.StageShare) int {
		return cmp.Compare(slices.Index(events.Stages, a.Stage), slices.Index(events.Stages, b.Stage))
	})
	for _, left := range other.LeftOut {
		i := slices.IndexFunc(v.LeftOut, func(known store.LeftOut) bool { return known.Why == left.Why })
		if i < 0 {
			v.LeftOut = append(v.LeftOut, left)
			continue
		}
		v.LeftOut[i].Letters += left.Letters
	}
	slices.SortFunc(v.LeftOut, func(a, b store.LeftOut) int { return cmp.Compare(a.Why, b.Why) })
	v.Sample = append(v.Sample, other.Sample[:min(len(other.Sample), max(0, sampleRows-len(v.Sample)))]...)
}

// sampleRows is how many of a plan's letters its page shows.
const sampleRows = 10
