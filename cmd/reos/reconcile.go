package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// exitDivergence is reconcile's own: everything works, and the stores disagree.
const exitDivergence = 4

func reconcileCommand(c *console) *cobra.Command {
	var tenant, why string
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
				report, err := in.reconcile(ctx, tenant, repair, why)
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
	whyFlag(cmd, &why)
	return cmd
}

// reconcile compares the stores of one tenant, or of all.
func (in *installation) reconcile(ctx context.Context, tenant string, repair bool, why string) (reconcile.Report, error) {
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
	if repair {
		if err := in.auditRepair(ctx, tenant, tenants, why); err != nil {
			return reconcile.Report{}, err
		}
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

// auditRepair notes that somebody has repairs made, of one tenant or of all, before the first is.
func (in *installation) auditRepair(ctx context.Context, named string, tenants []store.Tenant, why string) error {
	entry := store.AuditEntry{Actor: in.config.actor(), Action: store.IndexRepaired, Subject: "all tenants", Why: why}
	if named != "" {
		entry.Tenant, entry.Subject = tenants[0].ID, tenants[0].Name
	}
	return in.db.Platform().Audit(ctx, entry)
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

// openCompared connects to the stores that a process which only watches compares and archives to. It waits for neither of
// them, nor is it unready without, and may leave out the vector store.
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

// newKeeper makes what re-drives, compares, archives and works through runs at intervals.
func (in *installation) newKeeper() *reconcile.Keeper {
	metrics := reconcile.NewMetrics(in.registry)
	redriver := reconcile.NewRedriver(in.db.Platform(),
		func(id uuid.UUID) reconcile.OverdueRecords { return in.db.Tenant(id) },
		in.transport, in.topology, in.config.Reconcile, metrics, in.log)
	objects := cmp.Or(in.objects, in.comparedObjects)
	points := cmp.Or(in.points, in.comparedPoints)
	reconciler := in.newReconciler(points, objects)
	more := append(in.probing(points, objects), in.archiving(objects), in.purgingReceipts(), in.purgingLetters(), in.workingRuns(objects))
	if in.config.EventsKept > 0 {
		more = append(more, in.retiringEvents())
	}
	return reconcile.NewKeeper(in.db, redriver, reconciler, in.config.Reconcile, metrics, in.log, more...)
}

// purgeEvery is the time between two removals of receipts that were kept long enough.
const purgeEvery = time.Hour

func (in *installation) purgingReceipts() reconcile.Task {
	return reconcile.Task{Name: "purge receipts", First: purgeEvery / 10, Every: purgeEvery, Run: func(ctx context.Context) error {
		_, err := in.db.Platform().PurgeReceipts(ctx, in.config.ReceiptsKept, api.KeepKeys)
		return err
	}}
}

// retireEvery is the time between two removals of events that were kept long enough. Each looks once at those that stay: one
// of every record.
const retireEvery = 6 * time.Hour

func (in *installation) retiringEvents() reconcile.Task {
	return reconcile.Task{Name: "remove old events", First: purgeEvery / 10, Every: retireEvery, Run: func(ctx context.Context) error {
		removed, err := in.db.Platform().RetireEvents(ctx, in.config.EventsKept)
		if removed > 0 {
			in.log.Info().Int64("rows", removed).Msg("removed old events")
		}
		return err
	}}
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
