package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// runChange is one of the verbs that change how a run goes.
type runChange struct {
	verb, short, long, done string
	do                      store.Action
}

// changedRun is what such a verb prints.
type changedRun struct {
	RunID   string      `json:"run_id"`
	Changed []uuid.UUID `json:"changed"` // tenants for whom it was not so before
	Runs    []runPart   `json:"runs"`
}

func changeRunCommand(c *console, change runChange) *cobra.Command {
	var tenant, why string
	cmd := &cobra.Command{
		Use: change.verb + " RUN", Short: change.short, Long: change.long,
		Example: fmt.Sprintf(`  reos runs %s 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --why "the search is slow"
  reos runs %s 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --tenant acme --why "as they asked" --json`, change.verb, change.verb),
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if why == "" {
				return badInput("--why is missing: say what an operator should know who finds the run so")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				result, err := in.changeRun(ctx, given[0], tenant, change, in.act(why))
				if err != nil {
					return err
				}
				return c.print(result, func(w io.Writer) {
					if len(result.Changed) == 0 {
						fmt.Fprintf(w, "nothing to change: run %s is %s already\n", result.RunID, change.done)
					}
					runPartRows(w, result.Runs)
				})
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all of the run where left out")
	cmd.Flags().StringVar(&why, "why", "", "the reason, for the audit log (required)")
	return cmd
}

// changeRun changes every part of a run that may be changed so. One that has ended stays as it is; it is an error where that
// is true of all.
func (in *installation) changeRun(ctx context.Context, id, tenant string, change runChange, act store.Act) (*changedRun, error) {
	only, err := in.onlyTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	parts, err := in.runParts(ctx, id, only)
	if err != nil {
		return nil, err
	}
	result := &changedRun{RunID: id, Changed: []uuid.UUID{}}
	refused := 0
	for _, part := range parts {
		_, changed, err := changeOf(in.db.Tenant(part.Tenant), change.do)(ctx, id, act)
		switch {
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrTenantDeleted):
			refused++
		case err != nil:
			return nil, err
		case changed:
			result.Changed = append(result.Changed, part.Tenant)
		}
	}
	if refused == len(parts) {
		return nil, badInput("run %s cannot be %s: it is a %s, and %s", id, change.done, parts[0].Kind, parts[0].State)
	}
	result.Runs, err = in.runParts(ctx, id, only)
	return result, err
}

func changeOf(handle *postgres.Tenant, do store.Action) func(context.Context, string, store.Act) (store.Run, bool, error) {
	switch do {
	case store.RunPausedAct:
		return handle.PauseRun
	case store.RunResumedAct:
		return handle.ResumeRun
	}
	return handle.CancelRun
}
