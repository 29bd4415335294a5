package main

import (
	"context"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// exitRunEndedBadly is that of a run that was stopped or cancelled, or of which events died.
const exitRunEndedBadly = 4

// watchRunEvery is the time between two looks at a run that is waited for.
const watchRunEvery = 500 * time.Millisecond

func runsWatchCommand(c *console) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "watch RUN",
		Short: "Wait until a run has ended",
		Long: `Shows how far a run is until all of it has come to its end, and then its result. It may be ended and started again at any
time: the run does not depend on it.

Exit codes: 0 all is well; 4 it was stopped, cancelled or interrupted, or events of it died; 1 to 3 as everywhere.`,
		Example: `  reos runs watch 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10
  reos runs watch 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --tenant acme --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				only, err := in.onlyTenant(ctx, tenant)
				if err != nil {
					return err
				}
				parts, err := in.awaitRun(ctx, given[0], only)
				if err != nil {
					return err
				}
				if err := c.print(map[string]any{"runs": parts}, func(w io.Writer) { runPartRows(w, parts) }); err != nil {
					return err
				}
				return endedBadly(parts)
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all of the run where left out")
	return cmd
}

// awaitRun looks at a run until nothing of it is on its way any more.
func (in *installation) awaitRun(ctx context.Context, id string, only uuid.UUID) ([]runPart, error) {
	bar := in.console.progress(-1, "events ended", false)
	defer func() { _ = bar.Finish() }()
	ticker := time.NewTicker(watchRunEvery)
	defer ticker.Stop()
	for {
		parts, err := in.runParts(ctx, id, only)
		if err != nil {
			return nil, err
		}
		ended, of, over := int64(0), int64(0), true
		for i := range parts {
			if parts[i].Work == nil { // of a feed, only its events say how far it is
				if parts[i].RunView, err = api.FindRun(ctx, in.db.Tenant(parts[i].Tenant), id); err != nil {
					return nil, err
				}
			}
			itsEnded, itsAll, itIsOver := howFar(parts[i].RunView)
			ended, of, over = ended+itsEnded, of+itsAll, over && itIsOver
		}
		bar.ChangeMax64(max(of, 1))
		_ = bar.Set64(ended)
		if over {
			return parts, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// howFar says how many events of a run have come to their end, of how many, and whether that is all there will be.
func howFar(run api.RunView) (ended, of int64, over bool) {
	if work := run.Work; work != nil {
		return work.Ended + work.Skipped + work.Cancelled, work.Selected, work.SettledAt != nil
	}
	for _, n := range run.Events.Outcomes {
		ended += n
	}
	over = run.State != string(store.RunPublishing) && run.State != "working" && len(run.Events.Waiting) == 0
	return ended, max(run.Published-run.Known, ended), over
}

// endedBadly is the exit code of a run that did not do what it should.
func endedBadly(parts []runPart) error {
	for _, part := range parts {
		bad := false
		switch store.RunState(part.State) {
		case store.RunCancelled, store.RunStopped, store.RunInterrupted, store.RunFailed:
			bad = true
		}
		if part.Work != nil {
			bad = bad || part.Work.Dead > 0
		} else if part.Events != nil {
			bad = bad || part.Events.Outcomes[events.Dead] > 0
		}
		if bad {
			return &exitError{exitRunEndedBadly}
		}
	}
	return nil
}
