package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

func dlqDiscardCommand(c *console) *cobra.Command {
	var flags letterFlags
	var why, secondToken string
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "discard",
		Short: "Give dead letters up",
		Long: `Gives up the letters that the flags name, open ones unless --state says otherwise. They are kept for DLQ_RETENTION (720h)
more, and then removed. Look first: --dry-run says how many they are, and whose.

More than DLQ_DISCARD_LIMIT (1000) letters are only discarded when a second person agrees: --second-token takes an
operator's token of somebody else. Each letter, and the operation, has an entry in the audit log.`,
		Example: `  reos dlq discard --overtaken --dry-run
  reos dlq discard --tenant acme --overtaken --why "newer versions are there"
  reos dlq discard --fingerprint 0f1e2d3c4b5a6978 --why "test data of March" --second-token "$(cat token)"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if why == "" && !dryRun {
				return badInput("--why is missing: it is kept with each letter")
			}
			if err := flags.parse(); err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				report, err := in.discardLetters(ctx, &flags, why, secondToken, dryRun)
				if errors.Is(err, store.ErrSecondNeeded) {
					return badInput("these are %d letters, more than DLQ_DISCARD_LIMIT (%d): a second person must agree, by --second-token",
						report.Letters, in.config.DiscardLimit)
				}
				if err != nil {
					return err
				}
				return c.print(report, func(w io.Writer) { discardRows(w, report) })
			}, (*installation).openDatabase)
		},
	}
	flags.addTo(cmd, store.LetterOpen)
	cmd.Flags().StringVar(&why, "why", "", "the reason: it is kept with each letter, and goes into the audit log (required)")
	cmd.Flags().StringVar(&secondToken, "second-token", "", "another operator's token, for many letters")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how many they are, and whose")
	return cmd
}

func (in *installation) discardLetters(ctx context.Context, flags *letterFlags, why, secondToken string, dryRun bool) (store.DiscardReport, error) {
	meant, err := in.selectLetters(ctx, flags)
	if err != nil {
		return store.DiscardReport{}, err
	}
	second, err := in.second(ctx, secondToken, meant)
	if err != nil {
		return store.DiscardReport{}, err
	}
	return in.newDesk().Discard(ctx, store.DiscardOrder{Meant: meant, Act: in.act(why), Second: second, DryRun: dryRun})
}

func discardRows(w io.Writer, report store.DiscardReport) {
	if report.DryRun {
		fmt.Fprintf(w, "%d letters would be discarded; nothing was done\n", report.Letters)
	} else {
		fmt.Fprintf(w, "%d of %d letters discarded\n", report.Discarded, report.Letters)
	}
	fmt.Fprintf(w, "digest\t%s\n", report.Digest)
	for _, share := range report.ByTenant {
		fmt.Fprintf(w, "tenant %s\t%d\n", share.Tenant, share.Letters)
	}
}
