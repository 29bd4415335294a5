package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

func tenantCommand(c *console) *cobra.Command {
	return group("tenant", "Create, suspend, move, export and delete tenants, and prove that they are isolated",
		tenantCreateCommand(c), tenantListCommand(c), tenantShowCommand(c), tenantSuspendCommand(c), tenantResumeCommand(c),
		tenantCredentialsCommand(c), tenantLaneCommand(c), tenantExportCommand(c), tenantDeleteCommand(c), tenantVerifyCommand(c))
}

func tenantListCommand(c *console) *cobra.Command {
	var deleted bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the tenants",
		Example: `  reos tenant list
  reos tenant list --json | jq '.tenants[] | select(.state == "suspended")'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				tenants, err := in.db.Platform().AllTenants(ctx)
				if err != nil {
					return err
				}
				tenants = slices.DeleteFunc(withoutPlatform(tenants), func(t store.Tenant) bool {
					return t.State == store.TenantDeleted && !deleted
				})
				return c.print(map[string]any{"tenants": tenants}, func(w io.Writer) { tenantRows(w, tenants) })
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().BoolVar(&deleted, "deleted", false, "also those that were deleted, of which nothing is left but the id")
	return cmd
}

func withoutPlatform(tenants []store.Tenant) []store.Tenant {
	real := make([]store.Tenant, 0, len(tenants))
	for _, tenant := range tenants {
		if tenant.ID != store.PlatformTenant {
			real = append(real, tenant)
		}
	}
	return real
}

func tenantRows(w io.Writer, tenants []store.Tenant) {
	fmt.Fprintln(w, "ID\tNAME\tLANE\tSTATE\tCREATED")
	for _, t := range tenants {
		lane := t.Lane
		if len(t.Draining) > 0 {
			lane += " (left: " + strings.Join(t.Draining, ", ") + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Name, lane, stateOf(t), t.CreatedAt.Format("2006-01-02 15:04:05"))
	}
}

// stateOf is a tenant's state, and where it is not the usual one, who brought it there.
func stateOf(t store.Tenant) string {
	if t.State == store.TenantActive {
		return string(t.State)
	}
	state := fmt.Sprintf("%s since %s by %s", t.State, t.StateSince.Format(time.RFC3339), t.StateBy)
	if t.StateWhy != "" {
		state += ": " + t.StateWhy
	}
	return state
}

// withOpen runs a short verb on adapters that it opens and closes again. The services of a running `reos up` are
// taken where the environment names none.
func withOpen(ctx context.Context, c *console, verb func(context.Context, *installation) error, opens ...func(*installation, context.Context) error) (err error) {
	in, err := newInstallation(ctx, c)
	if err != nil {
		return err
	}
	if err := in.config.adopt(); err != nil {
		return err
	}
	ctx, _, stop := shutdown(ctx, 0)
	defer stop()
	defer in.close(&err)
	for _, open := range opens {
		if err := open(in, ctx); err != nil {
			return err
		}
	}
	return verb(ctx, in)
}
