package postgres

import (
	"context"
	"errors"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// The cursor outlives its transaction: Postgres keeps the list, on disk where it is long, and no snapshot holds up
	// its vacuum while the other side is read. There is no index on object_key, for ingestion's sake: the tenant's rows
	// are read once.
	sqlArchiveCursor = `
DECLARE archive NO SCROLL CURSOR WITH HOLD FOR
SELECT object_key, max(byte_offset + byte_length) FROM raw_archive WHERE tenant_id = $1
GROUP BY object_key ORDER BY object_key COLLATE "C"`
	sqlArchiveFetch = `FETCH 1000 FROM archive`
	sqlArchiveClose = `CLOSE archive`
)

// errLeft says that whoever read a list has left it before its end.
var errLeft = errors.New("the list was left")

// ArchiveObjects yields the objects that the tenant's raw bytes lie in, in the order of their keys' bytes, as they were
// when the listing began. It holds a connection until it ends, which it does after the first error.
func (t *Tenant) ArchiveObjects(ctx context.Context) iter.Seq2[store.ArchiveObject, error] {
	return func(yield func(store.ArchiveObject, error) bool) {
		err := t.db.transact(ctx, "list archived objects", func(tx *transaction) error {
			return t.readArchive(ctx, tx, func(object store.ArchiveObject) bool { return yield(object, nil) })
		})
		if err != nil && !errors.Is(err, errLeft) {
			yield(store.ArchiveObject{}, err)
		}
	}
}

func (t *Tenant) readArchive(ctx context.Context, tx *transaction, yield func(store.ArchiveObject) bool) error {
	batch := tx.begin(tenantView(t.id))
	batch.Queue(sqlArchiveCursor, t.key())
	batch.Queue("COMMIT")
	bounded, cancel := context.WithTimeout(ctx, scanTimeout)
	defer cancel()
	if err := tx.conn.SendBatch(bounded, batch).Close(); err != nil {
		return classify(ctx, err)
	}
	defer tx.closeArchive(ctx)
	for {
		page, err := tx.fetchArchive(ctx)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, object := range page {
			if !yield(object) {
				return errLeft
			}
		}
	}
}

// fetchArchive reads a page. The statement is not kept as a prepared one: it is about a cursor that will be gone.
func (tx *transaction) fetchArchive(ctx context.Context) ([]store.ArchiveObject, error) {
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	rows, err := tx.conn.Query(bounded, sqlArchiveFetch, pgx.QueryExecModeExec)
	if err != nil {
		return nil, classify(ctx, err)
	}
	page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (store.ArchiveObject, error) {
		var object store.ArchiveObject
		err := row.Scan(&object.Key, &object.Bytes)
		return object, err
	})
	return page, classify(ctx, err)
}

// closeArchive lets Postgres forget the list; where that fails, it ends with the connection.
func (tx *transaction) closeArchive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := tx.conn.Exec(ctx, sqlArchiveClose); err != nil {
		_ = tx.conn.Conn().Close(ctx)
	}
}
