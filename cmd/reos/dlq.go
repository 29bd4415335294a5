package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/store"
)

// letter is a dead letter as it is printed.
type letter = api.DeadLetterView

func dlqCommand(c *console) *cobra.Command {
	return group("dlq", "Look at dead letters, replay them, give them up",
		dlqGroupsCommand(c), dlqListCommand(c), dlqShowCommand(c), dlqExportCommand(c),
		dlqPlanCommand(c), dlqRunCommand(c), dlqDiscardCommand(c), dlqImportCommand(c))
}

// letterReader is one tenant's letters on its own handle, or everybody's on the platform's.
type letterReader interface {
	store.LetterReader
	store.LetterGroupReader
}

func (in *installation) letterReader(meant store.LetterSelection) letterReader {
	if meant.Tenant == nil {
		return in.db.Platform()
	}
	return in.db.Tenant(*meant.Tenant)
}

// selectLetters completes a selection by the tenant that a flag names; nobody's where the flag names the platform.
func (in *installation) selectLetters(ctx context.Context, flags *letterFlags) (store.LetterSelection, error) {
	meant := flags.meant
	switch flags.tenant {
	case "":
		return meant, nil
	case store.PlatformTenant.String():
		platform := store.PlatformTenant
		meant.Tenant = &platform
		return meant, nil
	}
	owner, err := in.tenant(ctx, flags.tenant)
	meant.Tenant = &owner.ID
	return meant, err
}
