package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

func tenantCommand(c *console) *cobra.Command {
	var id, lane string
	create := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a tenant and let its events in",
		Long: `Creates a tenant, assigns it a lane and binds its routing key. The same id and name again change nothing.

Without --lane it is the lane of REOS_LANES with the fewest tenants. Those of REOS_RESERVED_LANES get no tenant by
themselves. ` + "`reos tenant lane`" + ` moves a tenant later.`,
		Example: `  reos tenant create "Cascade Realty"
  reos tenant create acme --id 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --json
  reos tenant create acme --lane b`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			tenantID := uuid.New()
			if id != "" {
				var err error
				if tenantID, err = uuid.Parse(id); err != nil || tenantID == uuid.Nil {
					return badInput("--id %q must be a UUID", id)
				}
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				if lane != "" {
					if err := in.checkLane(lane); err != nil {
						return err
					}
				}
				if err := in.transport.Declare(ctx); err != nil {
					return environmentError{err}
				}
				tenant, err := in.createTenant(ctx, tenantID, given[0], lane)
				if errors.Is(err, store.ErrExists) {
					return inputError{err}
				}
				if err != nil {
					return err
				}
				return c.print(tenant, func(w io.Writer) { tenantRows(w, []store.Tenant{tenant}) })
			}, (*installation).openDatabase, (*installation).openTransport)
		},
	}
	create.Flags().StringVar(&id, "id", "", "the tenant's UUID; a new one where left out")
	create.Flags().StringVar(&lane, "lane", "", "the tenant's lane; the one with the fewest tenants where left out")
	list := &cobra.Command{
		Use: "list", Short: "List the tenants", Example: "  reos tenant list --json", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				tenants, err := in.db.Platform().Tenants(ctx)
				if err != nil {
					return err
				}
				tenants = withoutPlatform(tenants)
				return c.print(map[string]any{"tenants": tenants}, func(w io.Writer) { tenantRows(w, tenants) })
			}, (*installation).openDatabase)
		},
	}
	return group("tenant", "Create, list and move tenants", create, list, tenantLaneCommand(c))
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
	fmt.Fprintln(w, "ID\tNAME\tLANE\tCREATED")
	for _, t := range tenants {
		lane := t.Lane
		if len(t.Draining) > 0 {
			lane += " (left: " + strings.Join(t.Draining, ", ") + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.ID, t.Name, lane, t.CreatedAt.Format("2006-01-02 15:04:05"))
	}
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
