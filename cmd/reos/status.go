package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/store"
)

// report is what `reos status` prints.
type report struct {
	Settled bool                 `json:"settled"` // nothing waits in a queue and nothing is unfinished
	Queues  map[string]int       `json:"queues"`  // messages waiting, where there are any
	Tenants []store.TenantStatus `json:"tenants"`
	Pauses  []store.Pause        `json:"pauses"` // what stages hold, of all tenants
}

const (
	statusEvery = 250 * time.Millisecond
	// quiet is how long nothing may move before a pipeline counts as settled: messages in a worker's hands are in no
	// queue's count, and those of the first stage not yet in progress.
	quiet = 2 * time.Second
)

func statusCommand(c *console) *cobra.Command {
	var tenant string
	var wait bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show where the events and records of tenants are",
		Long: `Shows, per tenant, how many events ended at which stage in which outcome, what is unfinished and how old the
oldest of it is, and how many records are searchable or quarantined.

With --wait it waits until no queue holds a message, nothing is unfinished and nothing has moved for 2 s.`,
		Example: `  reos status
  reos status --tenant acme --wait --timeout 10m
  reos status --json | jq '.tenants[].waiting'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				var only []uuid.UUID
				if tenant != "" {
					found, err := in.tenant(ctx, tenant)
					if err != nil {
						return err
					}
					only = []uuid.UUID{found.ID}
				}
				r, err := in.report(ctx, only)
				if err == nil && wait {
					r, err = in.awaitSettled(ctx, only, timeout, quiet)
				}
				if err != nil {
					return err
				}
				return c.print(r, func(w io.Writer) { reportRows(w, r) })
			}, (*installation).openDatabase, (*installation).openTransport)
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "id or name of one tenant; all where left out")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until the pipeline is settled")
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait at most")
	return cmd
}

// report looks once.
func (in *installation) report(ctx context.Context, only []uuid.UUID) (report, error) {
	depths, err := in.transport.Depths(ctx)
	if err != nil {
		return report{}, environmentError{fmt.Errorf("read queue depths: %w", err)}
	}
	maps.DeleteFunc(depths, func(_ string, n int) bool { return n == 0 })
	statuses, err := in.db.Platform().Status(ctx, only)
	if err != nil {
		return report{}, err
	}
	if only == nil {
		statuses = slices.DeleteFunc(statuses, func(s store.TenantStatus) bool { return s.Tenant.Canary() != "" })
	}
	pauses, err := in.db.Platform().Pauses(ctx)
	if err != nil {
		return report{}, err
	}
	r := report{Settled: len(depths) == 0, Queues: depths, Tenants: statuses, Pauses: pauses}
	for _, status := range statuses {
		r.Settled = r.Settled && len(status.Waiting) == 0
	}
	return r, nil
}

// total counts what a report has seen finished and unfinished; it changes whenever something moves.
func (r report) total() (finished, unfinished, queued int) {
	for _, status := range r.Tenants {
		finished += status.DeadLetters
		for _, c := range status.Counts {
			finished += c.Count
		}
		for _, w := range status.Waiting {
			unfinished += w.Count
		}
	}
	for _, n := range r.Queues {
		queued += n
	}
	return finished, unfinished, queued
}

// awaitSettled looks until the pipeline is settled.
func (in *installation) awaitSettled(ctx context.Context, only []uuid.UUID, timeout, quiet time.Duration) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	bar := in.console.progress(-1, "events finished", false)
	defer func() { _ = bar.Finish() }()
	ticker := time.NewTicker(statusEvery)
	defer ticker.Stop()
	last, lastMoved, first := -1, time.Now(), -1
	for {
		r, err := in.report(ctx, only)
		if err != nil {
			return r, settledError(err, timeout)
		}
		finished, unfinished, queued := r.total()
		if first < 0 {
			first = finished
		}
		bar.ChangeMax(finished - first + unfinished + queued)
		_ = bar.Set(finished - first)
		if finished != last || !r.Settled {
			last, lastMoved = finished, time.Now()
		}
		if r.Settled && time.Since(lastMoved) >= quiet {
			return r, nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return r, settledError(ctx.Err(), timeout)
		}
	}
}

func settledError(err error, timeout time.Duration) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return environmentError{fmt.Errorf("not settled after %s: see `reos status` for what waits, and whether workers run", timeout)}
	}
	return err
}

func reportRows(w io.Writer, r report) {
	for _, status := range r.Tenants {
		if status.Tenant.ID == store.PlatformTenant {
			if status.DeadLetters > 0 {
				fmt.Fprintf(w, "no tenant: %d dead letters (unroutable, or without a readable tenant)\n\n", status.DeadLetters)
			}
			continue
		}
		fmt.Fprintf(w, "%s  %s  lane %s  %s\n", status.Tenant.Name, status.Tenant.ID, status.Tenant.Lane, stateOf(status.Tenant))
		fmt.Fprintf(w, "  records %d, searchable %d, quarantined %d; dead letters %d\n",
			status.Records, status.Indexed, status.Quarantined, status.DeadLetters)
		if len(status.Counts)+len(status.Waiting) > 0 {
			fmt.Fprintln(w, "  STAGE\tOUTCOME\tREASON\tEVENTS\tOLDEST")
		}
		for _, count := range status.Counts {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%d\t\n", count.Stage, count.Outcome, count.Reason, count.Count)
		}
		for _, waiting := range status.Waiting {
			fmt.Fprintf(w, "  %s\tunfinished\t\t%d\t%s\n", waiting.Stage, waiting.Count, waiting.OldestOccurred.Format(time.RFC3339))
		}
		fmt.Fprintln(w)
	}
	for _, pause := range r.Pauses {
		if pause.ResumedAt.IsZero() {
			fmt.Fprintf(w, "paused: %s of tenant %s since %s, by %s: %s\n", pause.Stage, pause.Tenant, pause.At.Format(time.RFC3339), pause.By, pause.Why)
		}
	}
	for _, queue := range slices.Sorted(maps.Keys(r.Queues)) {
		fmt.Fprintf(w, "queue %s: %d waiting\n", queue, r.Queues[queue])
	}
	if r.Settled {
		fmt.Fprintln(w, "settled: nothing waits")
	}
}
