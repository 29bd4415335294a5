package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// planFlags say how a replay shall go.
type planFlags struct {
	letterFlags
	edit, from, stopAbove, why, ticket string
	rate                               float64
	canary                             int64
}

func dlqPlanCommand(c *console) *cobra.Command {
	var flags planFlags
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Freeze a replay of dead letters, and say what it would do",
		Long: `Freezes the open letters that the flags name and that are eligible, and reports how many they are, whose, which others
are not eligible and why, a sample, and how long a replay would take. Nothing is replayed before "reos dlq run PLAN".

A letter that died in ingestion, or was never routed, goes in by the intake once more: original bytes and headers, under
a new id with the old one as causationid. One that died later goes on as a step of its record at the stage where it died,
or at --from-stage. All of it takes the bulk lane, behind live events.

--edit is a file with a JSON Patch (RFC 6902) that is applied to the data of each letter that died in ingestion. Tenant and
record cannot be edited; what comes of it must pass contract and suite, or the letter is not eligible.

A plan is a run: reos runs list, show, pause, resume, cancel and watch know it.`,
		Example: `  reos dlq plan --fingerprint 0f1e2d3c4b5a6978 --canary 10 --stop-above 10% --why "fixed by 1.4.1"
  reos dlq plan --tenant acme --reason version_invalid --edit patch.json --why "their clock" --ticket OPS-7
  reos dlq plan --stage indexing --from-stage quality --rate 50 --why "suite corrected" --json | jq -r .run_id`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			order, err := flags.order()
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				return in.planReplay(ctx, &flags, order)
			}, (*installation).openDatabase)
		},
	}
	flags.addTo(cmd, store.LetterOpen)
	add := cmd.Flags()
	add.StringVar(&flags.edit, "edit", "", "file with a JSON Patch for the data of each letter; - is standard input")
	add.StringVar(&flags.from, "from-stage", "", "quality, embedding or indexing; where each letter died where left out")
	add.Float64Var(&flags.rate, "rate", 0, "events per second, over all tenants; as they come where left out")
	add.Int64Var(&flags.canary, "canary", 0, "so many go first, and must end before any other goes")
	add.StringVar(&flags.stopAbove, "stop-above", "", "the share of events that die again above which the replay stops by itself: 10% or 0.1; 10% with a canary")
	add.StringVar(&flags.why, "why", "", "the reason, for the audit log (required)")
	add.StringVar(&flags.ticket, "ticket", "", "where somebody else keeps the story")
	return cmd
}

// order checks the flags; the tenant is still to be found.
func (f *planFlags) order() (store.ReplayOrder, error) {
	order := store.ReplayOrder{FromStage: events.Stage(f.from), Rate: f.rate, Canary: f.canary, Ticket: f.ticket}
	if err := f.parse(); err != nil {
		return order, err
	}
	switch {
	case f.why == "":
		return order, badInput("--why is missing: say what was mended")
	case f.from != "" && order.FromStage != events.Quality && order.FromStage != events.Embedding && order.FromStage != events.Indexing:
		return order, badInput("--from-stage %q must be quality, embedding or indexing", f.from)
	case f.rate < 0 || f.canary < 0:
		return order, badInput("--rate and --canary must not be negative")
	}
	var err error
	if order.StopAbove, err = shareOf(f.stopAbove); err != nil {
		return order, err
	}
	if order.Canary > 0 && order.StopAbove == 0 {
		order.StopAbove = defaultStopAbove
	}
	order.Edit, err = readPatch(f.edit)
	return order, err
}

// defaultStopAbove is what stops a replay with a canary that says nothing else.
const defaultStopAbove = 0.1

func readPatch(path string) (json.RawMessage, error) {
	var patch []byte
	var err error
	switch path {
	case "":
		return nil, nil
	case "-":
		patch, err = io.ReadAll(os.Stdin)
	default:
		patch, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, badInput("--edit: %w", err)
	}
	return patch, nil
}

func (in *installation) planReplay(ctx context.Context, flags *planFlags, order store.ReplayOrder) (err error) {
	desk := in.newDesk()
	if order.Edit != nil {
		if err := desk.CheckEdit(order.Edit); err != nil {
			return badInput("--edit %w", err)
		}
	}
	if order.Meant, err = in.selectLetters(ctx, &flags.letterFlags); err != nil {
		return err
	}
	order.Act = in.act(flags.why)
	report, err := desk.Plan(ctx, order)
	if isNotFound(err) {
		return badInput("no letter is eligible: %s", leftOutText(report))
	}
	if err != nil {
		return err
	}
	return in.console.print(report, func(w io.Writer) { planRows(w, report) })
}

// leftOutText says why letters are not eligible.
func leftOutText(report store.ReplayReport) string {
	if report.Letters == 0 {
		return "none is as the flags say"
	}
	var parts []string
	for _, left := range report.LeftOut {
		part := fmt.Sprintf("%d %s", left.Letters, left.Why)
		if left.Detail != "" {
			part += " (" + left.Detail + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func planRows(w io.Writer, report store.ReplayReport) {
	fmt.Fprintf(w, "plan\t%s\n", report.RunID)
	fmt.Fprintf(w, "letters\t%d\nselected\t%d\ndigest\t%s\n", report.Letters, report.Selected, report.Digest)
	for _, tenant := range report.ByTenant {
		fmt.Fprintf(w, "of tenant %s\t%d\n", tenant.Tenant, tenant.Letters)
	}
	for _, stage := range report.ByStage {
		fmt.Fprintf(w, "from %s\t%d\n", stage.Stage, stage.Letters)
	}
	for _, left := range report.LeftOut {
		fmt.Fprintf(w, "not eligible: %s\t%d\tfor example %s %s\n", left.Why, left.Letters, left.Example, left.Detail)
	}
	fmt.Fprintf(w, "takes about\t%s\n\nSAMPLE\tTENANT\tFROM\tREASON\tKEY\tERROR\n",
		time.Duration(report.PredictedSeconds*float64(time.Second)).Round(100*time.Millisecond))
	for _, item := range report.Sample {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", item.Letter, item.Tenant, item.Stage, item.Reason, item.Key, item.Error)
	}
	fmt.Fprintf(w, "\nNothing is replayed yet: reos dlq run %s\n", report.RunID)
}

func dlqRunCommand(c *console) *cobra.Command {
	var tenant, why string
	cmd := &cobra.Command{
		Use:   "run PLAN",
		Short: "Replay exactly the letters of a plan",
		Long: `Lets a plan go: its canary first, then the rest. Workers do it: this verb returns at once. "reos runs watch PLAN" shows how
far it is, "reos runs pause" and "cancel" stop it.`,
		Example: `  reos dlq run replay-5f1c…-…
  reos runs watch replay-5f1c…-…`,
		Args: args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				var owner *uuid.UUID
				if tenant != "" {
					found, err := in.tenant(ctx, tenant)
					if err != nil {
						return err
					}
					owner = &found.ID
				}
				run, err := in.newDesk().Begin(ctx, owner, given[0], in.act(why))
				switch {
				case isNotFound(err):
					return badInput("no plan %q: `reos dlq plan` makes one", given[0])
				case errors.Is(err, store.ErrConflict):
					return badInput("%w", err)
				case err != nil:
					return err
				}
				return c.print(map[string]any{"run_id": run.ID, "state": run.State}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is %s: reos runs watch %s\n", run.ID, run.State, run.ID)
				})
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant of the plan's; all where left out")
	whyFlag(cmd, &why)
	return cmd
}
