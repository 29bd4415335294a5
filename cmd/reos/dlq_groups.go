package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

func dlqGroupsCommand(c *console) *cobra.Command {
	var flags letterFlags
	var limit int
	cmd := &cobra.Command{
		Use:   "groups [FINGERPRINT]",
		Short: "List groups of dead letters, the largest first; or show one over time",
		Long: `Letters that died at the same stage for the same reason and the same error, but for numbers, ids, times and what is
quoted, are a group. It is named by a fingerprint, which all other verbs of dlq take. Counts are kept with every letter:
this is quick however many there are. --since and --until are taken by the hour; with --type or --key, letters are
counted one by one.

With a fingerprint, says whose letters the group has, and how many died in which hour.`,
		Example: `  reos dlq groups
  reos dlq groups --tenant acme --kind transient --since 24h
  reos dlq groups 0f1e2d3c4b5a6978
  reos dlq groups --json | jq -r '.groups[].sentence'`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			if limit < 1 || limit > maxLetters {
				return badInput("--limit must be from 1 to %d, got %d", maxLetters, limit)
			}
			if err := flags.parse(); err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				meant, err := in.selectLetters(ctx, &flags)
				if err != nil {
					return err
				}
				if len(given) == 1 {
					return showGroup(ctx, c, in.letterReader(meant), given[0])
				}
				filter := store.LetterGroupFilter{DeadLetterFilter: meant.DeadLetterFilter}
				filter.Limit = limit
				groups, err := in.letterReader(meant).LetterGroups(ctx, filter)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"groups": append([]store.LetterGroup{}, groups...)}, func(w io.Writer) { groupRows(w, groups) })
			}, (*installation).openDatabase)
		},
	}
	flags.addGroupFlags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "groups at most")
	return cmd
}

func showGroup(ctx context.Context, c *console, reader letterReader, fingerprint string) error {
	detail, err := reader.LetterGroup(ctx, fingerprint)
	if isNotFound(err) {
		return badInput("no group %q: `reos dlq groups` shows them", fingerprint)
	}
	if err != nil {
		return err
	}
	return c.print(detail, func(w io.Writer) {
		fmt.Fprintf(w, "%s\nfor example\t%s\n\nTENANT\tOPEN\tREPLAYED\tDISCARDED\n", detail.Sentence, detail.Sample)
		for _, n := range detail.ByTenant {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", n.Tenant, n.Open, n.Replayed, n.Discarded)
		}
		fmt.Fprintln(w, "\nHOUR\tOPEN\tREPLAYED\tDISCARDED")
		for _, h := range detail.ByHour {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\n", h.Hour.UTC().Format("2006-01-02 15:00"), h.Open, h.Replayed, h.Discarded)
		}
	})
}

func groupRows(w io.Writer, groups []store.LetterGroup) {
	fmt.Fprintln(w, "GROUP\tOPEN\tREPLAYED\tDISCARDED\tKIND\tSTORY")
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%s\n", g.Fingerprint, g.Open, g.Replayed, g.Discarded, g.Kind, g.Sentence)
	}
}
