package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/tenancy"
)

func tenantDeleteCommand(c *console) *cobra.Command {
	var yes bool
	var why string
	how := tenancy.Deletion{}
	cmd := &cobra.Command{
		Use:   "delete TENANT",
		Short: "Remove a tenant and everything of it, for good",
		Long: `Lets nothing more of the tenant in, removes its user at the broker, its held messages, its points, its objects with all
versions, and its rows in every table but the audit log; verifies that nothing is left, waits until nothing can come any
more, and verifies again. There is no way back: export it before.

The queues are shared. The tenant's messages in them end at the workers, as stale, so workers must run until the queues have
passed. What is published for it later is unroutable, and kept as such. Its name is free afterwards, its id never.

A deletion that was cut off goes on when it is run again; so does one that says what is left.

Exit codes: 0 nothing is left; 3 not at its end, or something is left: the report says what; 1 and 2 as everywhere.`,
		Example: `  reos tenant export acme -o acme.tar.gz && reos tenant delete acme --why "contract ended"
  reos tenant delete 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --yes --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withLifecycle(cmd.Context(), c, func(ctx context.Context, in *installation, l *tenancy.Lifecycle) error {
				tenant, err := in.anyTenant(ctx, given[0])
				if err != nil {
					return err
				}
				if !yes {
					if err := c.confirm(tenant); err != nil {
						return err
					}
				}
				erasure, err := in.delete(ctx, l, tenant, why, how)
				if printErr := c.print(erasure, func(w io.Writer) { erasureRows(w, erasure) }); printErr != nil || err != nil {
					return errors.Join(err, printErr)
				}
				if !erasure.Complete {
					return environmentError{fmt.Errorf("tenant %s is not gone yet: run it again, with workers running, to go on", tenant.ID)}
				}
				return nil
			}, (*installation).openPoints, (*installation).openObjects)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().DurationVar(&how.Timeout, "timeout", 15*time.Minute, "how long to wait at most for the queues")
	cmd.Flags().DurationVar(&how.Settle, "settle", store.Timeout, "how long what workers have in hand may take to end")
	whyFlag(cmd, &why)
	return cmd
}

// confirm has a person name the tenant. Where none is at a terminal, --yes must be given.
func (c *console) confirm(tenant store.Tenant) error {
	if !isTerminal(c.out) || c.json {
		return badInput("--yes is missing: everything of tenant %s (%q) would be removed", tenant.ID, tenant.Name)
	}
	fmt.Fprintf(c.err, "Everything of tenant %s will be removed, for good. Its name, to go on: ", tenant.ID)
	answer, err := bufio.NewReader(c.in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != tenant.Name {
		return badInput("not deleted: the tenant's name is %q", tenant.Name)
	}
	return nil
}

func (in *installation) delete(
	ctx context.Context, l *tenancy.Lifecycle, tenant store.Tenant, why string, how tenancy.Deletion,
) (store.Erasure, error) {
	bar := in.console.progress(-1, "deleting", false)
	defer func() { _ = bar.Finish() }()
	how.Progress = func(what string, done, total int) {
		bar.Describe(what)
		if total > 0 {
			bar.ChangeMax(total)
		}
		_ = bar.Set(done)
	}
	return l.Delete(ctx, tenant, in.act(why), how)
}

func erasureRows(w io.Writer, e store.Erasure) {
	fmt.Fprintf(w, "tenant %s (%s)\n\n", e.Tenant.ID, e.Tenant.Name)
	fmt.Fprintln(w, "REMOVED FROM\tCOUNT")
	for _, place := range slices.Sorted(maps.Keys(e.Removed)) {
		fmt.Fprintf(w, "%s\t%d\n", place, e.Removed[place])
	}
	for _, left := range e.Left {
		fmt.Fprintf(w, "\nleft in %s: %d\n", left.Place, left.Count)
	}
	for _, rest := range e.Queues {
		fmt.Fprintf(w, "\nqueue %s was not seen empty: %d messages, of whatever tenant\n", rest.Queue, rest.Messages)
	}
	if e.Complete {
		fmt.Fprintln(w, "\nnothing is left")
	}
}
