package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/codybias9/real-estate-os/store"
)

const (
	// leaderLock is the advisory lock, one per database, of the process that leads; trackerLock is that of the process
	// whose freshness tracker does.
	leaderLock  = 0x72656f736c656164 // "reoslead"
	trackerLock = 0x72656f7374726163 // "reostrac"

	// watchLeader is how often a leader looks whether it still is the one.
	watchLeader = 5 * time.Second
)

// errDeposed says that the session which held the lock is lost, and with it the lock.
var errDeposed = errors.New("the leader's session is lost")

// Lead runs work while this process is the only one of the database's that leads, and returns when work does. It
// returns false at once when another process leads.
//
// The lock is held by a session of its own and ends with it, so that a process that dies leaves no leader behind. work's
// context ends when the session is lost: for up to 5 s another process may lead as well.
func (db *DB) Lead(ctx context.Context, work func(context.Context)) (led bool, err error) {
	return db.leadWith(ctx, leaderLock, work)
}

// LeadTracking is Lead for the freshness tracker, which another process may lead.
func (db *DB) LeadTracking(ctx context.Context, work func(context.Context)) (led bool, err error) {
	return db.leadWith(ctx, trackerLock, work)
}

func (db *DB) leadWith(ctx context.Context, lock int64, work func(context.Context)) (led bool, err error) {
	conn, err := db.leaderSession(ctx)
	if err != nil {
		return false, fmt.Errorf("become the leader: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
		defer cancel()
		_ = conn.Close(ctx) // Postgres finds out by itself where this fails
	}()
	var free bool
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	if err := db.checkOwnSession(bounded, conn); err != nil {
		return false, fmt.Errorf("become the leader: %w", classify(ctx, err))
	}
	if err := conn.QueryRow(bounded, `SELECT pg_try_advisory_lock($1)`, lock).Scan(&free); err != nil {
		return false, fmt.Errorf("become the leader: %w", classify(ctx, err))
	}
	if !free {
		return false, nil
	}
	leading, depose := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		depose(watchSession(leading, conn))
	}()
	work(leading)
	cause := context.Cause(leading)
	depose(nil)
	<-watched
	if errors.Is(cause, errDeposed) {
		return true, fmt.Errorf("lead: %w: %w", store.ErrUnavailable, cause)
	}
	return true, nil
}

// leaderSession connects outside of the pool. Postgres notices within a minute that the host at the other end is gone.
func (db *DB) leaderSession(ctx context.Context) (*pgx.Conn, error) {
	config := db.pool.Config().ConnConfig
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // whoever shares sessions mixes up what was prepared in them
	for name, value := range map[string]string{
		"tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3",
	} {
		config.RuntimeParams[name] = value
	}
	bounded, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(bounded, config)
	if codeOf(err) == codeProtocol {
		return nil, fmt.Errorf("%w: %w", errPooled, err)
	}
	return conn, classify(ctx, err)
}

// watchSession returns when ctx ends, or with errDeposed when the session does not answer.
func watchSession(ctx context.Context, conn *pgx.Conn) error {
	ticker := time.NewTicker(watchLeader)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		bounded, cancel := context.WithTimeout(ctx, watchLeader)
		err := conn.Ping(bounded)
		cancel()
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %w", errDeposed, err)
		}
	}
}
