package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/embedding"
)

// installation is one reos: the adapters that a verb opened, and what they share.
type installation struct {
	console  *console
	config   config
	log      zerolog.Logger
	registry *prometheus.Registry
	topology events.Topology
	embedder embedding.Embedder
	teardown teardown
	courtesy *workers.Courtesy // of all that works in bulk; nil where no stage runs

	db        *postgres.DB
	transport events.Transport
	points    *qdrant.Client
	objects   *objects.Client

	comparedPoints  *qdrant.Client // of a process that has no other use for them: see openCompared
	comparedObjects *objects.Client

	postgresEnded <-chan struct{} // of the embedded Postgres; nil without one
	stopping      atomic.Bool     // requests are better sent to another process
}

// newInstallation reads the environment; nothing is opened yet.
func newInstallation(ctx context.Context, c *console) (*installation, error) {
	cfg, err := loadConfig(ctx)
	if err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	topology := events.DefaultTopology()
	topology.Namespace, topology.Lanes, topology.ReservedLanes = cfg.Namespace, cfg.Lanes, cfg.ReservedLanes
	return &installation{
		console: c, config: cfg, log: c.logger(cfg.LogLevel), registry: registry,
		topology: topology, embedder: embedding.NewHashing(),
	}, nil
}

// untilStopped runs a verb that goes on until a signal ends intake, and then for as long as the drain may take.
func untilStopped(ctx context.Context, c *console, run func(in *installation, intake, work context.Context) error) (err error) {
	in, err := newInstallation(ctx, c)
	if err != nil {
		return err
	}
	intake, work, stop := shutdown(ctx, in.config.API.DrainDelay+in.config.DrainTimeout)
	defer stop()
	defer in.close(&err)
	return run(in, intake, work)
}

// close releases what was opened. Its error is the verb's when the verb has none.
func (in *installation) close(err *error) {
	if closeErr := in.teardown.run(); closeErr != nil && *err == nil {
		*err = environmentError{closeErr}
	}
}

// openDatabase connects to Postgres as the application's role.
func (in *installation) openDatabase(ctx context.Context) error {
	if err := in.config.demand(envDatabase); err != nil {
		return err
	}
	db, err := postgres.Open(ctx, in.config.Postgres)
	if err != nil {
		return environmentError{err}
	}
	in.db = db
	in.teardown.add("postgres", func(context.Context) error { db.Close(); return nil })
	return nil
}

// openTransport connects to RabbitMQ where RABBITMQ_URL is set, else to the queues in Postgres.
func (in *installation) openTransport(ctx context.Context) error {
	var transport events.Transport
	var err error
	if in.config.RabbitMQ.URL != "" {
		transport, err = rabbitmq.Open(ctx, in.config.RabbitMQ, in.topology, in.log)
	} else {
		if in.db == nil {
			if err := in.openDatabase(ctx); err != nil {
				return err
			}
		}
		transport, err = pgqueue.Open(ctx, in.db.Pool(), in.topology, in.log)
	}
	if err != nil {
		return environmentError{err}
	}
	in.transport = measure(transport)
	in.teardown.add("transport", func(context.Context) error { return transport.Close() })
	return nil
}

// openPoints connects to Qdrant and makes sure of the collection.
func (in *installation) openPoints(ctx context.Context) error {
	if err := in.config.demand(envQdrant); err != nil {
		return err
	}
	client, err := qdrant.Open(ctx, in.config.Qdrant)
	if err != nil {
		return environmentError{err}
	}
	in.points = client
	in.teardown.add("qdrant", func(context.Context) error { return client.Close() })
	if err := client.Ensure(ctx, in.embedder.Model(), in.embedder.Dimensions()); err != nil {
		return environmentError{fmt.Errorf("connect to %s: %w", envQdrant, err)}
	}
	return nil
}

// openObjects connects to the object store and makes sure of the bucket.
func (in *installation) openObjects(ctx context.Context) error {
	if err := in.config.demand(envS3); err != nil {
		return err
	}
	client, err := objects.Open(ctx, in.config.Objects)
	if err != nil {
		return environmentError{err}
	}
	in.objects = client
	in.teardown.add("objects", func(context.Context) error { return client.Close() })
	if err := client.Ensure(ctx); err != nil {
		return environmentError{fmt.Errorf("connect to %s: %w", envS3, err)}
	}
	return nil
}

// open opens adapters in order, up to the first that fails.
func (in *installation) open(ctx context.Context, opens []func(context.Context) error) error {
	for _, open := range opens {
		if err := open(ctx); err != nil {
			return err
		}
	}
	return nil
}

// declare builds the topology and lets every tenant's events in.
func (in *installation) declare(ctx context.Context) error {
	if err := in.checkTenantLanes(ctx); err != nil {
		return err
	}
	if err := in.transport.Declare(ctx); err != nil {
		return environmentError{fmt.Errorf("declare the topology: %w", err)}
	}
	lifecycle, err := in.newLifecycle()
	if err != nil {
		return err
	}
	return tenancyError(lifecycle.Bind(ctx))
}

// tenant finds a tenant by id or name, unless it was deleted.
func (in *installation) tenant(ctx context.Context, idOrName string) (store.Tenant, error) {
	tenant, err := in.anyTenant(ctx, idOrName)
	if err == nil && tenant.State == store.TenantDeleted {
		return store.Tenant{}, badInput("tenant %s was deleted: nothing is left of it", tenant.ID)
	}
	return tenant, err
}

// anyTenant also finds, by its id, a tenant that was deleted.
func (in *installation) anyTenant(ctx context.Context, idOrName string) (store.Tenant, error) {
	tenant, err := in.db.Platform().Tenant(ctx, idOrName)
	if isNotFound(err) {
		return store.Tenant{}, badInput("no tenant %q: `reos tenant list` shows them", idOrName)
	}
	return tenant, err
}
