package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/codybias9/real-estate-os/migrations"
)

// Migration is one numbered step of the schema.
type Migration struct {
	Version   int64      `json:"version"`
	Name      string     `json:"name"`
	AppliedAt *time.Time `json:"applied_at"` // nil = not applied
}

// Migrate brings the schema to its newest version as the owner in adminURL, and lets the role of appURL, reos_app, log
// in with the password given there. A database that does not exist is created. It may be run again, and by several
// processes at once.
//
// Its errors never hold a password.
func Migrate(ctx context.Context, adminURL, appURL string) error {
	pool, err := Config{URL: appURL}.poolConfig() // which takes the options of the pool out of the URL
	if err != nil {
		return err
	}
	app := pool.ConnConfig
	if app.User != appRole || app.Password == "" {
		return fmt.Errorf("%w: it names the user %q, or no password", errURL(envURL, appRole), app.User)
	}
	if err := ensureDatabase(ctx, adminURL); err != nil {
		return err
	}
	err = withMigrations(ctx, adminURL, func(provider *goose.Provider) error {
		_, err := provider.Up(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate up: %w", err)
	}
	return letLogIn(ctx, adminURL, app)
}

// newestMigration is the number of the last migration that this program knows.
func newestMigration() int64 {
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil || len(names) == 0 {
		panic("no migrations are embedded")
	}
	newest, err := goose.NumericComponent(slices.Max(names))
	if err != nil {
		panic(err) // the file's name is ours
	}
	return newest
}

// Down undoes the newest migration, or all: then no table is left, and no data.
func Down(ctx context.Context, adminURL string, all bool) error {
	err := withMigrations(ctx, adminURL, func(provider *goose.Provider) error {
		if all {
			_, err := provider.DownTo(ctx, 0)
			return err
		}
		_, err := provider.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil // nothing is applied
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate down: %w", err)
	}
	return nil
}

// Status lists every migration, oldest first.
func Status(ctx context.Context, adminURL string) ([]Migration, error) {
	var all []Migration
	err := withMigrations(ctx, adminURL, func(provider *goose.Provider) error {
		statuses, err := provider.Status(ctx)
		for _, status := range statuses {
			one := Migration{Version: status.Source.Version, Name: path.Base(status.Source.Path)}
			if status.State == goose.StateApplied {
				at := status.AppliedAt.UTC()
				one.AppliedAt = &at
			}
			all = append(all, one)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read migrations: %w", err)
	}
	return all, nil
}

// migrationLock is the advisory lock, one per database, that keeps migrating processes apart.
const migrationLock = 0x72656f73 // "reos"

// withMigrations runs work while no other process migrates the same database. Whoever waits is woken at once.
func withMigrations(ctx context.Context, adminURL string, work func(*goose.Provider) error) (err error) {
	config, err := adminConfig(adminURL)
	if err != nil {
		return err
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	lock, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect to %s: %w", envAdminURL, classify(ctx, err))
	}
	defer lock.Close() // and with it the lock; closing the connection pool ends the session
	if _, err := lock.ExecContext(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return fmt.Errorf("wait for other migrations: %w", classify(ctx, err))
	}
	return runMigrations(db, work)
}

func runMigrations(db *sql.DB, work func(*goose.Provider) error) error {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	return work(provider)
}

// ensureDatabase creates the database of adminURL if it is missing.
func ensureDatabase(ctx context.Context, adminURL string) error {
	config, err := adminConfig(adminURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err == nil {
		return conn.Close(ctx)
	}
	if codeOf(err) != "3D000" {
		return fmt.Errorf("connect to %s: %w", envAdminURL, classify(ctx, err))
	}
	name := config.Database
	config.Database = "postgres"
	if conn, err = pgx.ConnectConfig(ctx, config); err != nil {
		return fmt.Errorf("connect to %s: %w", envAdminURL, classify(ctx, err))
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize())
	if code := codeOf(err); err != nil && code != "42P04" && code != "23505" { // another process was faster
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}
