package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// maxLetters bounds one listing.
const maxLetters = 10_000

func dlqListCommand(c *console) *cobra.Command {
	var flags letterFlags
	var limit int
	var before string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, newest first",
		Long: `Lists what no retry could save, newest first. Messages that belong to no known tenant are listed under the
tenant id ` + store.PlatformTenant.String() + `.`,
		Example: `  reos dlq list
  reos dlq list --tenant acme --reason tenant_mismatch --json
  reos dlq list --payload City=Kirkland --since 24h
  reos dlq list --before 5f1c…-…             # the next page: behind the last letter of this one`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > maxLetters {
				return badInput("--limit must be from 1 to %d, got %d", maxLetters, limit)
			}
			if err := flags.parse(); err != nil {
				return err
			}
			var last uuid.UUID
			if before != "" {
				var err error
				if last, err = letterID(before); err != nil {
					return err
				}
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				page, err := in.listLetters(ctx, &flags, limit, last)
				if err != nil {
					return err
				}
				shown := make([]letter, len(page.Letters))
				for i, one := range page.Letters {
					shown[i] = api.NewDeadLetterView(one)
				}
				return c.print(map[string]any{"dead_letters": shown, "more": page.Next != nil}, func(w io.Writer) { letterRows(w, shown) })
			}, (*installation).openDatabase)
		},
	}
	flags.addTo(cmd, store.LetterOpen)
	cmd.Flags().IntVar(&limit, "limit", 50, "letters at most")
	cmd.Flags().StringVar(&before, "before", "", "only letters behind this one: the last of the page before")
	return cmd
}

func (in *installation) listLetters(ctx context.Context, flags *letterFlags, limit int, before uuid.UUID) (store.LetterPage, error) {
	meant, err := in.selectLetters(ctx, flags)
	if err != nil {
		return store.LetterPage{}, err
	}
	filter := meant.DeadLetterFilter
	filter.Limit = limit
	if before != uuid.Nil {
		last, err := in.findLetter(ctx, before)
		if err != nil {
			return store.LetterPage{}, err
		}
		filter.After = last.Cursor()
	}
	var match *store.PayloadMatch
	if m, ok := store.ParsePayloadMatch(meant.Payload); ok {
		match = &m
	}
	page, err := store.FindLetters(ctx, in.letterReader(meant), filter, match, 0)
	if meant.Overtaken {
		kept := page.Letters[:0]
		for _, l := range page.Letters {
			if l.Overtaken {
				kept = append(kept, l)
			}
		}
		page.Letters = kept
	}
	return page, err
}

// letterID reads what an operator gave as a letter's id.
func letterID(given string) (uuid.UUID, error) {
	id, err := uuid.Parse(strings.TrimSpace(given))
	if err != nil {
		return id, badInput("%q must be a dead letter's UUID: `reos dlq list` shows them", given)
	}
	return id, nil
}

// findLetter finds a letter, whole.
func (in *installation) findLetter(ctx context.Context, id uuid.UUID) (store.DeadLetter, error) {
	found, err := in.db.Platform().DeadLetter(ctx, id)
	if isNotFound(err) {
		return found, badInput("no dead letter %s: `reos dlq list --state all` shows them", id)
	}
	return found, err
}

func dlqExportCommand(c *console) *cobra.Command {
	var flags letterFlags
	var output string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write whole dead letters as NDJSON",
		Long: `Writes letters with headers and payloads, one JSON object in a line, newest first. They are written as they are read:
however many there are, it takes no memory. The file appears when it is whole. With --json, a summary is printed, and -o must name a file.`,
		Example: `  reos dlq export --tenant acme -o letters.ndjson
  reos dlq export --fingerprint 0f1e2d3c4b5a6978 | jq -r .error | sort | uniq -c`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := flags.parse(); err != nil {
				return err
			}
			if c.json && output == "" {
				return badInput("-o is missing: with --json only a summary is printed")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				return in.exportLetters(ctx, &flags, output)
			}, (*installation).openDatabase)
		},
	}
	flags.addTo(cmd, "all")
	cmd.Flags().StringVarP(&output, "output", "o", "", "file to write; standard output where left out")
	return cmd
}

func (in *installation) exportLetters(ctx context.Context, flags *letterFlags, output string) error {
	meant, err := in.selectLetters(ctx, flags)
	if err != nil {
		return err
	}
	bar := in.console.progress(-1, "letters", false)
	defer func() { _ = bar.Finish() }()
	n := 0
	err = writeOver(output, in.console.out, func(w io.Writer) error {
		lines := json.NewEncoder(w)
		return store.SelectLetters(ctx, in.letterReader(meant), meant, true, func(letters []store.DeadLetter) error {
			for _, l := range letters {
				if err := lines.Encode(api.NewDeadLetterView(l)); err != nil {
					return environmentError{err}
				}
				n++
			}
			return bar.Add(len(letters))
		})
	})
	if err != nil || output == "" {
		return err
	}
	return in.console.print(map[string]any{"dead_letters": n, "file": output}, func(w io.Writer) { fmt.Fprintf(w, "%d dead letters in %s\n", n, output) })
}

func letterRows(w io.Writer, letters []letter) {
	fmt.Fprintln(w, "ID\tFAILED\tTENANT\tSTAGE\tREASON\tKEY\tSTATE\tERROR")
	for _, l := range letters {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			l.ID, shortTime(l.FailedAt), l.Tenant, cmp.Or(string(l.Stage), "broker"), l.Reason, l.Key, letterStateText(l), l.Error)
	}
}

// letterStateText is a letter's state in a word or two.
func letterStateText(l letter) string {
	switch {
	case l.Replay != nil && l.Replay.Outcome != "":
		return string(l.State) + ": " + string(l.Replay.Outcome)
	case l.State == store.LetterOpen && l.Overtaken:
		return "overtaken"
	}
	return string(l.State)
}
