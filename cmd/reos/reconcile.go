package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// exitDivergence is reconcile's own: everything works, and the stores disagree.
const exitDivergence = 4

func reconcileCommand(c *console) *cobra.Command {
	var tenant string
	var repair bool
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare Postgres, the vector store and the object store, and repair the index",
		Long: `Compares, per tenant and in both directions, what Postgres says with what Qdrant and S3 hold. It finds:

  missing         a property that search should find has no point
  extra           a point of a property that search should not find, or that does not exist
  wrong_version   a point of another version than the property's newest
  wrong_tenant    a point that says it is the tenant's under an id that is not
  index_behind    the index entry is not of the newest version, and no work for it is on its way
  object_missing  raw bytes lie in an object that does not exist, or ends before them
  object_extra    an archived object, older than RECONCILE_OBJECT_GRACE (1h), that no event's raw bytes lie in

Work on its way is no finding. With --repair, properties go through the stages again, on the bulk lane, from what
Postgres holds: workers must run. Points that belong to no property are deleted. Objects are never touched. A repair
is done when ` + "`reos status --wait`" + ` returns; run it again to see that nothing is left.

Exit codes: 0 nothing found, or a repair of everything is on its way; 4 something was found that is not being repaired;
1 to 3 as everywhere.`,
		Example: `  reos reconcile
  reos reconcile --tenant acme --repair && reos status --wait && reos reconcile --tenant acme
  reos reconcile --json | jq '.tenants[].findings[] | {kind, count}'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				report, err := in.reconcile(ctx, tenant, repair)
				if err != nil {
					return err
				}
				if err := c.print(report, func(w io.Writer) { reconcileRows(w, report) }); err != nil {
					return err
				}
				if !report.Clean {
					return &exitError{exitDivergence}
				}
				return nil
			}, (*installation).openDatabase, (*installation).openTransport, (*installation).openPoints, (*installation).openObjects)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all where left out")
	cmd.Flags().BoolVar(&repair, "repair", false, "repair what can be repaired")
	return cmd
}

// reconcile compares the stores of one tenant, or of all.
func (in *installation) reconcile(ctx context.Context, tenant string, repair bool) (reconcile.Report, error) {
	reconciler := in.newReconciler(in.points, in.objects)
	tenants, err := reconciler.All(ctx)
	if err == nil && tenant != "" {
		tenants = make([]store.Tenant, 1)
		tenants[0], err = in.tenant(ctx, tenant)
	}
	if err != nil {
		return reconcile.Report{}, err
	}
	ids := make([]uuid.UUID, len(tenants))
	for i, one := range tenants {
		ids[i] = one.ID
	}
	statuses, err := in.db.Platform().Status(ctx, ids)
	if err != nil {
		return reconcile.Report{}, err
	}
	total := 0
	for _, status := range statuses {
		total += status.Records + status.Deleted
	}
	bar := in.console.progress(int64(total), "properties compared", false)
	defer func() { _ = bar.Finish() }()
	return reconciler.Run(ctx, tenants, reconcile.Options{Repair: repair, Progress: func(n int) { _ = bar.Add(n) }})
}

// newReconciler compares Postgres with those of the other stores that are not nil.
func (in *installation) newReconciler(points *qdrant.Client, archive *objects.Client) *reconcile.Reconciler {
	stores := reconcile.Stores{Records: func(id uuid.UUID) reconcile.Records { return in.db.Tenant(id) }}
	if points != nil {
		stores.Points = func(id uuid.UUID) reconcile.Points { return points.Tenant(id) }
	}
	if archive != nil {
		stores.Archive = func(id uuid.UUID) reconcile.Archive { return archive.Tenant(id) }
	}
	return reconcile.New(in.db.Platform(), stores, in.embedder.Model(), in.transport, in.topology, in.config.Reconcile, in.log)
}

// openCompared connects to the stores that a process which only watches compares. They may be left out, and it waits for
// neither of them, nor is it unready without.
func (in *installation) openCompared(ctx context.Context) error {
	if in.points == nil && in.config.Qdrant.URL != "" {
		points, err := qdrant.Open(ctx, in.config.Qdrant)
		if err != nil {
			return environmentError{err}
		}
		in.comparedPoints = points
		in.teardown.add("qdrant", func(context.Context) error { return points.Close() })
	}
	if in.objects == nil && in.config.Objects.URL != "" {
		archive, err := objects.Open(ctx, in.config.Objects)
		if err != nil {
			return environmentError{err}
		}
		in.comparedObjects = archive
		in.teardown.add("objects", func(context.Context) error { return archive.Close() })
	}
	return nil
}

// newKeeper makes what re-drives and compares at intervals.
func (in *installation) newKeeper() *reconcile.Keeper {
	metrics := reconcile.NewMetrics(in.registry)
	redriver := reconcile.NewRedriver(in.db.Platform(),
		func(id uuid.UUID) reconcile.OverdueRecords { return in.db.Tenant(id) },
		in.transport, in.topology, in.config.Reconcile, metrics, in.log)
	reconciler := in.newReconciler(cmp.Or(in.points, in.comparedPoints), cmp.Or(in.objects, in.comparedObjects))
	return reconcile.NewKeeper(in.db, redriver, reconciler, in.config.Reconcile, metrics, in.log)
}

func reconcileRows(w io.Writer, report reconcile.Report) {
	fmt.Fprintln(w, "TENANT\tPROPERTIES\tPOINTS\tOBJECTS\tFINDING\tCOUNT\tREPAIRED")
	for _, tenant := range report.Tenants {
		line := fmt.Sprintf("%s\t%d\t%d\t%d", tenant.Name, tenant.Properties, tenant.Points, tenant.Objects)
		if len(tenant.Findings) == 0 {
			fmt.Fprintf(w, "%s\tnone\t0\t0\n", line)
		}
		for _, found := range tenant.Findings {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\n", line, found.Kind, found.Count, found.Repaired)
		}
	}
	for _, tenant := range report.Tenants {
		for _, found := range tenant.Findings {
			fmt.Fprintf(w, "\n%s: %s\n", tenant.Name, found.Kind)
			for _, sample := range found.Samples {
				fmt.Fprintf(w, "  %s\t%s\n", cmp.Or(sample.Key, sample.Object, sample.Point), sample.Detail)
			}
			if more := found.Count - len(found.Samples); more > 0 {
				fmt.Fprintf(w, "  and %d more\n", more)
			}
		}
	}
}
