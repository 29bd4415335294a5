package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

func tenantShowCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "show TENANT",
		Short: "Show a tenant's state, lane, counts and pauses",
		Example: `  reos tenant show acme
  reos tenant show acme --json | jq '{state: .tenant.state, held}'`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withLifecycle(cmd.Context(), c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
				tenant, err := in.anyTenant(ctx, given[0])
				if err != nil {
					return err
				}
				detail, err := l.Show(ctx, tenant)
				if err != nil {
					return err
				}
				return c.print(detail, func(w io.Writer) { detailRows(w, detail) })
			})
		},
	}
}

func detailRows(w io.Writer, d store.TenantDetail) {
	tenantRows(w, []store.Tenant{d.Tenant})
	fmt.Fprintln(w)
	user := "none"
	if d.Tenant.BrokerUser {
		user = "one of its own"
	}
	fmt.Fprintf(w, "broker user\t%s\n", user)
	fmt.Fprintf(w, "events\t%d\n", d.Events)
	fmt.Fprintf(w, "records\t%d (searchable %d, quarantined %d, deleted %d)\n", d.Records, d.Indexed, d.Quarantined, d.Deleted)
	fmt.Fprintf(w, "dead letters\t%d\n", d.DeadLetters)
	for _, waiting := range d.Waiting {
		fmt.Fprintf(w, "unfinished in %s\t%d\n", waiting.Stage, waiting.Count)
	}
	for _, queue := range slices.Sorted(maps.Keys(d.Held)) {
		fmt.Fprintf(w, "held in %s\t%d\n", queue, d.Held[queue])
	}
	if len(d.Pauses) > 0 {
		fmt.Fprintln(w)
		pauseRows(w, d.Pauses)
	}
}
