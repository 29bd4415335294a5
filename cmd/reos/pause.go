package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func pipelineCommand(c *console) *cobra.Command {
	return group("pipeline", "Pause a tenant's pipeline and let it go on, and have records worked on once more",
		triggerCommand(c), pauseCommand(c), resumeCommand(c), pausesCommand(c))
}

// pauseResult is what pause and resume print.
type pauseResult struct {
	Tenant  store.Tenant   `json:"tenant"`
	Changed []events.Stage `json:"changed"` // the stages that were not so before
}

func pauseCommand(c *console) *cobra.Command {
	var tenant, stage, by, why string
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Keep a tenant's messages from a stage",
		Long: `Holds a tenant's messages before a stage, or before every stage, from within a second on: what is in a worker's hands
is finished. Nothing is lost and no attempt is used up: held messages come back to their stage with "reos pipeline resume".

A stage pauses a tenant by itself when half of its messages, and at least 50, died within a minute (BREAKER_SHARE,
BREAKER_LEAST, BREAKER_WINDOW): whoever mends the cause then need not replay a whole feed.`,
		Example: `  reos pipeline pause --tenant acme --why "their feed sends prices in cents"
  reos pipeline pause --tenant acme --stage embedding --why "model service moves"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if why == "" {
				return badInput("--why is missing: say what an operator should know who finds the pause")
			}
			return changePauses(cmd.Context(), c, tenant, stage, "paused", func(ctx context.Context, in *installation, t store.Tenant, s events.Stage) (bool, error) {
				return in.db.Tenant(t.ID).Pause(ctx, s, cmp.Or(by, in.config.actor()), why)
			})
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "reason, for whoever finds the pause (required)")
	cmd.Flags().StringVar(&by, "by", "", "who pauses; REOS_ACTOR, else the system's user and host, where left out")
	pauseFlags(cmd, &tenant, &stage)
	return cmd
}

func resumeCommand(c *console) *cobra.Command {
	var tenant, stage, why string
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End a pause and let held messages go",
		Example: `  reos pipeline resume --tenant acme
  reos pipeline resume --tenant acme --stage ingestion`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changePauses(cmd.Context(), c, tenant, stage, "resumed", func(ctx context.Context, in *installation, t store.Tenant, s events.Stage) (bool, error) {
				return in.db.Tenant(t.ID).Resume(ctx, s, in.config.actor(), why)
			})
		},
	}
	whyFlag(cmd, &why)
	pauseFlags(cmd, &tenant, &stage)
	return cmd
}

func pauseFlags(cmd *cobra.Command, tenant, stage *string) {
	cmd.Flags().StringVar(tenant, "tenant", "", "id or name of the tenant (required)")
	cmd.Flags().StringVar(stage, "stage", "", "ingestion, quality, embedding or indexing; all of them where left out")
}

// changePauses does one thing to a tenant's stages and says which it changed.
func changePauses(
	ctx context.Context, c *console, tenant, stage, done string, change func(context.Context, *installation, store.Tenant, events.Stage) (bool, error),
) error {
	stages := events.Pausable
	switch {
	case tenant == "":
		return badInput("--tenant is missing: `reos tenant list` shows the tenants")
	case stage != "" && !slices.Contains(events.Pausable, events.Stage(stage)):
		return badInput("--stage must be ingestion, quality, embedding or indexing, got %q", stage)
	case stage != "":
		stages = []events.Stage{events.Stage(stage)}
	}
	return withOpen(ctx, c, func(ctx context.Context, in *installation) error {
		owner, err := in.tenant(ctx, tenant)
		if err != nil {
			return err
		}
		result := pauseResult{Tenant: owner, Changed: []events.Stage{}}
		for _, s := range stages {
			changed, err := change(ctx, in, owner, s)
			if err != nil {
				return err
			}
			if changed {
				result.Changed = append(result.Changed, s)
			}
		}
		return c.print(result, func(w io.Writer) {
			for _, s := range result.Changed {
				fmt.Fprintf(w, "%s %s for %s\n", done, s, owner.Name)
			}
			if len(result.Changed) == 0 {
				fmt.Fprintf(w, "nothing to change: %s is %s already\n", owner.Name, done)
			}
		})
	}, (*installation).openDatabase)
}

func pausesCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "pauses",
		Short: "List who is paused where, by whom and why",
		Example: `  reos pipeline pauses
  reos pipeline pauses --json | jq '.pauses[] | select(.by == "breaker")'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				pauses, err := in.db.Platform().Pauses(ctx)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"pauses": pauses}, func(w io.Writer) { pauseRows(w, pauses) })
			}, (*installation).openDatabase)
		},
	}
}

func pauseRows(w io.Writer, pauses []store.Pause) {
	fmt.Fprintln(w, "TENANT\tSTAGE\tSINCE\tBY\tWHY\tSTATE")
	for _, p := range pauses {
		state := "paused"
		if !p.ResumedAt.IsZero() {
			state = "letting go since " + p.ResumedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Tenant, p.Stage, p.At.Format(time.RFC3339), p.By, p.Why, state)
	}
}
