package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// letter is a dead letter as it is printed.
type letter struct {
	ID            uuid.UUID         `json:"id"`
	Tenant        uuid.UUID         `json:"tenant_id"`
	Stage         events.Stage      `json:"stage,omitempty"`
	Lane          string            `json:"lane,omitempty"`
	Reason        events.Reason     `json:"reason"`
	Error         string            `json:"error"`
	Attempts      int               `json:"attempts"`
	EventID       string            `json:"event_id,omitempty"`
	EventType     string            `json:"event_type,omitempty"`
	Key           string            `json:"record_key,omitempty"`
	RunID         string            `json:"run_id,omitempty"`
	RoutingKey    string            `json:"routing_key"`
	FirstFailedAt time.Time         `json:"first_failed_at"`
	FailedAt      time.Time         `json:"failed_at"`
	PayloadBytes  int               `json:"payload_bytes"`
	Headers       map[string]string `json:"headers,omitempty"`        // show only
	Payload       *string           `json:"payload,omitempty"`        // show only, where it is text
	PayloadBase64 string            `json:"payload_base64,omitempty"` // show only, where it is not
}

func summary(l store.DeadLetter) letter {
	return letter{
		ID: l.ID, Tenant: l.Tenant, Stage: l.Stage, Lane: l.Lane, Reason: l.Reason, Error: l.Error, Attempts: l.Attempts,
		EventID: l.EventID, EventType: l.EventType, Key: l.Key, RunID: l.RunID, RoutingKey: l.RoutingKey,
		FirstFailedAt: l.FirstFailedAt, FailedAt: l.FailedAt, PayloadBytes: len(l.Payload),
	}
}

func whole(l store.DeadLetter) letter {
	shown := summary(l)
	shown.Headers = l.Headers
	if utf8.Valid(l.Payload) {
		text := string(l.Payload)
		shown.Payload = &text
	} else {
		shown.PayloadBase64 = base64.StdEncoding.EncodeToString(l.Payload)
	}
	return shown
}

func dlqCommand(c *console) *cobra.Command {
	var tenant, reason, stage string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Long: `Lists what no retry could save, newest first. Messages that belong to no known tenant are listed under the
tenant id ` + store.PlatformTenant.String() + `.`,
		Example: `  reos dlq list
  reos dlq list --tenant acme --reason tenant_mismatch --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := letterFilter(reason, stage, limit)
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				letters, err := in.deadLetters(ctx, tenant, filter)
				if err != nil {
					return err
				}
				shown := make([]letter, len(letters))
				for i, one := range letters {
					shown[i] = summary(one)
				}
				return c.print(map[string]any{"dead_letters": shown}, func(w io.Writer) { letterRows(w, shown) })
			}, (*installation).openDatabase)
		},
	}
	list.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all where left out")
	list.Flags().StringVar(&reason, "reason", "", "only this reason")
	list.Flags().StringVar(&stage, "stage", "", "only this stage")
	list.Flags().IntVar(&limit, "limit", 50, "letters at most")
	show := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one dead letter with its headers and payload",
		Example: `  reos dlq show 5f1c…-… --json`,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			id, err := uuid.Parse(given[0])
			if err != nil {
				return badInput("%q must be a dead letter's UUID: `reos dlq list` shows them", given[0])
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				found, err := in.db.Platform().DeadLetter(ctx, id)
				if isNotFound(err) {
					return badInput("no dead letter %s: `reos dlq list` shows them", id)
				}
				if err != nil {
					return err
				}
				shown := whole(found)
				return c.print(shown, func(w io.Writer) { letterCard(w, shown) })
			}, (*installation).openDatabase)
		},
	}
	return group("dlq", "Look at dead letters", list, show)
}

// maxLetters bounds one listing.
const maxLetters = 10_000

func letterFilter(reason, stage string, limit int) (store.DeadLetterFilter, error) {
	switch {
	case limit < 1 || limit > maxLetters:
		return store.DeadLetterFilter{}, badInput("--limit must be from 1 to %d, got %d", maxLetters, limit)
	case reason != "" && !slices.Contains(events.Reasons, events.Reason(reason)):
		return store.DeadLetterFilter{}, badInput("--reason %q must be one of %v", reason, events.Reasons)
	case stage != "" && !slices.Contains(events.Stages, events.Stage(stage)):
		return store.DeadLetterFilter{}, badInput("--stage %q must be one of %s", stage, stageNames())
	}
	return store.DeadLetterFilter{Reason: events.Reason(reason), Stage: events.Stage(stage), Limit: limit}, nil
}

// deadLetters lists one tenant's letters on its own handle, or everybody's on the platform's.
func (in *installation) deadLetters(ctx context.Context, tenant string, filter store.DeadLetterFilter) ([]store.DeadLetter, error) {
	if tenant == "" {
		return in.db.Platform().DeadLetters(ctx, filter)
	}
	if tenant == store.PlatformTenant.String() {
		return in.db.Tenant(store.PlatformTenant).DeadLetters(ctx, filter)
	}
	owner, err := in.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return in.db.Tenant(owner.ID).DeadLetters(ctx, filter)
}

func letterRows(w io.Writer, letters []letter) {
	fmt.Fprintln(w, "ID\tFAILED\tTENANT\tSTAGE\tREASON\tKEY\tERROR")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			l.ID, l.FailedAt.Format("2006-01-02 15:04:05"), l.Tenant, l.Stage, l.Reason, l.Key, l.Error)
	}
}

func letterCard(w io.Writer, l letter) {
	fmt.Fprintf(w, "id\t%s\ntenant\t%s\nstage\t%s\nlane\t%s\nreason\t%s\nerror\t%s\nattempts\t%d\n",
		l.ID, l.Tenant, l.Stage, l.Lane, l.Reason, l.Error, l.Attempts)
	fmt.Fprintf(w, "event\t%s\ntype\t%s\nkey\t%s\nrun\t%s\nrouting key\t%s\nfirst failed\t%s\nfailed\t%s\n",
		l.EventID, l.EventType, l.Key, l.RunID, l.RoutingKey, l.FirstFailedAt.Format(time.RFC3339), l.FailedAt.Format(time.RFC3339))
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		fmt.Fprintf(w, "header %s\t%q\n", name, l.Headers[name])
	}
	payload := l.PayloadBase64
	if l.Payload != nil {
		payload = *l.Payload
	}
	fmt.Fprintf(w, "payload\t%s\n", events.Shorten(payload, 4000))
}
