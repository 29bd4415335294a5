package pgqueue_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/events/pgqueue"
	"github.com/codybias9/real-estate-os/migrations"
)

// queueMigration is the number of our first migration.
const queueMigration = 2

// cluster is the Postgres server that the tests share: each has a database of its own, copied from a migrated one.
var cluster testCluster

type testCluster struct {
	config   *pgx.ConnConfig
	template string
	made     atomic.Int64
}

func (c *testCluster) open(ctx context.Context) (err error) {
	url := os.Getenv("DATABASE_ADMIN_URL")
	if url == "" {
		return errors.New("DATABASE_ADMIN_URL must name a Postgres server and a superuser of it: see compose/services")
	}
	if c.config, err = pgx.ParseConfig(url); err != nil {
		return errors.New("DATABASE_ADMIN_URL is not a Postgres URL") // parse errors may hold a password
	}
	c.template = fmt.Sprintf("pgqueue_test_%d", os.Getpid())
	if err := c.admin(ctx, "CREATE DATABASE "+c.template); err != nil {
		return err
	}
	return c.migrate(ctx)
}

func (c *testCluster) migrate(ctx context.Context) (err error) {
	db := stdlib.OpenDB(*c.in(c.template))
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

func (c *testCluster) close(ctx context.Context) error {
	return c.admin(ctx, "DROP DATABASE "+c.template)
}

// in is how to reach a database of the cluster.
func (c *testCluster) in(database string) *pgx.ConnConfig {
	config := c.config.Copy()
	config.Database = database
	return config
}

func (c *testCluster) admin(ctx context.Context, statements ...string) error {
	conn, err := pgx.ConnectConfig(ctx, c.in("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// database makes a database for one test.
func (c *testCluster) database(t testing.TB) string {
	name := fmt.Sprintf("%s_%d", c.template, c.made.Add(1))
	ctx := context.Background()
	require.NoError(t, c.admin(ctx, "CREATE DATABASE "+name+" TEMPLATE "+c.template))
	t.Cleanup(func() { require.NoError(t, c.admin(ctx, "DROP DATABASE "+name+" WITH (FORCE)")) })
	return name
}

// pool connects as what a worker connects as.
func (c *testCluster) pool(t testing.TB, database string) *pgxpool.Pool {
	pool, err := newPool(c.in(database))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func newPool(conn *pgx.ConnConfig) (*pgxpool.Pool, error) {
	config, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	config.ConnConfig = conn
	config.ConnConfig.RuntimeParams["role"] = "reos_app"
	config.MaxConns = 4
	return newPoolWith(config)
}

func newPoolWith(config *pgxpool.Config) (*pgxpool.Pool, error) {
	return pgxpool.NewWithConfig(context.Background(), config)
}

// restart ends every connection to a database, and for a moment refuses new ones.
func (c *testCluster) restart(t testing.TB, database string) {
	ctx := context.Background()
	require.NoError(t, c.admin(ctx,
		"ALTER DATABASE "+database+" WITH ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+database+"'",
		"ALTER DATABASE "+database+" WITH ALLOW_CONNECTIONS true",
	))
}

// openOn opens a transport that the test closes.
func openOn(t testing.TB, pool *pgxpool.Pool, topology events.Topology) *pgqueue.Transport {
	transport, err := pgqueue.Open(context.Background(), pool, topology, logger(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, transport.Close()) })
	return transport
}

// logger writes to the test's own log.
func logger(t testing.TB) zerolog.Logger {
	return zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
}

func topologyFor(t testing.TB) events.Topology {
	topology := events.DefaultTopology()
	topology.Namespace = strings.ToLower(strings.NewReplacer("/", ".", " ", "_").Replace(t.Name()))
	topology.Lanes = []string{"a"}
	return topology
}
