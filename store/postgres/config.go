package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Config says where Postgres is. Printing it, in any format, never shows a password.
type Config struct {
	// URL is `postgres://reos_app:PASSWORD@host:5432/database`, with the options of libpq as its query.
	URL string `env:"DATABASE_URL"`
	// AdminURL connects as the owner of the schema. Only migrations use it.
	AdminURL string `env:"DATABASE_ADMIN_URL"`
	// MaxConns bounds the connections of one process; 0 leaves it to the URL's pool_max_conns, or to pgx.
	MaxConns int32 `env:"DATABASE_MAX_CONNS, default=16"`
}

const (
	envURL      = "DATABASE_URL"
	envAdminURL = "DATABASE_ADMIN_URL"

	// idleInTransaction frees what a worker holds that stopped in the middle of a transaction, its host dead or its
	// process suspended. No live one waits as long: see store.Timeout.
	idleInTransaction = "60s"
)

// String shows the configuration without passwords.
//
// Invariant 9: no secret in logs.
func (c Config) String() string {
	return fmt.Sprintf("%s=%s %s=%s DATABASE_MAX_CONNS=%d", envURL, redact(c.URL), envAdminURL, redact(c.AdminURL), c.MaxConns)
}

// GoString keeps %#v from showing what String hides.
func (c Config) GoString() string { return "postgres.Config{" + c.String() + "}" }

// MarshalText keeps JSON logging from showing what String hides.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

func redact(url string) string {
	if url == "" {
		return ""
	}
	parsed, err := pgx.ParseConfig(url)
	if err != nil {
		return "(not a connection URL)"
	}
	return fmt.Sprintf("postgres://%s:***@%s:%d/%s", parsed.User, parsed.Host, parsed.Port, parsed.Database)
}

// errURL names the variable and what it must be. The value may hold a password, and so may what the parser says of it.
func errURL(name, role string) error {
	return errors.New(name + " must be postgres://" + role + ":PASSWORD@host:5432/database, with the password percent-encoded")
}

// sessionSettings are those of every connection, unless the URL says otherwise. It is never written to.
var sessionSettings = map[string]string{
	"application_name":                    "reos",
	"idle_in_transaction_session_timeout": idleInTransaction,
	// A plan that reads a table of one page as a whole is kept, and is fatal when a burst has filled it.
	"enable_seqscan":  "off",
	"plan_cache_mode": "force_generic_plan",
	// With scans off, the scan of a table of one row looks so dear that Postgres would compile it first: half a second.
	"jit": "off",
	// Invariant 4: a temporary table that was left on a pooled connection does not stand before the tenants' own.
	"search_path": "public, pg_temp",
}

// poolConfig is the pool's configuration.
func (c Config) poolConfig() (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(c.URL)
	if err != nil || c.URL == "" {
		return nil, errURL(envURL, appRole)
	}
	if c.MaxConns < 0 {
		return nil, fmt.Errorf("DATABASE_MAX_CONNS must be 0 or more, not %d", c.MaxConns)
	}
	if c.MaxConns > 0 {
		config.MaxConns = c.MaxConns
		config.MinConns = min(config.MinConns, c.MaxConns)
	}
	params := config.ConnConfig.RuntimeParams
	for name, value := range sessionSettings {
		if params[name] == "" {
			params[name] = value
		}
	}
	config.AfterConnect = readTimesAsUTC
	return config, nil
}

// adminConfig is the configuration of a connection that migrates.
func adminConfig(url string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil || url == "" {
		return nil, errURL(envAdminURL, "OWNER")
	}
	return config, nil
}

// readTimesAsUTC has a connection hand out times in UTC, as every other part of the pipeline writes them.
func readTimesAsUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}
