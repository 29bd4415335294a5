package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

func runsCommand(c *console) *cobra.Command {
	return group("runs", "See what runs have done, and change how they go",
		runsListCommand(c), runsShowCommand(c), runsWatchCommand(c),
		changeRunCommand(c, runChange{
			verb: "pause", short: "Let nothing more of a run go, until it is resumed", done: "paused",
			long: `What is on its way goes on to its end. A run over several tenants is paused for all of them, or with --tenant for one.`,
			do:   store.RunPausedAct,
		}),
		changeRunCommand(c, runChange{
			verb: "resume", short: "Let a paused run go on, or a planned one begin", done: "resumed",
			long: `A run that was cancelled, or stopped by itself, does not go on: start another one.`,
			do:   store.RunResumedAct,
		}),
		changeRunCommand(c, runChange{
			verb: "cancel", short: "End a run: what is not yet released never will be", done: "cancelled",
			long: `What is on its way goes on to its end, and counts in the run's result.`,
			do:   store.RunCancelledAct,
		}))
}

// runPart is one tenant's part of a run, as it is printed.
type runPart struct {
	Tenant uuid.UUID `json:"tenant_id"`
	Name   string    `json:"tenant"`
	api.RunView
}

const maxRunParts = 10_000 // tenants of one run

// runParts finds a run: each tenant's part of it, or that of one tenant.
func (in *installation) runParts(ctx context.Context, id string, only uuid.UUID) ([]runPart, error) {
	found, err := in.db.Platform().Runs(ctx, id, store.RunFilter{}, maxRunParts, store.RunCursor{})
	if err != nil {
		return nil, err
	}
	parts, err := in.named(ctx, found, only)
	if err == nil && len(parts) == 0 {
		return nil, badInput("no run %q: `reos runs list` shows them", id)
	}
	return parts, err
}

// named adds the tenants' names, and leaves out canaries.
func (in *installation) named(ctx context.Context, found []store.TenantRun, only uuid.UUID) ([]runPart, error) {
	tenants, err := in.db.Platform().AllTenants(ctx)
	if err != nil {
		return nil, err
	}
	names := make(map[uuid.UUID]string, len(tenants))
	for _, tenant := range tenants {
		if tenant.Canary() == "" {
			names[tenant.ID] = tenant.Name
		}
	}
	parts := []runPart{}
	for _, run := range found {
		if _, known := names[run.Tenant]; known && (only == uuid.Nil || run.Tenant == only) {
			parts = append(parts, runPart{run.Tenant, names[run.Tenant], api.NewRunView(run.Run)})
		}
	}
	return parts, nil
}

func runsListCommand(c *console) *cobra.Command {
	var tenant, kind, state string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List runs, newest first",
		Long:  `Lists feeds, reruns and replays, newest first. A run over several tenants is one line for each.`,
		Example: `  reos runs list
  reos runs list --tenant acme --limit 5
  reos runs list --kind replay --state running
  reos runs list --json | jq -r '.runs[].id'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return badInput("--limit must be from 1 to 1000")
			}
			filter, err := runFilter(kind, state)
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				parts, err := in.listRuns(ctx, tenant, filter, limit)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"runs": parts}, func(w io.Writer) { runPartRows(w, parts) })
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all where left out")
	cmd.Flags().StringVar(&kind, "kind", "", "runs of this kind only: "+oneOf(runKinds))
	cmd.Flags().StringVar(&state, "state", "", "runs in this state only: "+oneOf(runStates))
	cmd.Flags().IntVar(&limit, "limit", 50, "runs at most")
	return cmd
}

// What runs can be listed by. They are never written to.
var (
	runKinds  = []store.RunKind{store.FeedRun, store.RerunRun, store.ReplayRun}
	runStates = append([]store.RunState{store.RunPublishing, store.RunPublished, store.RunInterrupted, store.RunFailed}, store.RunsBehind...)
)

func oneOf[S ~string](words []S) string { return strings.Join(asStrings(words), ", ") }

func runFilter(kind, state string) (store.RunFilter, error) {
	filter := store.RunFilter{Kind: store.RunKind(kind), State: store.RunState(state)}
	switch {
	case kind != "" && !slices.Contains(runKinds, filter.Kind):
		return filter, badInput("--kind must be one of %s, not %q", oneOf(runKinds), kind)
	case state != "" && !slices.Contains(runStates, filter.State):
		return filter, badInput("--state must be one of %s, not %q", oneOf(runStates), state)
	}
	return filter, nil
}

func (in *installation) listRuns(ctx context.Context, tenant string, filter store.RunFilter, limit int) ([]runPart, error) {
	if tenant == "" {
		found, err := in.db.Platform().Runs(ctx, "", filter, limit, store.RunCursor{})
		if err != nil {
			return nil, err
		}
		return in.named(ctx, found, uuid.Nil)
	}
	owner, err := in.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	runs, err := in.db.Tenant(owner.ID).Runs(ctx, filter, limit, store.RunCursor{})
	parts := []runPart{}
	for _, run := range runs {
		parts = append(parts, runPart{owner.ID, owner.Name, api.NewRunView(run)})
	}
	return parts, err
}

func runPartRows(w io.Writer, parts []runPart) {
	fmt.Fprintln(w, "RUN\tTENANT\tKIND\tSTAGE\tSTATE\tSTARTED\tBY\tITEMS\tON THEIR WAY\tENDED\tDEAD\tSKIPPED\tCANCELLED\tWHAT")
	for _, p := range parts {
		started := "-"
		if p.StartedAt != nil {
			started = p.StartedAt.Format(time.RFC3339)
		}
		head := fmt.Sprintf("%s\t%s\t%s", p.ID, p.Name, p.Kind)
		if p.Work == nil {
			fmt.Fprintf(w, "%s\t-\t%s\t%s\t%s\t%d\t-\t-\t-\t-\t-\t%s\n", head, p.State, started, p.By, p.Published, p.Source)
			continue
		}
		work := p.Work
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n", head, cmp.Or(string(work.Stage), "-"), p.State, started, p.By,
			work.Selected, work.Released-work.Ended, work.Ended, work.Dead, work.Skipped, work.Cancelled, cmp.Or(p.Error, work.Why))
	}
}
