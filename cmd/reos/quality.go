package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// quarantined is a record in quarantine as it is printed.
type quarantined struct {
	RecordType events.RecordType `json:"record_type"`
	Key        string            `json:"record_key"`
	VersionAt  time.Time         `json:"version_at"`
	Suite      string            `json:"suite"`
	JudgedAt   time.Time         `json:"judged_at"`
	Failures   []store.Failure   `json:"failures"`
}

func qualityCommand(c *console) *cobra.Command {
	var tenant string
	var limit int
	list := &cobra.Command{
		Use:   "list",
		Short: "List a tenant's records in quarantine, and why they are there",
		Long: `Lists the records whose newest version failed an expectation of severity error, by type and key, with every failed
expectation: the field, what it must be and what was found. A better version takes a record out of quarantine.`,
		Example: `  reos quality list --tenant acme
  reos quality list --tenant acme --json | jq '.quarantined[].failures[].field'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case tenant == "":
				return badInput("--tenant is missing: `reos tenant list` shows the tenants")
			case limit < 1 || limit > maxLetters:
				return badInput("--limit must be from 1 to %d, got %d", maxLetters, limit)
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				owner, err := in.tenant(ctx, tenant)
				if err != nil {
					return err
				}
				verdicts, err := in.db.Tenant(owner.ID).Quarantined(ctx, limit, store.Ref{})
				if err != nil {
					return err
				}
				return c.print(map[string]any{"quarantined": shown(verdicts)}, func(w io.Writer) { verdictRows(w, verdicts) })
			}, (*installation).openDatabase)
		},
	}
	list.Flags().StringVar(&tenant, "tenant", "", "id or name of the tenant (required)")
	list.Flags().IntVar(&limit, "limit", 50, "records at most")
	return group("quality", "Look at what was judged, and have it judged again", list, recheckCommand(c))
}

func shown(verdicts []store.Verdict) []quarantined {
	records := make([]quarantined, len(verdicts))
	for i, v := range verdicts {
		records[i] = quarantined{
			RecordType: v.Ref.Type, Key: v.Ref.Key, VersionAt: v.Version.At, Suite: v.Suite, JudgedAt: v.JudgedAt, Failures: v.Failures,
		}
	}
	return records
}

func verdictRows(w io.Writer, verdicts []store.Verdict) {
	fmt.Fprintln(w, "TYPE\tKEY\tSEVERITY\tFIELD\tMUST BE\tGOT")
	for _, v := range verdicts {
		for _, f := range v.Failures {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", v.Ref.Type, v.Ref.Key, f.Severity, f.Field, f.Limit, cmp.Or(f.Observed, "nothing"))
		}
	}
}
