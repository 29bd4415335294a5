package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

const rootHelp = `reos is an event-driven property-data pipeline for many tenants: property events in, judged and
searchable records out.

Configuration comes from the environment: DATABASE_URL, RABBITMQ_URL, QDRANT_URL, S3_URL and friends. Where none of
them is set, verbs use a running "reos up".

Exit codes: 0 ok, 1 a bug in reos, 2 your input, 3 the environment (a service, a variable, the machine);
4 from "reos reconcile": the stores disagree, from "reos audit verify": the log was changed, and from
"reos tenant verify": a tenant got to another's data. "reos freshness" ends with 1 and 2 for what it found: see its help.`

// newRoot makes the command tree.
func newRoot(c *console) *cobra.Command {
	root := &cobra.Command{
		Use: "reos", Short: "Event-driven property-data pipeline", Long: rootHelp,
		SilenceUsage: true, SilenceErrors: true,
		Example: `  reos demo                                  # see all of it, on nothing but this machine
  reos up                                    # run it, all in one process
  reos publish homes.ndjson --tenant acme    # send a feed
  reos status --wait                         # see what became of it`,
	}
	root.SetIn(c.in)
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&c.json, "json", false, "print one JSON object instead of tables")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return badInput("%w (see `%s --help`)", err, cmd.CommandPath())
	})
	root.Args = func(_ *cobra.Command, given []string) error {
		if len(given) > 0 {
			return badInput("no verb %q (see `reos --help`)", given[0])
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.AddCommand(
		demoCommand(c), upCommand(c), workerCommand(c), migrateCommand(c), tenantCommand(c),
		publishCommand(c), eventCommand(c), statusCommand(c), searchCommand(c), qualityCommand(c), dlqCommand(c), pipelineCommand(c), runsCommand(c), reconcileCommand(c), auditCommand(c),
		benchCommand(c), apiCommand(c), tokenCommand(c), healthCommand(c), freshnessCommand(c),
	)
	return root
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return badInput("%s needs a verb: %s", cmd.CommandPath(), verbs(commands))
		}
		return badInput("%s knows no verb %q: %s", cmd.CommandPath(), args[0], verbs(commands))
	}, RunE: func(*cobra.Command, []string) error { return nil }}
	cmd.AddCommand(commands...)
	return cmd
}

func verbs(commands []*cobra.Command) string {
	names := make([]string, len(commands))
	for i, command := range commands {
		names[i] = command.Name()
	}
	return strings.Join(names, ", ")
}

// args makes a wrong number of arguments the user's error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return badInput("%w (see `%s --help`)", err, cmd.CommandPath())
		}
		return nil
	}
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
