package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// stateChange is what suspend and resume print.
type stateChange struct {
	Tenant  store.Tenant `json:"tenant"`  // as it is afterwards
	Changed bool         `json:"changed"` // it was not so before
}

func tenantSuspendCommand(c *console) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "suspend TENANT",
		Short: "Hold a tenant's events, and refuse what it sends to the API",
		Long: `Holds the tenant's events at ingestion, from within a second on: nothing is lost, and "reos tenant resume" lets them go
on. What was accepted before is finished. Over the API the tenant may read what it has, and nothing else; its user at the
broker, if it has one, may no longer publish.`,
		Example: `  reos tenant suspend acme --why "invoice of March"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if why == "" {
				return badInput("--why is missing: say what an operator should know who finds the tenant suspended")
			}
			return changeState(cmd.Context(), c, given[0], why, (*tenancy.Lifecycle).Suspend)
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "the reason, for whoever finds the tenant suspended, and for the audit log (required)")
	return cmd
}

func tenantResumeCommand(c *console) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:     "resume TENANT",
		Short:   "End a tenant's suspension and let its held events go on",
		Example: `  reos tenant resume acme --why "they have paid"`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return changeState(cmd.Context(), c, given[0], why, (*tenancy.Lifecycle).Resume)
		},
	}
	whyFlag(cmd, &why)
	return cmd
}

func changeState(
	ctx context.Context, c *console, idOrName, why string,
	change func(*tenancy.Lifecycle, context.Context, store.Tenant, store.Act) (bool, error),
) error {
	return withLifecycle(ctx, c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
		tenant, err := in.tenant(ctx, idOrName)
		if err != nil {
			return err
		}
		changed, err := change(l, ctx, tenant, in.act(why))
		if err != nil {
			return err
		}
		if tenant, err = in.tenant(ctx, tenant.ID.String()); err != nil {
			return err
		}
		return c.print(stateChange{tenant, changed}, func(w io.Writer) {
			if !changed {
				fmt.Fprintf(w, "nothing to change: %s is %s already\n\n", tenant.Name, tenant.State)
			}
			tenantRows(w, []store.Tenant{tenant})
		})
	})
}
