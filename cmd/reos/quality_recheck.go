package main

import (
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
)

// recheckCommand is `reos pipeline trigger` for what is in quarantine.
func recheckCommand(c *console) *cobra.Command {
	cmd := triggerCommand(c)
	cmd.Use, cmd.Short = "recheck", "Have what is in quarantine judged again"
	cmd.Long = `Judges the newest version of every quarantined record again, after a suite or a mapping was corrected: what passes goes on
to search. It is "reos pipeline trigger --stage quality --filter verdict=quarantined", and takes the same flags.`
	cmd.Example = `  reos quality recheck --tenant acme --dry-run
  reos quality recheck --tenant acme --filter City=Seattle --why "suite 8 knows condos" --wait`
	flags := cmd.Flags()
	_ = flags.Set("filter", "verdict=quarantined") // others narrow it further
	_ = flags.Set("stage", string(events.Quality))
	_ = flags.MarkHidden("stage")
	return cmd
}
