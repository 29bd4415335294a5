package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// shownRun is what `reos runs show` prints.
type shownRun struct {
	Parts []runPart  `json:"parts"` // one for each tenant
	Items []itemView `json:"items,omitempty"`
}

// itemView is an item of a run, as it is printed.
type itemView struct {
	Tenant  uuid.UUID       `json:"tenant_id"`
	Ordinal int64           `json:"ordinal"`
	Event   uuid.UUID       `json:"event_uid"` // of the new event
	Cause   uuid.UUID       `json:"cause_uid,omitzero"`
	Letter  uuid.UUID       `json:"letter_id,omitzero"`
	Type    string          `json:"record_type,omitempty"`
	Key     string          `json:"record_key,omitempty"`
	Stage   string          `json:"stage"`
	State   store.ItemState `json:"state"`
	Outcome string          `json:"outcome,omitempty"`
	Reason  string          `json:"reason,omitempty"`
}

func runsShowCommand(c *console) *cobra.Command {
	var tenant, items string
	var limit int
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show what was asked of a run, and how far it is",
		Example: `  reos runs show 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10
  reos runs show 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --items skipped --limit 1000 --json`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if limit < 1 || limit > 10_000 {
				return badInput("--limit must be from 1 to 10000")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				shown, err := in.showRun(ctx, given[0], tenant, cmd.Flags().Changed("items"), store.ItemState(items), limit)
				if err != nil {
					return err
				}
				return c.print(shown, func(w io.Writer) { shownRunRows(w, shown) })
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all of the run where left out")
	cmd.Flags().StringVar(&items, "items", "", "list items, too: those that are selected, released, published, ended, skipped or cancelled")
	cmd.Flags().IntVar(&limit, "limit", 100, "items of a tenant at most")
	return cmd
}

func (in *installation) showRun(ctx context.Context, id, tenant string, listed bool, state store.ItemState, limit int) (*shownRun, error) {
	only, err := in.onlyTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	parts, err := in.runParts(ctx, id, only)
	if err != nil {
		return nil, err
	}
	shown := &shownRun{Parts: parts}
	for i := range shown.Parts {
		part := &shown.Parts[i]
		handle := in.db.Tenant(part.Tenant)
		if part.RunView, err = api.FindRun(ctx, handle, id); err != nil {
			return nil, err
		}
		if !listed {
			continue
		}
		found, err := handle.RunItems(ctx, id, state, 0, limit)
		if err != nil {
			return nil, err
		}
		for _, item := range found {
			shown.Items = append(shown.Items, itemView{
				Tenant: part.Tenant, Ordinal: item.Ordinal, Event: item.Event, Cause: item.Cause, Letter: item.Letter, Type: string(item.Ref.Type),
				Key: item.Ref.Key, Stage: string(item.Stage), State: item.State, Outcome: string(item.Outcome), Reason: item.Reason,
			})
		}
	}
	return shown, nil
}

// onlyTenant is the id of a tenant; uuid.Nil where none is named.
func (in *installation) onlyTenant(ctx context.Context, named string) (uuid.UUID, error) {
	if named == "" {
		return uuid.Nil, nil
	}
	owner, err := in.tenant(ctx, named)
	return owner.ID, err
}

func shownRunRows(w io.Writer, shown *shownRun) {
	runPartRows(w, shown.Parts)
	for _, part := range shown.Parts {
		fmt.Fprintf(w, "\n%s\t%s\n", part.Name, part.Tenant)
		if work := part.Work; work != nil {
			fmt.Fprintf(w, "  why\t%s\n", work.Why)
			if work.Ticket != "" {
				fmt.Fprintf(w, "  ticket\t%s\n", work.Ticket)
			}
			fmt.Fprintf(w, "  selection\t%s\n", cmp.Or(string(work.Selection), "-"))
			fmt.Fprintf(w, "  digest\t%s\n", work.Digest)
			fmt.Fprintf(w, "  pace\trate %g/s, canary %d, stops above %g %%\n", work.Rate, work.Canary, work.StopAbove*100)
		}
		if part.Error != "" {
			fmt.Fprintf(w, "  ended early\t%s\n", part.Error)
		}
		for _, waiting := range part.Events.Waiting {
			fmt.Fprintf(w, "  %s\tunfinished\t\t%d\n", waiting.Stage, waiting.Events)
		}
		for _, ended := range part.Events.Ended {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%d\n", ended.Stage, ended.Outcome, ended.Reason, ended.Events)
		}
		for _, problem := range part.Problems {
			line, _ := json.Marshal(problem)
			fmt.Fprintf(w, "  left out\t%s\n", line)
		}
	}
	if len(shown.Items) > 0 {
		fmt.Fprintln(w, "\nITEM\tRECORD\tKEY\tSTAGE\tSTATE\tOUTCOME\tREASON\tEVENT")
	}
	for _, i := range shown.Items {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", i.Ordinal, i.Type, i.Key, i.Stage, i.State, cmp.Or(i.Outcome, "-"), cmp.Or(i.Reason, "-"), i.Event)
	}
}
