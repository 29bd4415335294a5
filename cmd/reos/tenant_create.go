package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

// createdTenant is what create and credentials print.
type createdTenant struct {
	store.Tenant
	Credentials *brokerLogin `json:"credentials,omitempty"`
}

func tenantCreateCommand(c *console) *cobra.Command {
	var id, lane, why string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a tenant and let its events in",
		Long: `Creates a tenant, assigns it a lane and binds its routing key. The same id and name again change nothing, but for new
credentials.

Without --lane it is the lane of REOS_LANES with the fewest tenants. Those of REOS_RESERVED_LANES get no tenant by
themselves. ` + "`reos tenant lane`" + ` moves a tenant later.

Where RABBITMQ_MANAGEMENT_URL names the HTTP API of RabbitMQ's management plugin, the tenant gets a user of its own at the
broker. It may publish to the intake under the tenant's own routing keys, and nothing else. Its connection string is
printed this once, and kept nowhere; ` + "`reos tenant credentials`" + ` makes another.`,
		Example: `  reos tenant create "Cascade Realty"
  reos tenant create acme --id 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --json
  reos tenant create acme --lane b
  reos tenant create acme --json | jq -r .credentials.url`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := store.CheckTenantName(given[0]); err != nil {
				return badInput("the name must be %w", err)
			}
			order := store.TenantOrder{ID: uuid.New(), Name: given[0], Lane: lane}
			if id != "" {
				var err error
				if order.ID, err = uuid.Parse(id); err != nil || order.ID == uuid.Nil {
					return badInput("--id %q must be a UUID", id)
				}
			}
			return withLifecycle(cmd.Context(), c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
				if lane != "" {
					if err := in.checkLane(lane); err != nil {
						return err
					}
				}
				tenant, err := l.Create(ctx, order, in.act(why))
				if err != nil {
					return err
				}
				if l.Users == nil {
					return c.print(createdTenant{Tenant: tenant}, func(w io.Writer) { tenantRows(w, []store.Tenant{tenant}) })
				}
				return in.printCredentials(ctx, l, tenant, why)
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "the tenant's UUID; a new one where left out")
	cmd.Flags().StringVar(&lane, "lane", "", "the tenant's lane; the one with the fewest tenants where left out")
	whyFlag(cmd, &why)
	return cmd
}

func tenantCredentialsCommand(c *console) *cobra.Command {
	var why string
	cmd := &cobra.Command{
		Use:   "credentials TENANT",
		Short: "Give a tenant's user at the broker a new password",
		Long: `Gives the tenant's user at RabbitMQ a new password, or makes the user, and prints the connection string this once. The old
password is worth nothing from then on, and whoever is connected with it is cut off. RABBITMQ_MANAGEMENT_URL must be set.`,
		Example: `  reos tenant credentials acme --why "it was in a log"
  reos tenant credentials acme --json | jq -r .credentials.url`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withLifecycle(cmd.Context(), c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
				tenant, err := in.tenant(ctx, given[0])
				if err != nil {
					return err
				}
				return in.printCredentials(ctx, l, tenant, why)
			})
		},
	}
	whyFlag(cmd, &why)
	return cmd
}

// printCredentials makes new credentials and shows them: the only place that does.
func (in *installation) printCredentials(ctx context.Context, l *tenancy.Lifecycle, tenant store.Tenant, why string) error {
	given, err := l.Credentials(ctx, tenant, in.act(why))
	if err != nil {
		return err
	}
	tenant.BrokerUser = true
	return in.console.print(createdTenant{tenant, &brokerLogin{User: given.User, URL: given.URL}}, func(w io.Writer) {
		tenantRows(w, []store.Tenant{tenant})
		fmt.Fprintf(w, "\nits connection string, shown only now: %s\n", given.URL)
	})
}
