package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/codybias9/real-estate-os/store"
)

// unavailableClasses are SQLSTATE classes and codes that say nothing about the request.
var unavailableClasses = []string{
	"08",    // connection exception
	"28",    // invalid authorisation: passwords are being rotated
	"3D",    // no such database: it is being restored
	"53",    // insufficient resources: disk full, out of memory, too many connections
	"57",    // operator intervention: shutdown, crash recovery, statement cancelled or timed out
	"58",    // system error: I/O
	"25006", // read-only: a standby, or a fail-over
	"25P03", // idle in transaction for too long
	"55P03", // lock not available in time
}

// classify turns an error of pgx into what callers act on: one that wraps store.ErrUnavailable, or the error itself.
// ctx is the caller's, without the call's own timeout: when the caller has given up, Postgres is not to blame.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case codeOf(err) == codeCancelled: // by a statement_timeout of the server's: too slow, which may be for what was asked
		return unavailable(fmt.Errorf("%w: %w", context.DeadlineExceeded, err))
	case isUnavailable(err):
		return unavailable(err)
	case codeOf(err) == codeTenantDeleted:
		return store.ErrTenantDeleted
	}
	return err
}

const (
	// codeTenantDeleted is the SQLSTATE of refuse_deleted_tenant.
	codeTenantDeleted = "RE012"
	// codeCancelled is query_canceled.
	codeCancelled = "57014"
)

func unavailable(err error) error { return fmt.Errorf("%w: %w", store.ErrUnavailable, err) }

func isUnavailable(err error) bool {
	// Whatever code a server refuses a connection with: nothing has been asked of it. On a full disk it is XX000.
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return true
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		for _, class := range unavailableClasses {
			if strings.HasPrefix(refused.Code, class) {
				return true
			}
		}
		return false
	}
	var network net.Error
	return errors.As(err, &network) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

// isRetriable reports a transaction that lost against another one and may well succeed when it is run again.
func isRetriable(err error) bool {
	code := codeOf(err)
	return code == "40001" || code == "40P01" // serialisation failure, deadlock
}

// codeOf is the SQLSTATE of an error; empty where Postgres did not send it.
func codeOf(err error) string {
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}
