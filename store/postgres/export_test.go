package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Transact lets tests bring small transactions of their own together.
func (t *Tenant) Transact(
	ctx context.Context, what string, first func(*pgx.Batch), between func(context.Context) error, last func(*pgx.Batch),
) error {
	return t.transact(ctx, what, 1, work{first: first, between: between, last: last})
}

// Waiting is how many transactions wait to go together.
func (db *DB) Waiting() (n int) {
	db.joints.Range(func(_, met any) bool {
		j := met.(*joint)
		j.mu.Lock()
		defer j.mu.Unlock()
		n += len(j.waiting)
		return true
	})
	return n
}

// KeepAhead lets what is read ahead be good for longer than a busy machine may take.
func (db *DB) KeepAhead() { db.ahead.lives = time.Hour }

// SetPatience says how long transactions wait at most to go together. It counts for kinds that have not been used.
func (db *DB) SetPatience(d time.Duration) { db.patience = d }
