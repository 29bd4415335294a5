package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// triggered is what `reos pipeline trigger` prints.
type triggered struct {
	RunID    string            `json:"run_id,omitempty"` // left out of a dry run, and where nothing is selected
	DryRun   bool              `json:"dry_run"`
	Stage    events.Stage      `json:"stage"`
	Selected int64             `json:"selected"`
	Tenants  []triggeredTenant `json:"tenants"` // those with records that match
	Runs     []runPart         `json:"runs,omitempty"`
}

// triggeredTenant is what is selected of one tenant.
type triggeredTenant struct {
	Tenant uuid.UUID `json:"tenant_id"`
	Name   string    `json:"name"`
	State  string    `json:"state"`
	api.RunPreview
}

type triggerOptions struct {
	selectionOptions
	tenant, why, ticket, run string
	allTenants, dryRun, wait bool
	rate                     float64
	canary                   int64
	stopAbove                string
}

func triggerCommand(c *console) *cobra.Command {
	var o triggerOptions
	cmd := &cobra.Command{
		Use:   "trigger",
		Short: "Have stored records worked on once more, from a stage on",
		Long: `Freezes a selection of stored records and has the leading worker process let them go bit by bit, as a run on the bulk lane,
behind live events. Nobody need stay: see "reos runs". Newer versions that come meanwhile win.

  quality     judges the newest version of each record again, for a suite that has changed
  embedding   what passed, for a model that has changed; a vector whose text and model are the same is kept
  indexing    puts each property where search finds it, or takes it out, whatever the index said before
  ingestion   reads the raw bytes of each record's newest version once more and normalises them anew; the same version takes
              the place of what was made of them before

--dry-run does nothing: it says how many records of whom that would be, what is left out and why, and shows some.
With --wait the exit code is 4 where the run was stopped or cancelled, or events of it died.`,
		Example: `  reos pipeline trigger --tenant acme --dry-run
  reos pipeline trigger --tenant acme --filter verdict=quarantined --why "suite 8 knows condos" --wait
  reos pipeline trigger --all-tenants --stage indexing --since 24h --rate 200 --why "index was restored from yesterday"
  reos pipeline trigger --tenant acme --stage ingestion --filter City=Seattle --canary 20 --stop-above 10% --why "prices were read wrongly"`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			selection, run, err := o.read()
			if err != nil {
				return err
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				selection.Model = in.embedder.Model()
				result, err := in.trigger(ctx, o, selection, run)
				if err != nil {
					return err
				}
				if o.wait && result.RunID != "" {
					if result.Runs, err = in.awaitRun(ctx, result.RunID, uuid.Nil); err != nil {
						return err
					}
				}
				if err := c.print(result, func(w io.Writer) { triggeredRows(w, result) }); err != nil {
					return err
				}
				return endedBadly(result.Runs)
			}, (*installation).openDatabase)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.tenant, "tenant", "", "id or name of the tenant")
	flags.BoolVar(&o.allTenants, "all-tenants", false, "every tenant, in one run")
	o.flags(cmd)
	flags.Float64Var(&o.rate, "rate", 0, "events per second at most, over all tenants; 0 = as they come")
	flags.Int64Var(&o.canary, "canary", 0, "so many records go first, and must end before any other goes; needs --stop-above")
	flags.StringVar(&o.stopAbove, "stop-above", "", "stop by itself when a greater share of events dies, such as 10%")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only say what would be worked on")
	flags.BoolVar(&o.wait, "wait", false, "wait until the run has ended")
	flags.StringVar(&o.ticket, "ticket", "", "where somebody else keeps the story")
	flags.StringVar(&o.run, "run", "", "run id, a UUID; a new one where left out")
	whyFlag(cmd, &o.why)
	return cmd
}

// read checks the options.
func (o triggerOptions) read() (selection store.RerunSelection, run store.Run, err error) {
	if selection, err = o.selection(); err != nil {
		return selection, run, err
	}
	stopAbove, err := shareOf(o.stopAbove)
	switch {
	case err != nil:
		return selection, run, err
	case (o.tenant == "") == !o.allTenants:
		return selection, run, badInput("name one with --tenant (`reos tenant list` shows them), or all of them with --all-tenants")
	case o.why == "" && !o.dryRun:
		return selection, run, badInput("--why is missing: say what an operator should know who finds the run")
	case o.rate < 0 || o.canary < 0:
		return selection, run, badInput("--rate and --canary must not be negative")
	case o.canary > 0 && stopAbove == 0:
		return selection, run, badInput("--canary needs --stop-above: which share of it may die")
	}
	run = store.Run{ID: uuid.NewString(), Source: "reos pipeline trigger", RunWork: store.RunWork{
		Ticket: o.ticket, Rate: o.rate, Canary: o.canary, StopAbove: stopAbove,
	}}
	if o.run != "" {
		id, err := uuid.Parse(o.run)
		if err != nil {
			return selection, run, badInput("--run must be a UUID, got %q", o.run)
		}
		run.ID = id.String()
	}
	return selection, run, nil
}

// trigger says what is selected, and starts the run unless that is all that is asked for.
func (in *installation) trigger(ctx context.Context, o triggerOptions, selection store.RerunSelection, run store.Run) (*triggered, error) {
	owners, err := in.triggeredOwners(ctx, o.tenant)
	if err != nil {
		return nil, err
	}
	result := &triggered{DryRun: o.dryRun, Stage: selection.Stage, Tenants: []triggeredTenant{}}
	var selected []store.Tenant
	for _, owner := range owners {
		preview, err := in.db.Tenant(owner.ID).PreviewRerun(ctx, selection)
		if err != nil {
			return nil, err
		}
		if preview.Selected > 0 {
			selected = append(selected, owner)
		}
		if preview.Selected > 0 || len(preview.LeftOut) > 0 {
			result.Selected += preview.Selected
			result.Tenants = append(result.Tenants, triggeredTenant{owner.ID, owner.Name, string(owner.State), *api.NewRunPreview(preview)})
		}
	}
	if o.dryRun || len(selected) == 0 {
		return result, nil
	}
	result.RunID = run.ID
	return result, in.startRerun(ctx, selected, selection, run, in.act(o.why))
}

// startRerun freezes the selections of all tenants before the first of them begins.
func (in *installation) startRerun(ctx context.Context, owners []store.Tenant, selection store.RerunSelection, run store.Run, act store.Act) error {
	var planned []uuid.UUID
	for _, owner := range owners {
		_, err := in.db.Tenant(owner.ID).PlanRerun(ctx, run, selection, act)
		switch {
		case errors.Is(err, store.ErrExists):
			return badInput("tenant %s has a run %s already", owner.Name, run.ID)
		case isNotFound(err), errors.Is(err, store.ErrTenantDeleted): // since it was looked at
			continue
		case err != nil:
			return fmt.Errorf("%w; what is planned of run %s so far does nothing: cancel it with `reos runs cancel`", err, run.ID)
		}
		planned = append(planned, owner.ID)
	}
	for _, tenant := range planned {
		if _, _, err := in.db.Tenant(tenant).BeginRun(ctx, run.ID, act); err != nil && !errors.Is(err, store.ErrTenantDeleted) {
			return fmt.Errorf("%w; begin the rest of run %s with `reos runs resume`", err, run.ID)
		}
	}
	return nil
}

// triggeredOwners are the tenants that are meant: one, or all but canaries.
func (in *installation) triggeredOwners(ctx context.Context, named string) ([]store.Tenant, error) {
	if named != "" {
		owner, err := in.tenant(ctx, named)
		return []store.Tenant{owner}, err
	}
	all, err := in.db.Platform().Tenants(ctx)
	return slices.DeleteFunc(withoutPlatform(all), func(t store.Tenant) bool { return t.Canary() != "" }), err
}

// whatHappens says what each stage does with a record that begins there.
var whatHappens = map[events.Stage]string{
	events.Ingestion: "read the raw bytes again, normalise them anew, judge, embed what changed, index what changed",
	events.Quality:   "judge again, embed what changed, index what changed",
	events.Embedding: "embed what changed, index what changed",
	events.Indexing:  "write to the index, whatever it said before",
}

func triggeredRows(w io.Writer, t *triggered) {
	switch {
	case t.Selected == 0:
		fmt.Fprintln(w, "nothing is selected")
	case t.DryRun:
		fmt.Fprintf(w, "%d records would begin at %s: %s\n", t.Selected, t.Stage, whatHappens[t.Stage])
	default:
		fmt.Fprintf(w, "run %s: %d records begin at %s\n", t.RunID, t.Selected, t.Stage)
	}
	for _, one := range t.Tenants {
		fmt.Fprintf(w, "\n%s\t%d records", one.Name, one.Selected)
		if one.State != string(store.TenantActive) {
			fmt.Fprintf(w, "; it is %s: they wait until it is active", one.State)
		}
		fmt.Fprintln(w)
		for _, reason := range slices.Sorted(maps.Keys(one.LeftOut)) {
			fmt.Fprintf(w, "  left out\t%d\t%s\n", one.LeftOut[reason], strings.ReplaceAll(reason, "_", " "))
		}
		if t.DryRun {
			for _, sample := range one.Sample {
				fmt.Fprintf(w, "  %s\t%s\tversion %s\n", sample.RecordType, sample.Key, sample.VersionAt.Format("2006-01-02T15:04:05.999999Z"))
			}
		}
	}
	switch {
	case len(t.Runs) > 0:
		fmt.Fprintln(w)
		runPartRows(w, t.Runs)
	case t.RunID != "":
		fmt.Fprintf(w, "\nsee `reos runs watch %s`\n", t.RunID)
	}
}
