package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// world is an installation of one run's own; close removes it.
type world struct {
	options  Options // whose URLs are the world's own
	env      []string
	topology events.Topology
	tenants  []store.Tenant

	admin     *pgxpool.Pool // sees every tenant's rows
	db        *postgres.DB
	transport *rabbitmq.Transport

	removals []func(context.Context) error // last made, first removed
}

// maxNamespace keeps a database's name within Postgres' 63 bytes.
const maxNamespace = 40

// removalTime bounds the removal of a world, which must not end with the run's context.
const removalTime = 2 * time.Minute

// newWorld makes an installation with tenants spread evenly over the lanes, ready to take events; no worker runs yet.
func newWorld(ctx context.Context, options Options, tenants int) (*world, error) {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")[:10]
	w := &world{options: options, topology: events.DefaultTopology()}
	w.topology.Namespace = options.Namespace[:min(len(options.Namespace), maxNamespace)] + "_bench_" + id
	for _, build := range []func(context.Context, string) error{
		w.makeDatabase, w.makeBucket, w.makeVectors, w.makeTopology,
	} {
		if err := build(ctx, id); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	if err := w.makeTenants(ctx, tenants); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.env = append(os.Environ(),
		"DATABASE_URL="+w.options.Postgres.URL, "DATABASE_ADMIN_URL="+w.options.Postgres.AdminURL,
		"RABBITMQ_URL="+w.options.RabbitMQ.URL, "S3_URL="+w.options.Objects.URL,
		"QDRANT_URL="+w.options.Qdrant.URL, "QDRANT_COLLECTION="+w.options.Qdrant.Collection,
		"REOS_NAMESPACE="+w.topology.Namespace, "ADMIN_ADDR=127.0.0.1:0", "LOG_LEVEL=info")
	return w, nil
}

// close removes everything, whatever fails. The world's processes must have been stopped.
func (w *world) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), removalTime)
	defer cancel()
	var errs []error
	for i := len(w.removals) - 1; i >= 0; i-- {
		errs = append(errs, w.removals[i](ctx))
	}
	w.removals = nil
	return errors.Join(errs...)
}

func (w *world) onClose(remove func(context.Context) error) { w.removals = append(w.removals, remove) }

// makeDatabase migrates a database of its own.
func (w *world) makeDatabase(ctx context.Context, _ string) error {
	server, name := w.options.Postgres.AdminURL, w.topology.Namespace
	var err error
	if w.options.Postgres.AdminURL, err = withPath(server, name); err != nil {
		return fmt.Errorf("read DATABASE_ADMIN_URL: %w", err)
	}
	if w.options.Postgres.URL, err = withPath(w.options.Postgres.URL, name); err != nil {
		return fmt.Errorf("read DATABASE_URL: %w", err)
	}
	w.onClose(func(ctx context.Context) error { return dropDatabase(ctx, server, name) })
	if err := postgres.Migrate(ctx, w.options.Postgres.AdminURL, w.options.Postgres.URL); err != nil {
		return err
	}
	if w.admin, err = pgxpool.New(ctx, w.options.Postgres.AdminURL); err != nil {
		return fmt.Errorf("open the database as its owner: %w", err)
	}
	w.onClose(func(context.Context) error { w.admin.Close(); return nil })
	if w.db, err = postgres.Open(ctx, w.options.Postgres); err != nil {
		return err
	}
	w.onClose(func(context.Context) error { w.db.Close(); return nil })
	return nil
}

func dropDatabase(ctx context.Context, adminURL, name string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return fmt.Errorf("connect to drop database %s: %w", name, err)
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	return errors.Join(err, conn.Close(ctx))
}

// makeBucket only chooses a name: the worker makes the bucket.
func (w *world) makeBucket(_ context.Context, id string) error {
	var err error
	if w.options.Objects.URL, err = withPath(w.options.Objects.URL, "bench-"+id); err != nil {
		return fmt.Errorf("read S3_URL: %w", err)
	}
	w.onClose(func(ctx context.Context) error { return removeBucket(ctx, w.options.Objects.URL) })
	return nil
}

// makeTopology declares the queues, so that events can be published before a worker runs.
func (w *world) makeTopology(ctx context.Context, _ string) error {
	w.onClose(func(context.Context) error { return removeTopology(w.options.RabbitMQ.URL, w.topology) })
	var err error
	if w.transport, err = rabbitmq.Open(ctx, w.options.RabbitMQ, w.topology, zerolog.Nop()); err != nil {
		return err
	}
	w.onClose(func(context.Context) error { return w.transport.Close() })
	if err := w.transport.Declare(ctx); err != nil {
		return fmt.Errorf("declare the topology: %w", err)
	}
	return nil
}

func (w *world) makeTenants(ctx context.Context, n int) error {
	for i := range n {
		tenant := store.Tenant{
			ID: uuid.New(), Name: fmt.Sprintf("tenant %d", i+1), Lane: w.topology.Lanes[i%len(w.topology.Lanes)],
		}
		if err := w.db.Platform().CreateTenant(ctx, tenant, store.Act{By: "bench"}); err != nil {
			return err
		}
		if err := w.transport.BindTenant(ctx, tenant.ID, tenant.Lane); err != nil {
			return fmt.Errorf("bind tenant: %w", err)
		}
		w.tenants = append(w.tenants, tenant)
	}
	return nil
}

// withPath replaces a URL's path: a database's name, a bucket's name. Its error does not repeat the URL.
func withPath(raw, name string) (string, error) {
	parsed, err := url.Parse(raw)
	if err != nil || parsed.Host == "" {
		return "", errors.New("it must be a URL with a host")
	}
	parsed.Path = "/" + name
	return parsed.String(), nil
}

// settle has Postgres write what it holds, so that one run does not pay for the one before it.
func (w *world) settle(ctx context.Context) error {
	_, err := w.admin.Exec(ctx, "CHECKPOINT")
	return err
}
