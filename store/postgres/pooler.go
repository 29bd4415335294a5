package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// errPooled says that something stands between the program and Postgres that shares sessions among connections. The lock of
// whoever leads, LISTEN, and the settings that plans and policies rely on all belong to a session.
var errPooled = errors.New(envURL + " leads through a connection pooler (such as PgBouncer) that keeps no session for a connection: " +
	"connect to Postgres itself")

// codeProtocol is the SQLSTATE with which PgBouncer refuses settings that it does not know how to share.
const codeProtocol = "08P01"

// checkSettings makes sure that a connection's settings have arrived: a pooler that is told to ignore them drops them without
// a word.
//
// Invariant 4: without search_path, a temporary table that another session has left could stand before a tenant's own.
func (db *DB) checkSettings(ctx context.Context) error {
	for _, name := range []string{"search_path", "plan_cache_mode", "enable_seqscan"} {
		var got string
		if err := db.pool.QueryRow(ctx, `SELECT current_setting($1)`, name).Scan(&got); err != nil {
			return fmt.Errorf("connect to %s: %w", envURL, classify(ctx, err))
		}
		want := sessionSettings[name]
		if asked := db.pool.Config().ConnConfig.RuntimeParams[name]; asked == want && got != want {
			return fmt.Errorf("%w: %s is %q, and was asked to be %q", errPooled, name, got, want)
		}
	}
	return nil
}

const sqlBackend = `SELECT pg_backend_pid()`

// checkOwnSession makes sure that no other connection is served by the session that is to hold a lock: it would be held for
// ever, by nobody. In a pooler's transaction mode, the session is free between two statements, and the next transaction gets it.
func (db *DB) checkOwnSession(ctx context.Context, conn *pgx.Conn) error {
	var first, other, again uint32
	if err := conn.QueryRow(ctx, sqlBackend).Scan(&first); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, sqlBackend, pgx.QueryExecModeExec).Scan(&other); err != nil {
			return err
		}
		return conn.QueryRow(ctx, sqlBackend).Scan(&again)
	})
	if err == nil && (first == other || first != again) {
		return errPooled
	}
	return err
}
