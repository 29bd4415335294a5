package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
	"github.com/codybias9/real-estate-os/store"
)

// published is what `reos publish` prints.
type published struct {
	RunID     string            `json:"run_id"`
	Tenant    uuid.UUID         `json:"tenant_id"`
	Published int64             `json:"published"` // confirmed by the broker
	Known     int64             `json:"known"`     // of them, no news: accepted before, or said twice
	Rejected  int64             `json:"rejected"`  // lines that are no event
	Problems  []*feed.LineError `json:"problems,omitempty"`
}

type publishOptions struct {
	tenant, record, mapping, format, source, run string
	bulk                                         bool
}

func publishCommand(c *console) *cobra.Command {
	var o publishOptions
	cmd := &cobra.Command{
		Use:   "publish FILE...",
		Short: "Publish feeds through the ordinary intake",
		Long: `Reads files and publishes one event per record. A file is NDJSON (records, or CloudEvents in structured mode), CSV
with a mapping, or RESO JSON with a "value" array; gzip is recognised. "-" is standard input, read as NDJSON unless
--format says otherwise.

An event's id is derived from its content: publishing a file twice changes nothing the second time. Returns when the
broker has confirmed every event. A line that is no event is told, counted and left out; the exit code is 2 then.`,
		Example: `  reos publish homes.ndjson --tenant acme
  reos publish sales.csv.gz --tenant acme --mapping king-county --bulk
  zcat reso.json.gz | reos publish - --format reso --tenant acme --run backfill-7 --json`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, files []string) error {
			if o.tenant == "" {
				return badInput("--tenant is missing: `reos tenant list` shows the tenants")
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				result, err := in.publishFiles(ctx, files, o)
				if result != nil && (err == nil || result.Published > 0) {
					if printErr := c.print(result, func(w io.Writer) { publishedRows(w, result) }); err == nil {
						err = printErr
					}
				}
				if err == nil && result.Rejected > 0 {
					err = badInput("%d of %d records are no events", result.Rejected, result.Rejected+result.Published)
				}
				return err
			}, (*installation).openDatabase, (*installation).openTransport)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.tenant, "tenant", "", "id or name of the tenant (required)")
	flags.StringVar(&o.record, "record", string(events.Property), "record type of bare records: property, ownership, prospect, lease, offer or document")
	flags.StringVar(&o.mapping, "mapping", "", "mapping of a CSV file's columns: a YAML file, or the name of one that reos has (docs/feeds, REOS_MAPPINGS)")
	flags.StringVar(&o.format, "format", "", "ndjson, csv or reso; told from the file's name where left out")
	flags.StringVar(&o.source, "source", "", "CloudEvents source; told from the file's name where left out")
	flags.StringVar(&o.run, "run", "", "run id; a new one where left out")
	flags.BoolVar(&o.bulk, "bulk", false, "take the bulk lane, behind live events")
	return cmd
}

// publishFiles publishes files one after the other, as one run. The result is not nil once the run has begun.
func (in *installation) publishFiles(ctx context.Context, files []string, o publishOptions) (*published, error) {
	owner, err := in.tenant(ctx, o.tenant)
	if err != nil {
		return nil, err
	}
	options := feed.Options{
		Tenant: owner.ID, RecordType: events.RecordType(o.record), Source: o.source, RunID: cmp.Or(o.run, uuid.NewString()),
	}
	if o.mapping != "" {
		if options.Mapping, err = in.mapping(o.mapping); err != nil {
			return nil, inputError{err}
		}
	}
	run := store.Run{ID: options.RunID, Kind: store.FeedRun, By: in.config.actor(), Source: sourceOf(files, o), Lane: store.LiveEntry}
	if o.bulk {
		run.Lane = store.BulkEntry
	}
	if len(run.ID) > events.MaxAttributeBytes {
		return nil, badInput("--run must have at most %d bytes", events.MaxAttributeBytes)
	}
	var bar *progressbar.ProgressBar
	var file *feed.File
	publisher := feed.NewPublisher(in.feedOutlet(owner.ID, o, run.ID, func() { _ = bar.Set64(file.BytesRead()) }))
	var failure error
	run, err = api.RecordRun(ctx, in.db.Tenant(owner.ID), run, publisher, in.log, func() (store.RunState, error) {
		for _, path := range files {
			if file, failure = openFeed(path, in.console.in); failure != nil {
				break
			}
			bar = in.console.progress(file.Size(), "publishing "+path, true)
			failure = in.publishFile(ctx, publisher, path, file, o, options)
			_ = bar.Finish()
			if failure = errors.Join(failure, file.Close()); failure != nil {
				break
			}
		}
		return endOfRun(ctx, failure)
	})
	switch {
	case errors.Is(err, store.ErrExists):
		return nil, badInput("run %q is being published just now, or is of another kind", run.ID)
	case err != nil:
		return nil, err
	}
	return &published{
		RunID: run.ID, Tenant: owner.ID, Published: run.Published, Known: run.Known, Rejected: run.Rejected, Problems: publisher.Tally().Problems,
	}, failure
}

func (in *installation) publishFile(
	ctx context.Context, publisher *feed.Publisher, path string, file *feed.File, o publishOptions, options feed.Options,
) error {
	format, err := feed.FormatOf(path, o.format, options.Mapping)
	if err != nil {
		return inputError{err}
	}
	options.Source = cmp.Or(options.Source, feed.SourceOf(path))
	switch err := publisher.Publish(ctx, file, format, options); {
	case errors.Is(err, feed.ErrUnconfirmed):
		return environmentError{fmt.Errorf("%w; run it again: what arrived is not doubled", err)}
	case err != nil:
		return inputError{fmt.Errorf("read %s: %w", path, err)}
	}
	return nil
}

// sourceOf names what a run publishes.
func sourceOf(files []string, o publishOptions) string {
	if o.source != "" {
		return o.source
	}
	sources := make([]string, len(files))
	for i, path := range files {
		sources[i] = feed.SourceOf(path)
	}
	return strings.Join(sources, ", ")
}

// feedOutlet is where a tenant's files go.
func (in *installation) feedOutlet(tenant uuid.UUID, o publishOptions, run string, confirmed func()) feed.Outlet {
	return feed.Outlet{
		Send: in.transport.PublishBatch, Confirmed: confirmed,
		Topic: func(e events.Event) string { return in.topology.IntakeTopic(e.TenantID, e.Type, o.bulk) },
		Known: func(ctx context.Context, uids []uuid.UUID) int64 {
			known, err := in.db.Tenant(tenant).KnownEvents(ctx, uids, run)
			if err != nil {
				in.log.Warn().Err(err).Msg("known events not counted")
			}
			return known
		},
	}
}

// endOfRun says how a run ended, in words for its tenant.
func endOfRun(ctx context.Context, failure error) (store.RunState, error) {
	switch {
	case failure == nil:
		return store.RunPublished, nil
	case ctx.Err() != nil:
		return store.RunInterrupted, errors.New("the publisher was stopped")
	case errors.Is(failure, feed.ErrUnconfirmed):
		return store.RunFailed, feed.ErrUnconfirmed
	}
	return store.RunFailed, failure
}

func openFeed(path string, stdin io.Reader) (*feed.File, error) {
	if path == feed.Stdin {
		return feed.NewFile(stdin, -1)
	}
	file, err := feed.Open(path)
	if err != nil {
		return nil, inputError{err}
	}
	return file, nil
}

func publishedRows(w io.Writer, p *published) {
	fmt.Fprintf(w, "published %d events of tenant %s, run %s\n", p.Published, p.Tenant, p.RunID)
	if p.Known > 0 {
		fmt.Fprintf(w, "no news: %d of them are known already, or in it twice\n", p.Known)
	}
	for _, problem := range p.Problems {
		fmt.Fprintf(w, "left out: %v\n", problem)
	}
	if more := p.Rejected - int64(len(p.Problems)); more > 0 {
		fmt.Fprintf(w, "left out: %d more\n", more)
	}
}
