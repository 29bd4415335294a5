package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/cmd/reos/demo"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// demoReport is what the demo found in the stores when everything had come to its end.
type demoReport struct {
	Published   int          `json:"published"`   // messages
	Duplicates  int          `json:"duplicates"`  // of these: the same event again
	Indexed     int          `json:"indexed"`     // properties that search finds
	Quarantined int          `json:"quarantined"` // records whose newest version failed an expectation
	Deleted     int          `json:"deleted"`     // properties that a delete ended
	Stale       int          `json:"stale"`       // events refused at the door: the record was newer
	Superseded  int          `json:"superseded"`  // events overtaken on their way
	Dead        int          `json:"dead"`        // messages kept as dead letters
	Unroutable  int          `json:"unroutable"`  // messages kept for want of a tenant
	Unfinished  int          `json:"unfinished"`  // events still on their way
	Elapsed     float64      `json:"elapsed_seconds"`
	Tenants     []demoTenant `json:"tenants"`
	Flawed      []demoFlaw   `json:"flawed"`
	Letters     []demoLetter `json:"dead_letters"`
	Differences []string     `json:"differences"` // from what the feed calls for
}

type demoTenant struct {
	ID               uuid.UUID  `json:"id"`
	Name             string     `json:"name"`
	Indexed          int        `json:"indexed"`
	Quarantined      int        `json:"quarantined"`
	OldestUnfinished *time.Time `json:"oldest_unfinished"`
	Search           demoSearch `json:"search"`
	// ForeignHits counts what the other tenant's query finds through this tenant's handle that is not its own.
	ForeignHits int `json:"foreign_hits"`
}

type demoSearch struct {
	Query string `json:"query"`
	Hits  []hit  `json:"hits"`
}

type demoFlaw struct {
	Tenant   uuid.UUID       `json:"tenant_id"`
	Key      string          `json:"record_key"`
	Failures []store.Failure `json:"failures"`
}

type demoLetter struct {
	Tenant uuid.UUID     `json:"tenant_id"`
	Reason events.Reason `json:"reason"`
	Error  string        `json:"error"`
}

// demoTimeout bounds how long the demo waits for its events.
const demoTimeout = 2 * time.Minute

func demoCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "See the whole pipeline work, on nothing but this machine",
		Long: `Starts everything in this process on a directory of its own, publishes the feed that comes with reos (two tenants;
new listings, changes, deletes, duplicates, late arrivals, flawed and malformed ones) through the ordinary intake,
waits for its end, reports what became of every message, and removes everything again.

The exit code is 1 when a figure is not what the feed calls for.`,
		Example: `  reos demo
  reos demo --json | jq '.tenants[].search.hits[0]'`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runDemo(cmd.Context(), c)
			if err != nil {
				return err
			}
			if err := c.print(report, func(w io.Writer) { demoRows(w, report) }); err != nil {
				return err
			}
			if len(report.Differences) > 0 {
				return &exitError{exitBug}
			}
			return nil
		},
	}
}

func runDemo(ctx context.Context, c *console) (report *demoReport, err error) {
	in, err := newInstallation(ctx, c)
	if err != nil {
		return nil, err
	}
	intake, work, stop := shutdown(ctx, in.config.DrainTimeout)
	defer stop()
	dir, err := os.MkdirTemp("", "reos-demo-")
	if err != nil {
		return nil, environmentError{err}
	}
	in.teardown.add("data directory", func(context.Context) error { return os.RemoveAll(dir) })
	defer in.close(&err)
	in.config.DataDir = dir
	in.log = in.log.Level(zerolog.ErrorLevel) // dead letters are what the demo is about: no warning each
	in.config.use(map[string]string{envDatabase: "", envAdmin: "", envRabbitMQ: "", envQdrant: "", envS3: ""})

	started := time.Now()
	c.say("starting Postgres, queues, S3 and a vector store in %s", dir)
	if err := in.startMissing(intake); err != nil {
		return nil, err
	}
	feed, err := demo.Load()
	if err != nil {
		return nil, err
	}
	lifecycle, err := in.newLifecycle()
	if err != nil {
		return nil, err
	}
	for _, tenant := range feed.Expected.Tenants {
		if _, err := lifecycle.Create(intake, store.TenantOrder{ID: tenant.ID, Name: tenant.Name}, in.act("")); err != nil {
			return nil, tenancyError(err)
		}
	}
	drained := make(chan error, 1)
	pipeline := in.newPipeline(events.Stages)
	running, finish := context.WithCancel(intake)
	go func() { drained <- pipeline.run(running, work) }()
	stopPipeline := func() error { finish(); return <-drained }

	c.say("publishing %d messages", len(feed.Messages))
	if err := in.publishDemo(intake, feed); err != nil {
		return nil, joinDrain(err, stopPipeline)
	}
	if _, err := in.awaitSettled(intake, nil, demoTimeout, demoQuiet); err != nil {
		return nil, joinDrain(err, stopPipeline)
	}
	report, err = in.demoReport(intake, feed)
	if err != nil {
		return nil, joinDrain(err, stopPipeline)
	}
	report.Elapsed = time.Since(started).Seconds()
	report.Differences = differences(report, feed.Expected)
	return report, stopPipeline()
}
