package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/embedded"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/workers/indexing"
)

func upCommand(c *console) *cobra.Command {
	return &cobra.Command{
		Use:   "up",
		Short: "Run everything in one process",
		Long: `Runs all stages in one process until SIGINT or SIGTERM. What no variable names is started in the process:
Postgres, an S3 server, a vector store, and queues on that Postgres in place of RabbitMQ. Their data live in
REOS_DATA_DIR and survive a restart, and a kill. Other verbs on the same machine find a running "reos up" by itself.

Any of DATABASE_URL (with DATABASE_ADMIN_URL), RABBITMQ_URL, QDRANT_URL and S3_URL that is set is used instead.`,
		Example: `  reos up
  REOS_DATA_DIR=/srv/reos reos up
  RABBITMQ_URL=amqp://user:secret@broker/ reos up      # own broker, the rest in the process`,
		Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return untilStopped(cmd.Context(), c, (*installation).up) },
	}
}

func (in *installation) up(intake, work context.Context) error {
	if err := in.ensureSecret(); err != nil {
		return err
	}
	if err := in.startMissing(intake); err != nil {
		return err
	}
	pipeline := in.newPipeline(events.Stages)
	admin, err := in.serveAdmin(pipeline)
	if err != nil {
		return err
	}
	served, err := in.serveAPI(intake, work, pipeline)
	if err != nil {
		return err
	}
	in.startBeating(in.introduce(store.ProcessUp, events.Stages, admin, served.address))
	remove, err := writeRuntime(in.config.DataDir, in.services())
	if err != nil {
		return err
	}
	in.teardown.add("runtime file", func(context.Context) error { return remove() })
	in.log.Info().Str("data", in.config.DataDir).Str("api", "http://"+served.address).Str("admin", "http://"+admin).
		Msg("up: publish with `reos publish` or over HTTP, stop with ctrl-C")
	running, end := in.whileAllRuns(intake, served)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-running.Done()
		served.drain(work) // beside the workers: nothing new comes in by HTTP either
	}()
	err = pipeline.run(running, work)
	end(nil)
	<-drained
	in.log.Info().Msg("drained")
	return err
}

// whileAllRuns ends with ctx, or when the API or the embedded Postgres has ended by itself: an installation that is deaf, or
// has no database, is better restarted.
func (in *installation) whileAllRuns(ctx context.Context, served *servedAPI) (context.Context, context.CancelCauseFunc) {
	ctx, end := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-in.postgresEnded: // nil, and so never, without an embedded one
			end(errors.New("the embedded Postgres has ended"))
		case err := <-served.failed:
			end(fmt.Errorf("serve the API: %w", err))
		case <-ctx.Done():
		}
	}()
	return ctx, end
}

// services says where everything is, for other verbs.
func (in *installation) services() map[string]string {
	return map[string]string{
		envDatabase: in.config.Postgres.URL, envAdmin: in.config.Postgres.AdminURL, envRabbitMQ: in.config.RabbitMQ.URL,
		envQdrant: in.config.Qdrant.URL, envS3: in.config.Objects.URL,
		auth.EnvSecret: in.config.Auth.Secret, auth.EnvIssuer: in.config.Auth.Issuer, auth.EnvAudience: in.config.Auth.Audience,
	}
}

// startMissing starts in the process what the configuration does not name, migrates the database, and opens all.
func (in *installation) startMissing(ctx context.Context) error {
	if err := os.MkdirAll(in.config.DataDir, 0o755); err != nil {
		return environmentError{fmt.Errorf("make the data directory: %w", err)}
	}
	ownPoints := in.config.Qdrant.URL == ""
	for _, start := range []func(context.Context) error{in.startPostgres, in.startObjects, in.startPoints} {
		if err := start(ctx); err != nil {
			return environmentError{err}
		}
	}
	if in.config.Postgres.AdminURL != "" {
		if err := postgres.Migrate(ctx, in.config.Postgres.AdminURL, in.config.Postgres.URL); err != nil {
			return environmentError{err}
		}
	}
	err := in.open(ctx, []func(context.Context) error{
		in.openDatabase, in.openTransport, in.openPoints, in.openObjects, in.declare,
	})
	if err != nil || !ownPoints {
		return err
	}
	if err := indexing.Rebuild(ctx, in.db.Platform(), in.tenantPoints, in.embedder.Model()); err != nil {
		return environmentError{fmt.Errorf("rebuild the index: %w", err)}
	}
	return nil
}

func (in *installation) startPostgres(ctx context.Context) error {
	if in.config.Postgres.URL != "" {
		return nil
	}
	server, err := embedded.StartPostgres(ctx, embedded.PostgresConfig{
		Dir: filepath.Join(in.config.DataDir, "postgres"), Log: nil,
	})
	if err != nil {
		return err
	}
	in.teardown.add("embedded postgres", server.Close)
	in.postgresEnded = server.Done()
	in.config.Postgres.URL, in.config.Postgres.AdminURL = server.AppURL(), server.AdminURL()
	return nil
}

func (in *installation) startObjects(context.Context) error {
	if in.config.Objects.URL != "" {
		return nil
	}
	server, err := embedded.StartS3(filepath.Join(in.config.DataDir, "s3"))
	if err != nil {
		return err
	}
	in.teardown.add("embedded S3", func(context.Context) error { return server.Close() })
	in.config.Objects.URL = server.URL()
	in.config.API.MaxDocumentBytes = min(in.config.API.MaxDocumentBytes, embedded.MaxObjectBytes)
	return nil
}

func (in *installation) startPoints(ctx context.Context) error {
	if in.config.Qdrant.URL != "" {
		return nil
	}
	server, err := embedded.StartQdrant(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	in.teardown.add("embedded vector store", func(context.Context) error { return server.Close() })
	in.config.Qdrant.URL = server.URL()
	return nil
}
