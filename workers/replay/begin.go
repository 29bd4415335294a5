package replay

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/store"
)

// maxMembers bounds the tenants of one run.
const maxMembers = 100_000

// CheckEdit says what is wrong with a JSON Patch; nil where nothing is.
func (d *Desk) CheckEdit(patch json.RawMessage) error { return CheckPatch(patch) }

// Begin runs a plan: of one tenant, or of all that it is for where tenant is nil. store.ErrNotFound: there is no such plan;
// store.ErrConflict: it is not planned any more.
//
// A plan of several tenants is begun one tenant after the other. Where that is cut off, Begin again begins the rest.
func (d *Desk) Begin(ctx context.Context, tenant *uuid.UUID, id string, act store.Act) (store.Run, error) {
	members, err := d.Platform.Runs(ctx, id, store.RunFilter{}, maxMembers, store.RunCursor{})
	if err != nil {
		return store.Run{}, err
	}
	var last store.Run
	begun := false
	for _, member := range members {
		if id == "" || member.Kind != store.ReplayRun || tenant != nil && member.Tenant != *tenant {
			continue
		}
		if last = member.Run; member.State != store.RunPlanned {
			continue
		}
		if last, _, err = d.Of(member.Tenant).BeginRun(ctx, id, act); err != nil {
			return last, err
		}
		begun = true
	}
	switch {
	case last.ID == "":
		return last, fmt.Errorf("begin plan %q: %w", id, store.ErrNotFound)
	case !begun && last.State != store.RunRunning:
		return last, fmt.Errorf("begin plan %q: it is %s: %w", id, last.State, store.ErrConflict)
	}
	return last, nil
}
