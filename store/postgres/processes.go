package postgres

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

const (
	// A process that was killed leaves its row behind: whoever beats sweeps up.
	sqlBeat = `
INSERT INTO processes AS p (id, kind, stages, host, pid, version, admin_url, api_url)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET beat_at = now()`
	sqlSweep     = `DELETE FROM processes WHERE beat_at < now() - interval '1 day'`
	sqlForget    = `DELETE FROM processes WHERE id = $1`
	sqlProcesses = `
SELECT id, kind, stages, host, pid, version, admin_url, api_url, started_at, beat_at,
	(extract(epoch FROM now() - beat_at) * 1e6)::bigint
FROM processes ORDER BY kind, stages, host, pid, id`
	sqlPing = `UPDATE pings SET count = count + 1 RETURNING count`
)

// Beat says that a process lives. Its first beat introduces it.
func (p *Platform) Beat(ctx context.Context, process store.Process) error {
	return p.roundTrip(ctx, "say that the process lives", func(b *pgx.Batch) {
		b.Queue(sqlBeat, [16]byte(process.ID), process.Kind,
			column(process.Stages, func(s events.Stage) string { return string(s) }), printable(process.Host), process.PID,
			process.Version, process.AdminURL, process.APIURL)
		b.Queue(sqlSweep)
	})
}

// Forget takes a process' entry back.
func (p *Platform) Forget(ctx context.Context, id uuid.UUID) error {
	return p.roundTrip(ctx, "take the process' entry back", func(b *pgx.Batch) { b.Queue(sqlForget, [16]byte(id)) })
}

// Processes lists the processes that were heard of during the last day; those that were killed are among them.
func (p *Platform) Processes(ctx context.Context) ([]store.Process, error) {
	var processes []store.Process
	err := p.roundTrip(ctx, "list processes", func(b *pgx.Batch) { b.Queue(sqlProcesses).Query(collect(&processes, scanProcess)) })
	return processes, err
}

func scanProcess(row pgx.CollectableRow) (store.Process, error) {
	var process store.Process
	var silent int64
	err := row.Scan((*[16]byte)(&process.ID), &process.Kind, &process.Stages, &process.Host, &process.PID, &process.Version,
		&process.AdminURL, &process.APIURL, &process.StartedAt, &process.BeatAt, &silent)
	process.Silent = time.Duration(silent) * time.Microsecond
	return process, err
}

// Ping counts its calls in the database and returns the count: an answer proves that a write went through.
func (p *Platform) Ping(ctx context.Context) (count int64, err error) {
	err = p.roundTrip(ctx, "ping", func(b *pgx.Batch) {
		b.Queue(sqlPing).QueryRow(func(row pgx.Row) error { return row.Scan(&count) })
	})
	return count, err
}
