package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/workers/freshness"
)

// newTracker wires the freshness tracker.
func (in *installation) newTracker() *freshness.Tracker {
	return freshness.NewTracker(freshness.Parts{
		Leadership: in.db, Platform: in.db.Platform(),
		Records:   func(id uuid.UUID) freshness.Records { return in.db.Tenant(id) },
		Transport: in.transport, Topology: in.topology, Config: in.config.Freshness, Metrics: freshness.NewMetrics(in.registry), Log: in.log,
	})
}

// Exit codes of `reos freshness`, beside the usual ones: 1 and 2 stand for what it found.
const (
	exitWarning  = 1
	exitCritical = 2
)

// trackerSilent is after how long without a look the table says that nobody tracks.
const trackerSilent = 2 * time.Minute

func freshnessCommand(c *console) *cobra.Command {
	var tenant string
	var states []string
	var limit int
	var watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "freshness",
		Short: "Show how fresh the data of tenants is",
		Long: `Shows, the worst first, how late each tenant's data is, where it waits and why. What counts is the oldest unfinished live
work, not the last write: fresh (less than 2h), late (2h to 4h), warning (more than 4h), critical (more than 8h), or unknown,
where nothing waits and nobody knows whether the source lives. Backfills never make a state. "reos freshness thresholds" sets
other limits for a tenant or a source.

Exit codes, for scripts: 1 when a tenant is at warning, 2 when one is critical, 0 else. Nothing is printed to stderr then; an
error of yours (2) or a bug (1) has a message there. 3 is the environment, as ever. With --state or --tenant only those
tenants count.`,
		Example: `  reos freshness
  reos freshness --tenant acme               # all its stages and sources
  reos freshness --watch
  reos freshness --state warning,critical --json | jq '.tenants[].reason'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			wanted, err := parseStates(states)
			switch {
			case err != nil:
				return err
			case limit < 1:
				return badInput("--limit must be 1 or more, got %d", limit)
			case watch && c.json:
				return badInput("--watch shows a table: without it, --json prints one object")
			case every <= 0:
				return badInput("--every must be more than 0s, got %s", every)
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				look, err := in.freshnessLook(ctx, tenant, wanted, limit)
				if err != nil {
					return err
				}
				if watch {
					return in.watchFreshness(ctx, look, tenant != "", every)
				}
				survey, err := look(ctx)
				if err != nil {
					return err
				}
				return finishFreshness(survey, c.print(survey, func(w io.Writer) { freshnessRows(w, survey, tenant != "", isTerminal(c.out)) }))
			}, (*installation).openDatabase)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all where left out")
	cmd.Flags().StringSliceVar(&states, "state", nil, "only tenants in these states: "+strings.Join(stateNames(), ", "))
	cmd.Flags().IntVar(&limit, "limit", 100, "how many tenants to show at most")
	cmd.Flags().BoolVar(&watch, "watch", false, "look again and again, until interrupted")
	cmd.Flags().DurationVar(&every, "every", 5*time.Second, "between two looks of --watch")
	cmd.AddCommand(thresholdsCommand(c))
	return cmd
}

func stateNames() []string {
	names := make([]string, len(store.FreshnessStates))
	for i, state := range store.FreshnessStates {
		names[i] = string(state)
	}
	return names
}

func parseStates(given []string) ([]store.FreshnessState, error) {
	var states []store.FreshnessState
	for _, name := range given {
		if !slices.Contains(stateNames(), name) {
			return nil, badInput("--state must be of %s, got %q", strings.Join(stateNames(), ", "), name)
		}
		states = append(states, store.FreshnessState(name))
	}
	return states, nil
}

// freshnessLook is how to look: at one tenant, or at all.
func (in *installation) freshnessLook(
	ctx context.Context, tenant string, states []store.FreshnessState, limit int,
) (func(context.Context) (store.FreshnessSurvey, error), error) {
	if tenant == "" {
		return func(ctx context.Context) (store.FreshnessSurvey, error) {
			survey, err := store.SurveyFreshness(ctx, in.db.Platform(), states, limit)
			if len(states) > 0 { // the others count for nothing
				for state := range survey.States {
					if !slices.Contains(states, state) {
						survey.States[state] = 0
					}
				}
			}
			return survey, err
		}, nil
	}
	found, err := in.tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (store.FreshnessSurvey, error) {
		facts, err := in.db.Tenant(found.ID).Freshness(ctx)
		if isNotFound(err) || errors.Is(err, store.ErrTenantDeleted) {
			return store.FreshnessSurvey{}, badInput("the tenant %q is %s", tenant, found.State)
		}
		return store.SurveyOf(facts), err
	}, nil
}

// finishFreshness ends the verb with the code of what was found.
func finishFreshness(survey store.FreshnessSurvey, err error) error {
	switch worst := survey.Worst(); {
	case err != nil:
		return err
	case worst == store.Critical:
		return &exitError{exitCritical}
	case worst == store.Warning:
		return &exitError{exitWarning}
	}
	return nil
}

// watchFreshness shows tables until ctx ends. A look that fails is told, and made again.
func (in *installation) watchFreshness(ctx context.Context, look func(context.Context) (store.FreshnessSurvey, error), one bool, every time.Duration) error {
	var last store.FreshnessSurvey
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		survey, err := look(ctx)
		switch {
		case ctx.Err() != nil:
			return finishFreshness(last, nil)
		case errors.Is(err, store.ErrUnavailable):
			in.console.say("%s", oneLine(err))
		case err != nil:
			return err
		default:
			last = survey
			if isTerminal(in.console.out) {
				fmt.Fprint(in.console.out, "\x1b[H\x1b[2J")
			}
			if err := in.console.print(survey, func(w io.Writer) { freshnessRows(w, survey, one, isTerminal(in.console.out)) }); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return finishFreshness(last, nil)
		}
	}
}

// stateColours are those of a terminal. All are equally long, so that columns stay in line.
var stateColours = map[store.FreshnessState]string{
	store.Fresh: "\x1b[32m", store.Unknown: "\x1b[90m", store.Late: "\x1b[36m", store.Warning: "\x1b[33m", store.Critical: "\x1b[31m",
}

// paint colours a cell, a heading among cells that are coloured too.
func paint(text string, state store.FreshnessState, colour bool) string {
	if !colour || os.Getenv("NO_COLOR") != "" {
		return text
	}
	start, ok := stateColours[state]
	if !ok {
		start = "\x1b[39m"
	}
	return start + text + "\x1b[0m"
}
