package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/cmd/reos/bench"
	"github.com/codybias9/real-estate-os/store/embedded"
)

// What lies beside the project where it was checked out together with its data and baseline.
const (
	defaultKingCounty = "../shared/data/kc_house_data.csv"
	defaultMapping    = "docs/feeds/king-county.yaml"
)

func benchCommand(c *console) *cobra.Command {
	options := bench.Options{Sizes: bench.FullSizes(), Say: c.say}
	var out string
	var quick, generated bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure throughput, latency, fairness, memory and growth on configured servers",
		Long: `Measures reos with everything on (row-level security, archive, verdicts, embedding, vector upsert) on the servers of
RABBITMQ_URL, DATABASE_ADMIN_URL, DATABASE_URL and S3_URL. QDRANT_URL may be left out: the embedded vector store then
runs as a process of its own. Each run makes a database, queues, a bucket and a collection of its own and removes them.

With --peer, the baseline and reos run alternately, so that both meet the same machine; the scenario "control" runs
reos against itself, which gives the noise floor. Shared cores make absolute times unstable: compare ratios.

Scenarios: ` + strings.Join(bench.Names(), ", ") + `. All of them take about half an hour on two cores, --quick a few minutes.`,
		Example: `  reos bench --quick
  reos bench --scenario saturation --events 20000 --pairs 1 --cpuprofile cpu.prof
  reos bench --peer ./watermill-router --out docs/benchmarks/2026-01-31.json --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sizes := bench.FullSizes()
			if quick {
				sizes = bench.QuickSizes()
			}
			overlay(cmd, &options.Sizes, sizes)
			if generated {
				options.KingCounty = ""
			} else if err := findKingCounty(cmd, &options); err != nil {
				return err
			}
			return runBench(cmd.Context(), c, options, out)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&options.Scenarios, "scenario", nil, "scenarios to run, separated by commas; all where left out")
	flags.BoolVar(&quick, "quick", false, "small sizes: see that it works, compare nothing")
	flags.IntVar(&options.Sizes.Pairs, "pairs", options.Sizes.Pairs, "how often reos and its baseline alternate")
	flags.IntVar(&options.Sizes.Events, "events", options.Sizes.Events, "generated events of a saturated run")
	flags.IntVar(&options.Sizes.PeerEvents, "peer-events", options.Sizes.PeerEvents, "events of a saturated run of the baseline")
	flags.StringVar(&options.Peer, "peer", os.Getenv("REOS_BENCH_PEER"), "binary of the baseline, ../shared/peers/watermill-router built (REOS_BENCH_PEER)")
	flags.StringVar(&options.KingCounty, "king-county", defaultKingCounty, "CSV file of King County's sales")
	flags.StringVar(&options.Mapping, "mapping", defaultMapping, "mapping of that file")
	flags.BoolVar(&generated, "generated-only", false, "leave King County's sales out")
	flags.Uint64Var(&options.Seed, "seed", 1, "seed of the generated data")
	flags.StringVar(&options.CPUProfile, "cpuprofile", "", "file for 5 s of CPU profile of the first saturated worker")
	flags.StringVar(&out, "out", "", "file to write the whole report to, as JSON")
	cmd.AddCommand(benchVectorsCommand(c))
	return cmd
}

// overlay takes sizes over, but for those that the user gave.
func overlay(cmd *cobra.Command, given *bench.Sizes, sizes bench.Sizes) {
	for name, fields := range map[string][2]*int{
		"pairs": {&sizes.Pairs, &given.Pairs}, "events": {&sizes.Events, &given.Events},
		"peer-events": {&sizes.PeerEvents, &given.PeerEvents},
	} {
		if cmd.Flags().Changed(name) {
			*fields[0] = *fields[1]
		}
	}
	*given = sizes
}

// findKingCounty leaves the data out where the default file is not there; a file that the user named must be.
func findKingCounty(cmd *cobra.Command, options *bench.Options) error {
	_, err := os.Stat(options.KingCounty)
	if err == nil {
		_, err = os.Stat(options.Mapping)
	}
	switch {
	case err == nil:
		return nil
	case cmd.Flags().Changed("king-county") || cmd.Flags().Changed("mapping"):
		return inputError{err}
	}
	options.KingCounty = ""
	return nil
}

func runBench(ctx context.Context, c *console, options bench.Options, out string) error {
	if err := options.Check(); err != nil {
		return inputError{err}
	}
	cfg, err := loadConfig(ctx)
	if err != nil {
		return err
	}
	if err := cfg.demand(envDatabase, envAdmin, envRabbitMQ, envS3); err != nil {
		return err
	}
	options.RabbitMQ, options.Postgres, options.Objects, options.Qdrant = cfg.RabbitMQ, cfg.Postgres, cfg.Objects, cfg.Qdrant
	options.Namespace = cfg.Namespace
	if options.Binary, err = os.Executable(); err != nil {
		return environmentError{fmt.Errorf("find this program's own file: %w", err)}
	}
	ctx, _, stop := shutdown(ctx, 0)
	defer stop()
	report, err := bench.Measure(ctx, options)
	if report == nil {
		return environmentError{err}
	}
	if err != nil {
		err = environmentError{err}
	}
	if out != "" && err == nil {
		err = writeReport(out, report)
	}
	if printErr := c.print(report, report.Table); err == nil {
		err = printErr
	}
	return err
}

// writeReport keeps the whole report; a directory that is missing is made.
func writeReport(path string, report *bench.Report) error {
	content, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return environmentError{err}
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o644); err != nil {
		return environmentError{err}
	}
	return nil
}

// benchVectorsCommand is what the benchmark starts as the vector store.
func benchVectorsCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use: "vectors", Short: "Run the embedded vector store as a process of its own", Hidden: true,
		Long:    `Serves the embedded vector store on a free port of this machine until SIGINT or SIGTERM. It logs where.`,
		Example: `  reos bench vectors`,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			in, err := newInstallation(cmd.Context(), c)
			if err != nil {
				return err
			}
			intake, _, stop := shutdown(cmd.Context(), time.Second)
			defer stop()
			defer in.close(&err)
			server, err := embedded.StartQdrant(intake, "127.0.0.1:0")
			if err != nil {
				return environmentError{err}
			}
			in.teardown.add("vector store", func(context.Context) error { return server.Close() })
			in.log.Info().Str("url", server.URL()).Msg("serving")
			<-intake.Done()
			return nil
		},
	}
}
