package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

func workerCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "worker STAGE...",
		Short: "Run workers for some or all stages",
		Long: `Runs workers against configured services until SIGINT or SIGTERM, then finishes what is in hand (DRAIN_TIMEOUT,
20s by default) and exits. A second signal stops at once; unfinished messages are delivered again.

Stages: ` + stageNames() + `, or all.
Needs DATABASE_URL, RABBITMQ_URL, QDRANT_URL and S3_URL, as far as the stages use them.`,
		Example: `  reos worker all
  reos worker ingestion quality
  ADMIN_ADDR=:9400 reos worker indexing     # /healthz, /readyz and /metrics on port 9400`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			stages, err := parseStages(given)
			if err != nil {
				return err
			}
			return untilStopped(cmd.Context(), c, func(in *installation, intake, work context.Context) error {
				return in.work(intake, work, stages)
			})
		},
	}
}

func stageNames() string { return oneOf(events.Stages) }

func parseStages(given []string) ([]events.Stage, error) {
	var stages []events.Stage
	for _, name := range given {
		switch stage := events.Stage(name); {
		case name == "all":
			stages = append(stages, events.Stages...)
		case slices.Contains(events.Stages, stage):
			stages = append(stages, stage)
		default:
			return nil, badInput("no stage %q: must be one of %s, or all", name, stageNames())
		}
	}
	slices.Sort(stages)
	return slices.Compact(stages), nil
}

func (in *installation) work(intake, work context.Context, stages []events.Stage) error {
	if err := in.config.demand(needs(stages)...); err != nil {
		return err
	}
	if err := in.openFor(intake, stages); err != nil {
		return err
	}
	pipeline := in.newPipeline(stages)
	admin, err := in.serveAdmin(pipeline)
	if err != nil {
		return err
	}
	in.startBeating(in.introduce(store.ProcessWorker, stages, admin, ""))
	in.log.Info().Strs("stages", asStrings(stages)).Str("admin", "http://"+admin).Msg("working")
	err = pipeline.run(intake, work)
	in.log.Info().Msg("drained")
	return err
}

// needs lists the variables that stages demand.
func needs(stages []events.Stage) []string {
	names := []string{envDatabase, envRabbitMQ}
	if slices.Contains(stages, events.Indexing) {
		names = append(names, envQdrant)
	}
	if slices.Contains(stages, events.Ingestion) || slices.Contains(stages, events.Freshness) { // which archives
		names = append(names, envS3)
	}
	return names
}

// openFor opens what stages use.
func (in *installation) openFor(ctx context.Context, stages []events.Stage) error {
	open := []func(context.Context) error{in.openDatabase, in.openTransport}
	if slices.Contains(stages, events.Indexing) {
		open = append(open, in.openPoints)
	}
	if slices.Contains(stages, events.Ingestion) {
		open = append(open, in.openObjects)
	}
	if slices.Contains(stages, events.Freshness) {
		open = append(open, in.openCompared)
	}
	return in.open(ctx, append(open, in.declare))
}

func asStrings[S ~string](words []S) []string {
	names := make([]string, len(words))
	for i, word := range words {
		names[i] = string(word)
	}
	return names
}
