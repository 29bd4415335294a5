package postgres

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Batches travel as one array per column, which unnest turns into rows: one statement whatever the batch's size, in
// the driver's binary format. Rows are sorted by key before, so that two batches lock what they share in the same
// order.

// column makes a statement's array of a batch.
func column[Row, Value any](rows []Row, value func(Row) Value) []Value {
	values := make([]Value, len(rows))
	for i, row := range rows {
		values[i] = value(row)
	}
	return values
}

// uuids is a uuid[] parameter; the driver takes plain arrays in binary.
func uuids(ids []uuid.UUID) [][16]byte {
	return column(ids, func(id uuid.UUID) [16]byte { return id })
}

// nullable is a text parameter that is NULL where s is empty.
func nullable[S ~string](s S) *string {
	if s == "" {
		return nil
	}
	text := string(s)
	return &text
}

// nullableTime is a timestamptz parameter that is NULL where at is zero.
func nullableTime(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

// nullableUUID is a uuid parameter that is NULL for the nil UUID.
func nullableUUID(id uuid.UUID) *[16]byte {
	if id == uuid.Nil {
		return nil
	}
	return (*[16]byte)(&id)
}

// printable makes a text of anything: Postgres' text takes neither NUL characters nor bytes that are not UTF-8.
func printable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// version reads the two columns of a version that may be absent.
func version(at *time.Time, sequence *int64) events.Version {
	if at == nil || sequence == nil {
		return events.Version{}
	}
	return events.Version{At: *at, Sequence: *sequence}
}

// collect appends a statement's rows to a list that starts empty at each attempt.
func collect[T any](into *[]T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	*into = nil
	return func(rows pgx.Rows) error {
		var err error
		*into, err = pgx.AppendRows(*into, rows, scan)
		return err
	}
}

// only returns the one row of a result, or store.ErrNotFound.
func only[T any](rows []T, err error, what string) (T, error) {
	var none T
	switch {
	case err != nil:
		return none, err
	case len(rows) == 0:
		return none, fmt.Errorf("%s: %w", what, store.ErrNotFound)
	}
	return rows[0], nil
}
