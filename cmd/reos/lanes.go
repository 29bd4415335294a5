package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// maxProblems is how many problems are told one by one; the rest are counted.
const maxProblems = 20

// laneForm keeps a lane's name fit for queues' names and for words of routing keys.
var laneForm = regexp.MustCompile(`^[a-z0-9-]{1,20}$`)

// checkLanes refuses names that cannot be lanes.
func (c *config) checkLanes() error {
	seen := map[string]string{events.BulkLane: "the lane of backfills"}
	for variable, lanes := range map[string][]string{"REOS_LANES": c.Lanes, "REOS_RESERVED_LANES": c.ReservedLanes} {
		for _, lane := range lanes {
			switch taken := seen[lane]; {
			case !laneForm.MatchString(lane):
				return fmt.Errorf("%s must be names of 1 to 20 lower-case letters, digits and dashes, separated by commas: %q is none", variable, lane)
			case taken != "":
				return fmt.Errorf("%s must not name %q: it is %s", variable, lane, taken)
			}
			seen[lane] = "named already"
		}
	}
	if len(c.Lanes) == 0 {
		return errors.New("REOS_LANES must name a lane")
	}
	return nil
}

// checkTenantLanes makes sure that this process knows every lane that holds, or may hold, a tenant's events. It is
// asked at the start and with every question for readiness: another process may know more lanes than this one, and
// what is not consumed must not be silent.
func (in *installation) checkTenantLanes(ctx context.Context) error {
	tenants, err := in.db.Platform().Tenants(ctx)
	if err != nil {
		return err
	}
	var problems []string
	for _, tenant := range withoutPlatform(tenants) {
		problems = append(problems, in.unknownLanes(tenant)...)
	}
	if len(problems) == 0 {
		return nil
	}
	more := ""
	if n := len(problems) - maxProblems; n > 0 {
		problems, more = problems[:maxProblems], fmt.Sprintf(" and %d more", n)
	}
	return environmentError{fmt.Errorf("lanes that this process would not consume: %s%s; it knows %s: name them in REOS_LANES or "+
		"REOS_RESERVED_LANES of every process, or move the tenants away with `reos tenant lane`",
		strings.Join(problems, "; "), more, strings.Join(in.topology.TenantLanes(), ", "))}
}

// unknownLanes says which lanes hold, or may hold, a tenant's events and are not known to this process.
func (in *installation) unknownLanes(tenant store.Tenant) []string {
	var problems []string
	known := in.topology.TenantLanes()
	if !slices.Contains(known, tenant.Lane) {
		problems = append(problems, fmt.Sprintf("tenant %s (%q) is in lane %q", tenant.ID, tenant.Name, tenant.Lane))
	}
	for _, lane := range tenant.Draining {
		if !slices.Contains(known, lane) {
			problems = append(problems, fmt.Sprintf("tenant %s (%q) has left lane %q, which is not known to have drained", tenant.ID, tenant.Name, lane))
		}
	}
	return problems
}

// bindTenant lets a tenant's events into its lane, and no longer into those that it has left.
func (in *installation) bindTenant(ctx context.Context, tenant store.Tenant) error {
	if err := in.transport.MoveTenant(ctx, tenant.ID, tenant.Lane, tenant.Draining); err != nil {
		return environmentError{fmt.Errorf("bind tenant %s: %w", tenant.ID, err)}
	}
	return nil
}

// checkLane refuses a lane that no tenant can be in.
func (in *installation) checkLane(lane string) error {
	known := in.topology.TenantLanes()
	switch {
	case lane == events.BulkLane:
		return badInput("lane %q carries every tenant's backfills: a tenant must be in one of %s", lane, strings.Join(known, ", "))
	case !slices.Contains(known, lane):
		return badInput("no lane %q: must be one of %s; more can be named in REOS_LANES and REOS_RESERVED_LANES of every process",
			lane, strings.Join(known, ", "))
	}
	return nil
}
