package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// laneMove is what `reos tenant lane` prints.
type laneMove struct {
	Tenant  store.Tenant `json:"tenant"`  // as it is afterwards
	Moved   bool         `json:"moved"`   // it was in another lane before
	Drained []string     `json:"drained"` // the lanes that were waited for, and hold nothing of it any more
	Left    []laneRest   `json:"left"`    // the lanes that it has left and that may still hold events of it
}

// laneRest is what a lane that a tenant has left may still hold of it.
type laneRest struct {
	Lane       string `json:"lane"`
	Queued     int    `json:"queued"`     // messages, of whatever tenant, in its ingestion queue; 0 once it was empty
	Unfinished int    `json:"unfinished"` // the tenant's events that were accepted in it and are unfinished
}

func tenantLaneCommand(c *console) *cobra.Command {
	var timeout time.Duration
	var why string
	cmd := &cobra.Command{
		Use:   "lane TENANT LANE",
		Short: "Move a tenant to another lane, and wait until the old one has drained",
		Long: `Moves a tenant to one of the lanes of REOS_LANES and REOS_RESERVED_LANES. Events that are published from then on take
the new lane; none is unroutable in between. What is in the old lane is finished there. An event that overtakes an older
one of the same record does no harm: the newer version stays.

Then it waits until the old lane has drained: until its ingestion queue was empty once, and no event of the tenant
that was accepted in it is unfinished. What a worker has in its hands at that moment, or what ingestion has put off for
a retry, is not seen; it is finished in the old lane, too. In a lane that other tenants keep busy all the time
the queue may not be seen empty: the move is complete nevertheless.

The same lane again moves nothing; it finishes a move that was cut off, or goes on waiting.`,
		Example: `  reos tenant lane acme b
  REOS_RESERVED_LANES=giant reos tenant lane acme giant --timeout 1h    # a lane of its own; workers need the variable first
  reos tenant lane acme b --json`,
		Args: args(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				move, err := in.moveTenant(ctx, given[0], given[1], why, timeout)
				if move == nil {
					return err
				}
				return errors.Join(c.print(move, func(w io.Writer) { laneMoveRows(w, move) }), err)
			}, (*installation).openDatabase, (*installation).openTransport)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 10*time.Minute, "how long to wait for the old lane at most")
	whyFlag(cmd, &why)
	return cmd
}

// moveTenant changes a tenant's lane and waits for what it leaves. The result is not nil once the tenant is in the
// lane.
func (in *installation) moveTenant(ctx context.Context, idOrName, lane, why string, timeout time.Duration) (move *laneMove, err error) {
	if err := in.checkLane(lane); err != nil {
		return nil, err
	}
	tenant, err := in.tenant(ctx, idOrName)
	if err != nil {
		return nil, err
	}
	if !tenant.State.Served() {
		return nil, badInput("tenant %s is being deleted", tenant.ID)
	}
	if problems := in.unknownLanes(tenant); len(problems) > 0 {
		return nil, environmentError{fmt.Errorf("%s: name it in REOS_RESERVED_LANES of this call, or nobody can see whether it drains",
			strings.Join(problems, "; "))}
	}
	err = in.db.Platform().Moving(ctx, tenant.ID, func(ctx context.Context) error {
		if move, err = in.changeLane(ctx, tenant, lane, why); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		err := in.awaitDrained(waiting, move)
		if err != nil && ctx.Err() == nil && waiting.Err() != nil {
			return environmentError{fmt.Errorf("tenant %s is in lane %s; what it has left was not seen drained within %s: "+
				"run it again to go on waiting", tenant.ID, lane, timeout)}
		}
		return err
	})
	if errors.Is(err, store.ErrConflict) {
		return nil, environmentError{fmt.Errorf("another `reos tenant lane` moves tenant %s just now: wait for its end", tenant.ID)}
	}
	return move, err
}

// changeLane writes the new lane, then binds it, then unbinds what the tenant has left. Whatever cuts it off after the
// first step, the row says what there is to be done.
func (in *installation) changeLane(ctx context.Context, tenant store.Tenant, lane, why string) (move *laneMove, err error) {
	if err := in.transport.Declare(ctx); err != nil {
		return nil, environmentError{fmt.Errorf("declare the topology: %w", err)}
	}
	err = in.db.Platform().ChangingBindings(ctx, func(ctx context.Context) error {
		changed, err := in.db.Platform().ChangeLane(ctx, tenant.ID, lane, in.act(why))
		if err != nil {
			return err
		}
		if !changed.State.Served() { // by now: it is unbound, and must stay so
			return badInput("tenant %s is being deleted", tenant.ID)
		}
		if err := in.bindTenant(ctx, changed); err != nil {
			return err
		}
		move = &laneMove{Tenant: changed, Moved: tenant.Lane != lane, Drained: []string{}, Left: []laneRest{}}
		return nil
	})
	return move, err
}

const (
	drainEvery = 250 * time.Millisecond
	// drainLooks is how often in a row a lane must look drained: between a queue and a row in progress, an event is
	// in a worker's hands and in nobody's count.
	drainLooks = 4
)

// awaitDrained waits for every lane that a tenant has left, and notes each that has drained.
func (in *installation) awaitDrained(ctx context.Context, move *laneMove) error {
	for _, lane := range move.Tenant.Draining {
		move.Left = append(move.Left, laneRest{Lane: lane})
	}
	for len(move.Left) > 0 {
		lane := move.Left[0].Lane
		if err := in.awaitLane(ctx, move.Tenant.ID, &move.Left[0]); err != nil {
			return err
		}
		if err := in.db.Platform().Drained(ctx, move.Tenant.ID, lane); err != nil {
			return err
		}
		move.Drained, move.Left = append(move.Drained, lane), move.Left[1:]
		move.Tenant.Draining = move.Tenant.Draining[1:]
	}
	return nil
}

// awaitLane looks until a lane has drained of a tenant. rest holds what the last look saw.
func (in *installation) awaitLane(ctx context.Context, tenant uuid.UUID, rest *laneRest) error {
	bar := in.console.progress(-1, "draining lane "+rest.Lane, false)
	defer func() { _ = bar.Finish() }()
	ticker := time.NewTicker(drainEvery)
	defer ticker.Stop()
	passed, most := false, 0
	for looks := 0; looks < drainLooks; {
		if err := in.lookAt(ctx, tenant, passed, rest); err != nil {
			return err
		}
		// A queue is first in first out, and nothing of the tenant's is added to it any more: once it was empty, what
		// others add is no matter.
		passed = passed || rest.Queued == 0
		left := rest.Queued + rest.Unfinished
		most = max(most, left)
		if looks++; left > 0 {
			looks = 0
		}
		bar.ChangeMax(most + drainLooks)
		_ = bar.Set(most - left + looks)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// lookAt sees what a lane holds of a tenant. Nobody can tell one tenant's messages in a queue from another's: as long
// as the tenant's have not all passed, all are counted.
func (in *installation) lookAt(ctx context.Context, tenant uuid.UUID, passed bool, rest *laneRest) error {
	if !passed {
		depths, err := in.transport.Depths(ctx)
		if err != nil {
			return environmentError{fmt.Errorf("read queue depths: %w", err)}
		}
		rest.Queued = depths[in.topology.StageQueue(events.Ingestion, rest.Lane)]
	}
	unfinished, err := in.db.Tenant(tenant).UnfinishedIn(ctx, rest.Lane)
	rest.Unfinished = unfinished
	return err
}

func laneMoveRows(w io.Writer, move *laneMove) {
	tenantRows(w, []store.Tenant{move.Tenant})
	fmt.Fprintln(w)
	if !move.Moved && len(move.Drained)+len(move.Left) == 0 {
		fmt.Fprintf(w, "in lane %s already, nothing to do\n", move.Tenant.Lane)
	}
	if move.Moved {
		fmt.Fprintf(w, "moved to lane %s\n", move.Tenant.Lane)
	}
	for _, lane := range move.Drained {
		fmt.Fprintf(w, "lane %s has drained\n", lane)
	}
	for _, rest := range move.Left {
		fmt.Fprintf(w, "lane %s has not drained: %d messages in its ingestion queue, %d events unfinished\n", rest.Lane, rest.Queued, rest.Unfinished)
	}
}
