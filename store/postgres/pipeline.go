package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// attempts bounds how often a transaction is run that loses against others. Batches are sorted by key, so that
	// deadlocks are rare, and the second attempt sees what the winner committed.
	attempts = 3

	rollbackTimeout = 5 * time.Second

	// scanTimeout bounds work in the background that reads all rows of a tenant, or of a table.
	scanTimeout = 5 * time.Minute
)

// viewpoint says whose rows a transaction sees: the statement that every transaction runs first.
//
// Invariant 4: there is no way to send a statement without one.
type viewpoint struct {
	sql string
	arg any
}

// tenantView ends the transaction with store.ErrTenantDeleted where the tenant is deleted, or just being: whatever a worker
// still has in its hands, it reads and writes nothing any more. What began before is waited for: see OlderWork.
func tenantView(id uuid.UUID) viewpoint {
	return viewpoint{sql: `
SELECT set_tenant_context($1), (SELECT refuse_deleted_tenant() FROM tenants WHERE id = $1 AND state IN ('deleting', 'deleted'))`, arg: [16]byte(id)}
}

// lastView sees a tenant's rows even when it is deleted: for its export, and for what remains.
func lastView(id uuid.UUID) viewpoint {
	return viewpoint{sql: `SELECT set_tenant_context($1)`, arg: [16]byte(id)}
}

// platformView has the effect of SET LOCAL ROLE, which Postgres does not expect outside BEGIN and COMMIT.
var platformView = viewpoint{sql: `SELECT set_config('role', $1, true)`, arg: platformRole}

// roundTrip sends all statements that queue adds as one transaction in one round trip: statements that are pipelined
// without BEGIN commit together or not at all. queue is called once more for every further attempt; the callbacks of
// its statements must set their results anew.
func (db *DB) roundTrip(ctx context.Context, what string, view viewpoint, queue func(*pgx.Batch)) error {
	return db.roundTripWithin(ctx, store.Timeout, what, view, queue)
}

// roundTripWithin is roundTrip for statements that may take longer than others.
func (db *DB) roundTripWithin(ctx context.Context, timeout time.Duration, what string, view viewpoint, queue func(*pgx.Batch)) error {
	return retry(ctx, what, func() error {
		batch := &pgx.Batch{}
		batch.Queue(view.sql, view.arg)
		queue(batch)
		bounded, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return classify(ctx, db.pool.SendBatch(bounded, batch).Close())
	})
}

// transaction is a transaction of several round trips, for work that must happen in between: the first batch begins
// it, and the last one commits it.
type transaction struct{ conn *pgxpool.Conn }

// transact runs work on a connection of its own, and again when the transaction lost against others. What work leaves
// uncommitted is rolled back.
func (db *DB) transact(ctx context.Context, what string, work func(*transaction) error) error {
	return retry(ctx, what, func() error {
		bounded, cancel := context.WithTimeout(ctx, store.Timeout)
		conn, err := db.pool.Acquire(bounded)
		cancel()
		if err != nil {
			return classify(ctx, err)
		}
		tx := &transaction{conn: conn}
		defer tx.release(ctx)
		return work(tx)
	})
}

// begin returns a batch that begins the transaction.
func (tx *transaction) begin(view viewpoint) *pgx.Batch { return beginWith("BEGIN", view) }

// beginSnapshot returns a batch that begins a transaction whose statements all see the same moment.
func (tx *transaction) beginSnapshot(view viewpoint) *pgx.Batch {
	return beginWith("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", view)
}

func beginWith(statement string, view viewpoint) *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(statement)
	batch.Queue(view.sql, view.arg)
	return batch
}

// send runs a batch in one round trip.
func (tx *transaction) send(ctx context.Context, batch *pgx.Batch) error {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	return classify(ctx, tx.conn.SendBatch(bounded, batch).Close())
}

// commit runs the last batch and commits, in one round trip. An error before the COMMIT keeps it from running.
func (tx *transaction) commit(ctx context.Context, batch *pgx.Batch) error {
	batch.Queue("COMMIT")
	return tx.send(ctx, batch)
}

// release gives the connection back. A failed rollback has the pool close it, which rolls back as well.
func (tx *transaction) release(ctx context.Context) {
	if tx.conn.Conn().PgConn().TxStatus() != 'I' && !tx.conn.Conn().IsClosed() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_, _ = tx.conn.Exec(ctx, "ROLLBACK")
	}
	tx.conn.Release()
}

// retry runs one transaction, again when it lost against others, and names it in its error.
func retry(ctx context.Context, what string, run func() error) error {
	var err error
	for range attempts {
		if err = run(); err == nil {
			return nil
		}
		if !isRetriable(err) || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return fmt.Errorf("%s: %w", what, unavailable(err))
}
