package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

// thresholdsView is one line of `reos freshness thresholds`.
type thresholdsView struct {
	Tenant   uuid.UUID `json:"tenant,omitzero"` // absent: the defaults
	Name     string    `json:"name,omitempty"`
	Source   string    `json:"source,omitempty"` // empty: all that have none of their own
	Late     string    `json:"late"`
	Warning  string    `json:"warning"`
	Critical string    `json:"critical"`
	Silence  string    `json:"silence,omitempty"` // empty: as learned, or promised by heartbeats
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at,omitzero"`
}

func thresholdsCommand(c *console) *cobra.Command {
	var tenant, source, why string
	var wanted store.Thresholds
	var unset bool
	cmd := &cobra.Command{
		Use:   "thresholds",
		Short: "Show when data counts as late, and set it for a tenant or a source",
		Long: `Without --late and its like, shows the thresholds: the defaults, and those that were set. With them, sets those of a tenant, or
of one of its sources; what is not named stays as it is.

--silence is how long a source may send nothing, neither events nor heartbeats, before its tenant's state becomes unknown.
Without it, that is three of the intervals that the source's heartbeats promise, or else one and a half times its longest
silence of the last seven days, at least 30m and at most 72h.`,
		Example: `  reos freshness thresholds
  reos freshness thresholds --tenant acme --late 30m --warning 1h --critical 2h --why "their contract"
  reos freshness thresholds --tenant acme --source mls/nightly --late 26h --warning 30h --critical 50h --silence 25h
  reos freshness thresholds --tenant acme --unset`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			change := unset || cmd.Flags().Changed("late") || cmd.Flags().Changed("warning") || cmd.Flags().Changed("critical") || cmd.Flags().Changed("silence")
			switch {
			case change && tenant == "":
				return badInput("--tenant is missing: the defaults are fixed")
			case source != "" && tenant == "":
				return badInput("--tenant is missing: a source is a tenant's")
			case len(source) > 255:
				return badInput("--source must be at most 255 bytes")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				if change {
					owner, err := in.tenant(ctx, tenant)
					if err != nil {
						return err
					}
					if err := in.changeThresholds(ctx, cmd, owner, source, wanted, unset, why); err != nil {
						return err
					}
				}
				views, err := in.thresholds(ctx, tenant)
				if err != nil {
					return err
				}
				return c.print(map[string]any{"thresholds": views}, func(w io.Writer) { thresholdsRows(w, views) })
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of the tenant")
	cmd.Flags().StringVar(&source, "source", "", "one of its sources; all that have none of their own where left out")
	cmd.Flags().DurationVar(&wanted.Late, "late", 0, "age of unfinished work that is late")
	cmd.Flags().DurationVar(&wanted.Warning, "warning", 0, "age beyond which it is a warning")
	cmd.Flags().DurationVar(&wanted.Critical, "critical", 0, "age beyond which it is critical")
	cmd.Flags().DurationVar(&wanted.Silence, "silence", 0, "how long the source may be silent; 0s = as learned")
	cmd.Flags().BoolVar(&unset, "unset", false, "take back what was set")
	whyFlag(cmd, &why)
	return cmd
}

// changeThresholds sets what was named, and leaves the rest as it is.
func (in *installation) changeThresholds(
	ctx context.Context, cmd *cobra.Command, owner store.Tenant, source string, wanted store.Thresholds, unset bool, why string,
) error {
	if !owner.State.Served() {
		return badInput("the tenant is %s", owner.State)
	}
	handle := in.db.Tenant(owner.ID)
	if unset {
		changed, err := handle.UnsetThresholds(ctx, source, in.act(why))
		if err == nil && !changed {
			return badInput("nothing is set for %s", dash(source))
		}
		return err
	}
	set, err := in.db.Platform().Thresholds(ctx)
	if err != nil {
		return err
	}
	now := store.DefaultThresholds
	for _, one := range set {
		if one.Tenant == owner.ID && (one.Source == source || one.Source == "") { // the tenant's own come first
			now = one.Thresholds
		}
	}
	for name, value := range map[string]struct{ from, to *time.Duration }{
		"late": {&wanted.Late, &now.Late}, "warning": {&wanted.Warning, &now.Warning},
		"critical": {&wanted.Critical, &now.Critical}, "silence": {&wanted.Silence, &now.Silence},
	} {
		if cmd.Flags().Changed(name) {
			*value.to = *value.from
		}
	}
	if err := now.Check(); err != nil {
		return badInput("--%w", err)
	}
	return handle.SetThresholds(ctx, source, now, in.act(why))
}

// thresholds lists the defaults and what was set, of one tenant where one is named.
func (in *installation) thresholds(ctx context.Context, tenant string) ([]thresholdsView, error) {
	platform := in.db.Platform()
	set, err := platform.Thresholds(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := platform.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	only := uuid.Nil
	if tenant != "" {
		owner, err := in.tenant(ctx, tenant)
		if err != nil {
			return nil, err
		}
		only = owner.ID
	}
	names := map[uuid.UUID]string{}
	for _, t := range tenants {
		names[t.ID] = t.Name
	}
	views := []thresholdsView{viewOf(store.TenantThresholds{Thresholds: store.DefaultThresholds}, "")}
	for _, one := range set {
		if only == uuid.Nil || one.Tenant == only {
			views = append(views, viewOf(one, names[one.Tenant]))
		}
	}
	return views, nil
}

func viewOf(t store.TenantThresholds, name string) thresholdsView {
	view := thresholdsView{
		Tenant: t.Tenant, Name: name, Source: t.Source, Late: t.Late.String(), Warning: t.Warning.String(), Critical: t.Critical.String(),
		By: t.By, At: t.At,
	}
	if t.Silence > 0 {
		view.Silence = t.Silence.String()
	}
	return view
}

func thresholdsRows(w io.Writer, views []thresholdsView) {
	fmt.Fprintln(w, "TENANT\tSOURCE\tLATE\tWARNING\tCRITICAL\tSILENCE\tBY")
	for _, v := range views {
		tenant, source, silence := v.Name, v.Source, v.Silence
		if v.Tenant == uuid.Nil {
			tenant, source = "(defaults)", "(all)"
		}
		if source == "" {
			source = "(all others)"
		}
		if silence == "" {
			silence = "(learned)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", tenant, source, v.Late, v.Warning, v.Critical, silence, dash(v.By))
	}
}
