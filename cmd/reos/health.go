package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/qdrant"
)

// component is one line of the health matrix.
type component struct {
	Name        string `json:"component"`
	Endpoint    string `json:"endpoint"` // without secrets
	Expectation string `json:"expectation"`
	OK          bool   `json:"ok"`
	Reason      string `json:"reason,omitempty"` // why not
	LatencyMS   int64  `json:"latency_ms"`
	TimeoutMS   int64  `json:"timeout_ms"`

	check func(context.Context) error
}

// healthReport is what `reos health` prints.
type healthReport struct {
	Healthy    bool        `json:"healthy"`
	Components []component `json:"components"`
}

// healthEvery is how often --wait looks again.
const healthEvery = time.Second

func healthCommand(c *console) *cobra.Command {
	var wait, each time.Duration
	var optional []string
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check every component: services, API, each worker, the freshness tracker",
		Long: `Asks every component whether it can work: the API, PostgreSQL, RabbitMQ (or the queues in Postgres), Qdrant, S3,
each worker process that says it lives, and the freshness tracker. A stage that no process runs counts as down.

Exit code 3 when something is down.`,
		Example: `  reos health
  reos health --wait 2m          # for scripts: until all is well, at most 2 minutes
  reos health --without api --json`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if each <= 0 {
				return badInput("--timeout must be more than 0s, got %s", each)
			}
			return withOpen(cmd.Context(), c, func(ctx context.Context, in *installation) error {
				report := in.health(ctx, each, optional)
				for until := time.Now().Add(wait); !report.Healthy && time.Now().Before(until) && ctx.Err() == nil; {
					select {
					case <-ctx.Done():
					case <-time.After(healthEvery):
						report = in.health(ctx, each, optional)
					}
				}
				if err := c.print(report, func(w io.Writer) { healthRows(w, report, isTerminal(c.out)) }); err != nil {
					return err
				}
				if !report.Healthy {
					return environmentError{errors.New("not everything is well")}
				}
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "look again until all is well, at most this long")
	cmd.Flags().DurationVar(&each, "timeout", 5*time.Second, "for each check")
	cmd.Flags().StringSliceVar(&optional, "without", nil, "components that this installation does without: api, or a stage")
	return cmd
}

// health checks all components at once. What cannot be opened is down, and no reason to stop.
func (in *installation) health(ctx context.Context, each time.Duration, without []string) healthReport {
	components := in.serviceComponents()
	components = append(components, in.processComponents(ctx, each, without)...)
	var wait sync.WaitGroup
	for i := range components {
		wait.Go(func() { components[i].run(ctx, each) })
	}
	wait.Wait()
	healthy := true
	for _, c := range components {
		healthy = healthy && c.OK
	}
	return healthReport{Healthy: healthy, Components: components}
}

func (c *component) run(ctx context.Context, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	err := c.check(ctx)
	c.LatencyMS, c.TimeoutMS = time.Since(began).Milliseconds(), timeout.Milliseconds()
	c.OK = err == nil
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		c.Reason = fmt.Sprintf("no answer within %s", timeout)
	case err != nil:
		c.Reason = err.Error()
	}
}

// serviceComponents are what reos stands on. Each opens its own connection, so that one that is down hides no other.
func (in *installation) serviceComponents() []component {
	database := in.config.Postgres.URL
	components := []component{{
		Name: "postgresql", Endpoint: withoutSecrets(database), Expectation: "commits a write",
		check: in.checkOpened(func(other *installation, ctx context.Context) error {
			if err := other.openDatabase(ctx); err != nil {
				return err
			}
			return other.db.Ready(ctx)
		}),
	}, {
		Name: "rabbitmq", Endpoint: withoutSecrets(in.config.RabbitMQ.URL), Expectation: "takes messages, is not blocked",
		check: in.checkOpened(func(other *installation, ctx context.Context) error {
			if err := other.openTransport(ctx); err != nil {
				return err
			}
			return other.transport.Ready(ctx)
		}),
	}, {
		Name: "qdrant", Endpoint: withoutSecrets(in.config.Qdrant.URL), Expectation: "answers its health check",
		check: in.checkOpened(func(other *installation, ctx context.Context) error {
			if err := other.config.demand(envQdrant); err != nil {
				return err
			}
			client, err := qdrant.Open(ctx, other.config.Qdrant)
			if err != nil {
				return err
			}
			return errors.Join(client.Ready(ctx), client.Close())
		}),
	}, {
		Name: "s3", Endpoint: withoutSecrets(in.config.Objects.URL), Expectation: "its bucket answers",
		check: in.checkOpened(func(other *installation, ctx context.Context) error {
			if err := other.config.demand(envS3); err != nil {
				return err
			}
			client, err := objects.Open(ctx, other.config.Objects)
			if err != nil {
				return err
			}
			return errors.Join(client.Ready(ctx), client.Close())
		}),
	}}
	if in.config.RabbitMQ.URL == "" { // the queues are in Postgres
		components[1].Name, components[1].Endpoint = "queues", withoutSecrets(database)
	}
	return components
}

// checkOpened runs a check on an installation of its own, closed again afterwards.
func (in *installation) checkOpened(check func(*installation, context.Context) error) func(context.Context) error {
	return func(ctx context.Context) (err error) {
		other := &installation{console: in.console, config: in.config, log: in.log, topology: in.topology, embedder: in.embedder}
		defer other.close(&err)
		return check(other, ctx)
	}
}

// processComponents are the processes of this installation, and the stages that none of them runs.
func (in *installation) processComponents(ctx context.Context, timeout time.Duration, without []string) []component {
	processes, err := in.processes(ctx, timeout)
	if err != nil {
		return []component{{
			Name: "workers", Expectation: "say that they live",
			check: func(context.Context) error { return fmt.Errorf("not known: %w", err) },
		}}
	}
	var components []component
	covered := map[string]bool{}
	for _, process := range processes {
		if process.Silent > silentAfter {
			continue // ended without a word; where nobody took its place, that shows below
		}
		for _, stage := range process.Stages {
			covered[string(stage)] = true
		}
		components = append(components, processComponent(process))
		if slices.Contains(process.Stages, events.Freshness) {
			components = append(components, component{
				Name: "freshness tracker", Endpoint: process.AdminURL + "/readyz", Expectation: "has evaluated lately",
				check: ready(process.AdminURL+"/readyz", trackerCheck),
			})
		}
		if process.APIURL != "" {
			covered["api"] = true
			components = append(components, component{
				Name: "api", Endpoint: process.APIURL + "/healthz", Expectation: `200 {"status":"ok"}`, check: answersOK(process.APIURL + "/healthz"),
			})
		}
	}
	for _, part := range append([]string{"api"}, asStrings(events.Stages)...) {
		if !covered[part] && !slices.Contains(without, part) {
			components = append(components, component{
				Name: part, Expectation: "a process runs it",
				check: func(context.Context) error { return errors.New("no process that is heard of runs it") },
			})
		}
	}
	return components
}

// processes lists who has said to live.
func (in *installation) processes(ctx context.Context, timeout time.Duration) (processes []store.Process, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	check := in.checkOpened(func(other *installation, ctx context.Context) error {
		if err := other.openDatabase(ctx); err != nil {
			return err
		}
		processes, err = other.db.Platform().Processes(ctx)
		return err
	})
	return processes, check(ctx)
}

func processComponent(p store.Process) component {
	name := p.Kind
	switch {
	case len(p.Stages) == len(events.Stages):
		name += " all"
	case len(p.Stages) > 0:
		name += " " + strings.Join(asStrings(p.Stages), " ")
	}
	return component{
		Name: fmt.Sprintf("%s (%s, pid %d)", name, p.Host, p.PID), Endpoint: p.AdminURL + "/readyz", Expectation: "200, ready",
		check: ready(p.AdminURL+"/readyz", ""),
	}
}

// trackerCheck is what a process calls the readiness of its freshness tracker.
const trackerCheck = "tracker"

// ready asks a process and passes on its reasons, or those of one of its checks.
func ready(at, only string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, body, err := fetchJSON(ctx, at)
		if err != nil {
			return err
		}
		var reasons []string
		checks, _ := body["checks"].(map[string]any)
		for name, reason := range checks {
			if reason != "ok" && (only == "" || only == name) {
				reasons = append(reasons, fmt.Sprintf("%s: %v", name, reason))
			}
		}
		slices.Sort(reasons)
		switch {
		case len(reasons) > 0:
			return errors.New(strings.Join(reasons, "; "))
		case only != "" && checks[only] == nil:
			return fmt.Errorf("it does not say how %s is", only)
		case only == "" && body["status"] != "ready":
			return fmt.Errorf("it says %v", body["status"])
		}
		return nil
	}
}

func answersOK(at string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, body, err := fetchJSON(ctx, at)
		if err == nil && (status != http.StatusOK || body["status"] != "ok") {
			err = fmt.Errorf("status %d, not what was expected", status)
		}
		return err
	}
}

func fetchJSON(ctx context.Context, at string) (status int, body map[string]any, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() // read only: nothing is lost
	err = json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&body)
	return response.StatusCode, body, err
}

// withoutSecrets is a URL without user, password and query; "-" where there is none, or where it cannot be read.
func withoutSecrets(raw string) string {
	parsed, err := url.Parse(raw)
	if raw == "" || err != nil || parsed.Host == "" {
		return "-"
	}
	return (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
}

func healthRows(w io.Writer, report healthReport, colour bool) {
	fmt.Fprintln(w, "COMPONENT\tSTATE\tLATENCY\tTIMEOUT\tENDPOINT\tEXPECTATION\tREASON")
	for _, c := range report.Components {
		state, paint := "ok", "\x1b[32m"
		if !c.OK {
			state, paint = "down", "\x1b[31m"
		}
		if colour {
			state = paint + state + "\x1b[0m"
		}
		endpoint := c.Endpoint
		if endpoint == "" {
			endpoint = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%d ms\t%d ms\t%s\t%s\t%s\n", c.Name, state, c.LatencyMS, c.TimeoutMS, endpoint, c.Expectation, c.Reason)
	}
}
