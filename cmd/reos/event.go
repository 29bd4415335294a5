package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
)

func eventCommand(c *console) *cobra.Command {
	var tenant, source string
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show where an event is, and how it came there",
		Long: `Shows an event's state and timeline: when it was received and accepted, each stage with time and outcome, failed
expectations, what it was stale against, its dead letters, and what holds it. ID is the CloudEvent's id, or the event's
UID within the tenant.`,
		Example: `  reos event show evt-1 --tenant acme
  reos event show 0b8f1c52-5d0f-4a3e-9a53-4f6b1f6f2f10 --tenant acme --json
  reos event show 42 --tenant acme --source mls/northwest`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if tenant == "" {
				return badInput("--tenant is missing: `reos tenant list` shows the tenants")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				owner, err := in.tenant(ctx, tenant)
				if err != nil {
					return err
				}
				timeline, err := api.FindTimeline(ctx, in.db.Tenant(owner.ID), given[0], source)
				var several *huma.ErrorModel
				switch {
				case isNotFound(err):
					return badInput("tenant %s has no event %q: it was not accepted, its dead letter names no event (`reos dlq list`), or it ended so long ago that it is forgotten (PROGRESS_RETENTION)", owner.Name, given[0])
				case errors.As(err, &several):
					return badInput("several sources use the id %q; name one with --source:\n%s", given[0], choices(several))
				case err != nil:
					return err
				}
				return c.print(timeline, func(w io.Writer) { timelineRows(w, timeline) })
			}, (*installation).openDatabase)
		},
	}
	show.Flags().StringVar(&tenant, "tenant", "", "id or name of the tenant (required)")
	show.Flags().StringVar(&source, "source", "", "the CloudEvent's source, where several use the same id")
	return group("event", "Show what became of an event", show)
}

// choices lists the sources that an ambiguous id may be of.
func choices(several *huma.ErrorModel) string {
	lines := make([]string, len(several.Errors))
	for i, choice := range several.Errors {
		lines[i] = "  " + choice.Message
	}
	return strings.Join(lines, "\n")
}

func timelineRows(w io.Writer, t api.Timeline) {
	fmt.Fprintf(w, "%s\t%s\n", t.State, t.Sentence)
	fmt.Fprintf(w, "event\t%s of %s\n", t.ID, cmp.Or(t.Source, "an unknown source"))
	if t.EventUID != nil {
		fmt.Fprintf(w, "uid\t%s\n", t.EventUID)
	}
	if t.Type != "" {
		fmt.Fprintf(w, "type\t%s\n", t.Type)
	}
	if t.Record != nil {
		fmt.Fprintf(w, "record\t%s %s, version %s\n", t.Record.Type, t.Record.Key, t.Record.TimelineVersion)
	}
	if t.RunID != "" {
		fmt.Fprintf(w, "run\t%s\n", t.RunID)
	}
	for _, f := range t.Failures {
		fmt.Fprintf(w, "%s\t%s: %s must be %s, got %s\n", f.Severity, f.Expectation, f.Field, f.Limit, cmp.Or(f.Observed, "nothing"))
	}
	fmt.Fprintln(w, "\nAT\tSTAGE\tWHAT\tREASON\tDETAIL")
	for _, e := range t.Timeline {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.At.Format(time.RFC3339Nano), cmp.Or(string(e.Stage), "-"), e.What, cmp.Or(string(e.Reason), "-"), e.Detail)
	}
}
