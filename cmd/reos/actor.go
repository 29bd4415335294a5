package main

import (
	"cmp"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

// actor is who runs this process, as the audit log names it: REOS_ACTOR, else the system's user and host.
func (c *config) actor() string { return cmp.Or(c.Actor, osUser()) }

// act is what this process does, and why.
func (in *installation) act(why string) store.Act {
	return store.Act{By: in.config.actor(), Why: why}
}

// osUser names whoever runs this process, and where.
func osUser() string {
	name, host := "unknown", "unknown"
	if u, err := user.Current(); err == nil && u.Username != "" {
		name = u.Username
	}
	if h, err := os.Hostname(); err == nil && h != "" {
		host = h
	}
	return name + "@" + host
}

// whyFlag adds the flag that says why, for the audit log.
func whyFlag(cmd *cobra.Command, why *string) {
	cmd.Flags().StringVar(why, "why", "", "the reason, for the audit log")
}
