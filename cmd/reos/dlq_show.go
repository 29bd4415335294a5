package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func dlqShowCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter with its headers and payload, and what became of it",
		Example: `  reos dlq show 5f1c…-… --json`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			id, err := letterID(given[0])
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				found, err := in.findLetter(ctx, id)
				if err != nil {
					return err
				}
				shown := api.NewDeadLetterView(found)
				return c.print(shown, func(w io.Writer) { letterCard(w, shown) })
			}, (*installation).openDatabase)
		},
	}
}

func letterCard(w io.Writer, l letter) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	line("id", l.ID.String())
	line("tenant", l.Tenant.String())
	line("state", letterStateText(l))
	line("kind", string(l.Kind))
	line("stage", string(l.Stage))
	line("lane", l.Lane)
	line("reason", string(l.Reason))
	line("error", l.Error)
	line("group", l.Fingerprint)
	line("attempts", fmt.Sprint(l.Attempts))
	line("worker version", l.WorkerVersion)
	line("event", l.EventID)
	line("type", l.EventType)
	line("key", l.Key)
	line("run", l.RunID)
	line("trace", l.TraceParent)
	line("routing key", l.RoutingKey)
	line("first failed", l.FirstFailedAt.Format(time.RFC3339))
	line("failed", l.FailedAt.Format(time.RFC3339))
	if len(l.FailedTimes) > 0 {
		var times []string
		for _, at := range l.FailedTimes {
			times = append(times, at.Format(time.RFC3339))
		}
		line("attempts failed", strings.Join(times, " "))
	}
	if l.Overtaken {
		line("overtaken", "a newer version of the record has come to its end: discard this letter")
	}
	if d := l.Discard; d != nil {
		line("discarded", fmt.Sprintf("%s by %s: %s", d.At.Format(time.RFC3339), d.By, d.Why))
	}
	if r := l.Replay; r != nil {
		line("replayed", fmt.Sprintf("%s by run %s as event %s: %s", r.At.Format(time.RFC3339), r.RunID, r.Event, replayText(*r)))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		fmt.Fprintf(w, "header %s\t%q\n", name, l.Headers[name])
	}
	payload := l.PayloadBase64
	if l.Payload != nil {
		payload = *l.Payload
	}
	fmt.Fprintf(w, "payload\t%s\n", events.Shorten(payload, 4000))
}

// replayText says what became of a letter's new attempt.
func replayText(r store.LetterReplay) string {
	switch {
	case r.Outcome != "" && r.Reason != "":
		return fmt.Sprintf("%s (%s)", r.Outcome, r.Reason)
	case r.Outcome != "":
		return string(r.Outcome)
	case r.Waiting != "":
		return "waits at " + string(r.Waiting)
	}
	return "on its way"
}
