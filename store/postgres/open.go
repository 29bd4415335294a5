package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/codybias9/real-estate-os/store"
)

// The roles that the migrations create.
const (
	appRole      = "reos_app"
	platformRole = "reos_platform"
	purgeRole    = "reos_purge"
)

// DB is the connection pool of one process. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	joints   sync.Map      // kind of transaction → *joint
	patience time.Duration // of transactions that wait to go together
	ahead    *ahead        // nil: nothing is read ahead
}

// Open connects and makes sure that row-level security binds the connection. The caller closes the DB.
//
// Invariant 4: a role that bypasses row-level security is refused, and so is one that looks across tenants without
// saying so.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	config, err := cfg.poolConfig()
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("open the connection pool of %s: %w", envURL, err)
	}
	db := &DB{pool: pool, patience: jointPatience}
	if err := db.checkRole(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

const sqlRole = `SELECT current_user, rolsuper, rolbypassrls,
	EXISTS (SELECT FROM pg_roles p WHERE p.rolname IN ('` + platformRole + `', '` + purgeRole + `') AND pg_has_role(p.oid, 'USAGE'))
FROM pg_roles WHERE rolname = current_user`

// checkRole looks at who we are.
func (db *DB) checkRole(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var role string
	var super, bypass, inherits bool
	err := db.pool.QueryRow(bounded, sqlRole).Scan(&role, &super, &bypass, &inherits)
	switch {
	case codeOf(err) == codeProtocol: // PgBouncer: "unsupported startup parameter"
		return fmt.Errorf("%w: %w", errPooled, err)
	case err != nil:
		return fmt.Errorf("connect to %s: %w", envURL, classify(ctx, err))
	case super || bypass:
		return fmt.Errorf("%s must name the role %s: %q is a superuser or bypasses row-level security", envURL, appRole, role)
	case inherits:
		return fmt.Errorf("%s must name the role %s: %q inherits %s, and would see every tenant's rows", envURL, appRole, role, platformRole)
	}
	if err := db.checkSettings(ctx); err != nil {
		return err
	}
	return db.checkSchema(ctx)
}

// sqlSchemaVersion reads goose's own table.
const sqlSchemaVersion = `SELECT coalesce(max(version_id), 0) FROM goose_db_version`

// checkSchema makes sure that no migration of this program is missing. A newer schema will do: the processes of an
// installation are replaced one after the other.
func (db *DB) checkSchema(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	var version int64
	err := db.pool.QueryRow(bounded, sqlSchemaVersion).Scan(&version)
	if code := codeOf(err); err != nil && code != "42P01" && code != "42501" { // no such table, or no right to it yet
		return fmt.Errorf("read the schema's version: %w", classify(ctx, err))
	}
	if newest := newestMigration(); version < newest {
		return fmt.Errorf("the database of %s has schema %d, this program needs %d: run `reos migrate up`", envURL, version, newest)
	}
	return nil
}

// Ready returns nil when Postgres commits, else an error that wraps store.ErrUnavailable: a server that only answers, on
// a full disk or as a standby, is of no use here.
func (db *DB) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var readOnly bool
	err := db.pool.QueryRow(ctx, sqlCommits).Scan(&readOnly)
	switch {
	case err != nil:
		return fmt.Errorf("commit to Postgres: %w", unavailable(err))
	case readOnly:
		return fmt.Errorf("commit to Postgres: %w: it is read-only", store.ErrUnavailable)
	}
	return nil
}

// sqlCommits takes a transaction number, so that its commit is written to the log and synced like any other.
const sqlCommits = `SELECT current_setting('transaction_read_only')::boolean FROM (SELECT pg_current_xact_id()) AS written`

// readyTimeout is shorter than the deadline of those who ask for readiness.
const readyTimeout = 3 * time.Second

// Pool is the connection pool, for the queues in Postgres. Its connections see no tenant's rows.
func (db *DB) Pool() *pgxpool.Pool { return db.pool }

// Close waits for the calls under way and closes all connections. It is idempotent.
func (db *DB) Close() { db.pool.Close() }

// Tenant returns the handle to one tenant's rows. It costs nothing: there is no need to keep it.
func (db *DB) Tenant(id uuid.UUID) *Tenant { return &Tenant{db: db, id: id} }

// Platform returns the handle that looks across tenants.
func (db *DB) Platform() *Platform { return &Platform{db: db} }
