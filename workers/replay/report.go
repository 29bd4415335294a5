package replay

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// saveReport keeps with one tenant's run what the plan would do of that tenant's letters: whoever looks at the run later
// sees what its planner was told. f has counted them.
//
// Invariant 4: nothing of the plan's other tenants is in it.
func (p *plan) saveReport(ctx context.Context, letters Letters, f *plan, owner uuid.UUID) error {
	f.report.ByTenant = []store.TenantShare{{Tenant: owner, Letters: int64(len(f.ids))}}
	f.report.ByStage, f.report.LeftOut = nil, []store.LeftOut{}
	f.conclude()
	encoded, err := json.Marshal(f.report)
	if err != nil {
		return fmt.Errorf("encode report of plan: %w", err)
	}
	return letters.SaveRunReport(ctx, p.run.ID, encoded)
}
