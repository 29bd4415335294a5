package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// exitBroken is audit verify's own: the log is not as it was written.
const exitBroken = 4

func auditCommand(c *console) *cobra.Command {
	return group("audit", "See who changed what, and that nobody changed the log", auditListCommand(c), auditVerifyCommand(c))
}

func auditListCommand(c *console) *cobra.Command {
	var tenant, since, action string
	filter := store.AuditFilter{}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List who did what, when and why, newest first",
		Example: `  reos audit list
  reos audit list --tenant acme --since 72h
  reos audit list --action tenant.delete --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter.Action = store.Action(action)
			if action != "" && !slices.Contains(store.Actions, filter.Action) {
				return badInput("--action %q must be one of %v", action, store.Actions)
			}
			var err error
			if filter.Since, err = momentOf("--since", since); err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				entries, err := in.auditLog(ctx, tenant, filter)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"entries": append([]store.AuditEntry{}, entries...)}, func(w io.Writer) { auditRows(w, entries) })
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant, or the id of one that was deleted; all where left out")
	cmd.Flags().StringVar(&since, "since", "", "a time (2026-03-01T00:00:00Z) or how long ago (72h)")
	cmd.Flags().StringVar(&action, "action", "", "one action, such as tenant.suspend")
	cmd.Flags().Int64Var(&filter.Before, "before", 0, "entries before this number: the last of the page before")
	cmd.Flags().IntVar(&filter.Limit, "limit", 100, "entries at most")
	return cmd
}

func (in *installation) auditLog(ctx context.Context, tenant string, filter store.AuditFilter) ([]store.AuditEntry, error) {
	if tenant == "" {
		return in.db.Platform().AuditLog(ctx, filter)
	}
	owner, err := in.anyTenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return in.db.Tenant(owner.ID).AuditLog(ctx, filter)
}

func auditRows(w io.Writer, entries []store.AuditEntry) {
	fmt.Fprintln(w, "NO\tAT\tTENANT\tACTOR\tACTION\tSUBJECT\tWHY\tDETAILS")
	for _, e := range entries {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Seq, e.At.Format(time.RFC3339), e.Tenant, e.Actor, e.Action, e.Subject, e.Why, e.Details)
	}
}

// auditHead is what verify prints. Kept elsewhere, it is --seen later.
type auditHead struct {
	Entries int64  `json:"entries"`
	Head    string `json:"head"` // NUMBER:HASH of the last entry
}

func auditVerifyCommand(c *console) *cobra.Command {
	var seen string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit log is as it was written",
		Long: `Reads the whole audit log and computes its chain of digests anew. An entry that was changed, removed, added or moved
breaks the chain, and so do newest entries that are missing.

Whoever owns the database's schema could write all of the log anew, or take away its newest entries together with the note
of how many there were. That shows only against a head that was kept elsewhere: keep what this verb prints, and give it as
--seen.

Exit codes: 0 as it was written; 4 the chain is broken, and at which entry; 1 to 3 as everywhere.`,
		Example: `  reos audit verify
  reos audit verify --json | jq -r .head > /mnt/vault/audit-head
  reos audit verify --seen "$(cat /mnt/vault/audit-head)"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			noted, err := parseHead(seen)
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				head, err := in.db.Platform().VerifyAudit(ctx, noted)
				var broken *postgres.AuditBreak
				if errors.As(err, &broken) {
					return errors.Join(c.print(map[string]any{"entry": broken.Seq, "fault": broken.Fault}, func(w io.Writer) {
						fmt.Fprintf(w, "BROKEN at %v\n", broken)
					}), &exitError{exitBroken})
				}
				if err != nil {
					return err
				}
				found := auditHead{Entries: head.Seq, Head: fmt.Sprintf("%d:%s", head.Seq, hex.EncodeToString(head.Hash))}
				return c.print(found, func(w io.Writer) {
					fmt.Fprintf(w, "%d entries, as they were written\nhead\t%s\n", found.Entries, found.Head)
				})
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&seen, "seen", "", "a head that this verb has printed before, NUMBER:HASH: the log must still begin with it")
	return cmd
}

func parseHead(given string) (*store.AuditHead, error) {
	if given == "" {
		return nil, nil
	}
	number, digest, _ := strings.Cut(strings.TrimSpace(given), ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	hash, hashErr := hex.DecodeString(digest)
	if err != nil || hashErr != nil || len(hash) != 32 || seq < 0 {
		return nil, badInput("--seen %q must be NUMBER:HASH, as `reos audit verify` prints it", given)
	}
	return &store.AuditHead{Seq: seq, Hash: hash}, nil
}
