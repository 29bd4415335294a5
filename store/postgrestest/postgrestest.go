// Package postgrestest gives each test a database of its own, on a real server.
//
// DATABASE_ADMIN_URL names the server; a test fails without it. A database is a copy of a migrated template, which
// takes some tens of milliseconds; it is dropped when the test ends. Any number of test processes may share a server:
// they share the template and the application role's password as well.
package postgrestest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/migrations"
	"github.com/codybias9/real-estate-os/store"
	"github.com/codybias9/real-estate-os/store/postgres"
)

// Database is a migrated database. Its URLs hold passwords.
type Database struct {
	AdminURL string // the owner, for whom no row-level security counts if it is a superuser
	URL      string // reos_app
}

// New opens a database of the test's own as the application does. It is closed and dropped when the test ends.
func New(t testing.TB) *postgres.DB {
	t.Helper()
	return Open(t, NewDatabase(t))
}

// Open opens a database as the application does; it is closed when the test ends.
func Open(t testing.TB, database Database) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: database.URL, MaxConns: 8})
	if err != nil {
		t.Fatalf("open the test's database: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// NewDatabase makes a migrated database, and drops it when the test ends.
func NewDatabase(t testing.TB) Database {
	t.Helper()
	template, err := theTemplate()
	if err != nil {
		t.Fatalf("make the template of test databases: %v", err)
	}
	return create(t, " TEMPLATE "+template)
}

// EmptyDatabase makes a database without a schema, and drops it when the test ends.
func EmptyDatabase(t testing.TB) Database {
	t.Helper()
	return create(t, "")
}

// NewTenant creates a tenant with a name of its own.
func NewTenant(t testing.TB, db *postgres.DB) uuid.UUID {
	t.Helper()
	id := uuid.New()
	if err := db.Platform().CreateTenant(t.Context(), store.Tenant{ID: id, Name: "tenant " + id.String(), Lane: "a"}, store.Act{By: "test"}); err != nil {
		t.Fatalf("create a tenant: %v", err)
	}
	return id
}

const timeout = time.Minute

func create(t testing.TB, from string) Database {
	t.Helper()
	name := "reos_test_" + strings.ToLower(rand.Text())
	if err := execute("CREATE DATABASE " + name + from); err != nil {
		t.Fatalf("create the test's database: %v", err)
	}
	t.Cleanup(func() {
		if err := execute("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	database, err := urls(name)
	if err != nil {
		t.Fatal(err)
	}
	return database
}

// theTemplate makes the template once per process, and finds it there if another process has made it.
var theTemplate = sync.OnceValues(func() (string, error) {
	digest, err := schemaDigest()
	if err != nil {
		return "", err
	}
	name := "reos_template_" + digest
	return name, locked(func(ctx context.Context, conn *pgx.Conn) error {
		var exists bool
		err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&exists)
		if err != nil || exists {
			return err
		}
		return makeTemplate(ctx, conn, name)
	})
})

// makeTemplate migrates beside the template's name: a process that is killed leaves no half of one.
func makeTemplate(ctx context.Context, conn *pgx.Conn, name string) error {
	unfinished := name + "_new"
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + unfinished + " WITH (FORCE)", "CREATE DATABASE " + unfinished} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	database, err := urls(unfinished)
	if err != nil {
		return err
	}
	if err := postgres.Migrate(ctx, database.AdminURL, database.URL); err != nil {
		return err
	}
	// Sessions that were just closed may linger for a moment, and would keep the database from being renamed.
	if _, err := conn.Exec(ctx, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", unfinished); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+unfinished+" RENAME TO "+name)
	return err
}

// schemaDigest tells schemas apart: checkouts of different age may share a server.
func schemaDigest() (string, error) {
	digest := sha256.New()
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return "", err
	}
	for _, name := range names {
		content, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(digest, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(digest.Sum(nil))[:16], nil
}

// lockKey is an advisory lock of the database in DATABASE_ADMIN_URL, which all test processes connect to.
const lockKey = 0x74657374 // "test"

func locked(work func(context.Context, *pgx.Conn) error) error {
	return connected(func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", lockKey); err != nil {
			return err
		}
		return work(ctx, conn)
	})
}

func execute(statement string) error {
	return connected(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, statement)
		return err
	})
}

// connected runs work on a connection of the server's administrator. It has a context of its own, since it also
// cleans up after tests whose context has ended.
func connected(work func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	admin, err := adminURL()
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, admin.String())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return work(ctx, conn)
}

func adminURL() (*url.URL, error) {
	value := os.Getenv("DATABASE_ADMIN_URL")
	if value == "" {
		return nil, fmt.Errorf("set DATABASE_ADMIN_URL to a Postgres superuser's URL: `compose/services up` starts a server")
	}
	admin, err := url.Parse(value)
	if err != nil || admin.User == nil {
		return nil, fmt.Errorf("DATABASE_ADMIN_URL must be postgres://USER:PASSWORD@host:5432/database")
	}
	return admin, nil
}

// urls are those of a database on the server.
func urls(database string) (Database, error) {
	admin, err := adminURL()
	if err != nil {
		return Database{}, err
	}
	admin.Path = "/" + database
	app := *admin
	app.User = url.UserPassword("reos_app", appPassword(admin))
	return Database{AdminURL: admin.String(), URL: app.String()}, nil
}

// appPassword is the same for all who use the server: the password in DATABASE_URL, or one that follows from the
// administrator's.
func appPassword(admin *url.URL) string {
	if app, err := url.Parse(os.Getenv("DATABASE_URL")); err == nil {
		if password, ok := app.User.Password(); ok && password != "" {
			return password
		}
	}
	password, _ := admin.User.Password()
	digest := sha256.Sum256([]byte("reos_app on the server of " + password))
	return hex.EncodeToString(digest[:])
}
