package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/feed"
)

// published is what `reos publish` prints.
type published struct {
	RunID     string            `json:"run_id"`
	Tenant    uuid.UUID         `json:"tenant_id"`
	Published int               `json:"published"` // confirmed by the broker
	Rejected  int               `json:"rejected"`  // lines that are no event
	Problems  []*feed.LineError `json:"problems,omitempty"`
}

const (
	publishBatch = 500
	maxProblems  = 20 // told one by one; the rest are counted
)

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
  reos publish sales.csv.gz --tenant acme --mapping docs/feeds/king-county.yaml --bulk
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
	flags.StringVar(&o.mapping, "mapping", "", "YAML mapping of a CSV file's columns (docs/feeds)")
	flags.StringVar(&o.format, "format", "", "ndjson, csv or reso; told from the file's name where left out")
	flags.StringVar(&o.source, "source", "", "CloudEvents source; told from the file's name where left out")
	flags.StringVar(&o.run, "run", "", "run id; a new one where left out")
	flags.BoolVar(&o.bulk, "bulk", false, "take the bulk lane, behind live events")
	return cmd
}

// publishFiles publishes files one after the other. The result is not nil once anything was published.
func (in *installation) publishFiles(ctx context.Context, files []string, o publishOptions) (*published, error) {
	owner, err := in.tenant(ctx, o.tenant)
	if err != nil {
		return nil, err
	}
	if o.run == "" {
		o.run = uuid.NewString()
	}
	options := feed.Options{
		Tenant: owner.ID, RecordType: events.RecordType(o.record), Source: o.source, RunID: o.run,
	}
	if o.mapping != "" {
		if options.Mapping, err = feed.LoadMapping(o.mapping); err != nil {
			return nil, inputError{err}
		}
	}
	result := &published{RunID: o.run, Tenant: owner.ID}
	for _, path := range files {
		if err := in.publishFile(ctx, path, o, options, result); err != nil {
			return result, err
		}
	}
	return result, nil
}

func (in *installation) publishFile(ctx context.Context, path string, o publishOptions, options feed.Options, result *published) error {
	file, err := openFeed(path, in.console.in)
	if err != nil {
		return err
	}
	defer file.Close() // read only: nothing is lost
	format, err := feed.FormatOf(path, o.format, options.Mapping)
	if err != nil {
		return inputError{err}
	}
	if options.Source == "" {
		options.Source = feed.SourceOf(path)
	}
	bar := in.console.progress(file.Size(), "publishing "+path, true)
	defer func() { _ = bar.Finish() }()
	batch := make([]events.Outgoing, 0, publishBatch)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		if err := in.transport.PublishBatch(ctx, batch); err != nil {
			return environmentError{fmt.Errorf("%w; run it again: what arrived is not doubled", err)}
		}
		result.Published += len(batch)
		batch = batch[:0]
		return bar.Set64(file.BytesRead())
	}
	for event, err := range feed.Read(file, format, options) {
		var line *feed.LineError
		switch {
		case errors.As(err, &line):
			result.reject(line)
			continue
		case err != nil:
			return errors.Join(inputError{fmt.Errorf("read %s: %w", path, err)}, flush())
		}
		batch = append(batch, events.Outgoing{
			Topic: in.topology.IntakeTopic(event.TenantID, event.Type, o.bulk), Message: event.Message(),
		})
		if len(batch) == publishBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func (p *published) reject(line *feed.LineError) {
	p.Rejected++
	if len(p.Problems) < maxProblems {
		p.Problems = append(p.Problems, line)
	}
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
	for _, problem := range p.Problems {
		fmt.Fprintf(w, "left out: %v\n", problem)
	}
	if more := p.Rejected - len(p.Problems); more > 0 {
		fmt.Fprintf(w, "left out: %d more\n", more)
	}
}
