package embedded_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/codybias9/real-estate-os/store/embedded"
)

func TestPostgresTwiceOnTheSameDirectory(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) }) // after the servers are closed
	dir := filepath.Join(t.TempDir(), "postgres")
	first := startPostgres(t, dir)
	query(t, first.AdminURL(), "CREATE TABLE kept (n int)")
	query(t, first.AdminURL(), "INSERT INTO kept VALUES (42)")
	require.NoError(t, first.Close(context.Background()))
	require.NoError(t, first.Close(context.Background()), "closing is idempotent")
	<-first.Done()

	started := time.Now()
	second := startPostgres(t, dir)
	t.Logf("second start: %v", time.Since(started))
	require.Equal(t, "42", query(t, second.AdminURL(), "SELECT n::text FROM kept"))
	require.Equal(t, secretOf(t, first.AppURL()), secretOf(t, second.AppURL()))
	require.NotEqual(t, secretOf(t, second.AdminURL()), secretOf(t, second.AppURL()))
	for _, name := range []string{"admin.password", "app.password"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
}

func TestPostgresTwoAtOnce(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	var both sync.WaitGroup
	for _, dir := range dirs {
		both.Go(func() {
			server, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: dir})
			if err != nil {
				t.Error(err)
				return
			}
			query(t, server.AdminURL(), "CREATE TABLE alone ()")
			if err := server.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

func TestPostgresDirectoryInUse(t *testing.T) {
	dir := t.TempDir()
	startPostgres(t, dir)
	_, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: dir})
	require.ErrorContains(t, err, dir+" is in use by another process")
}

func TestPostgresSettings(t *testing.T) {
	var log lockedBuffer
	server, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: t.TempDir(), Log: &log})
	require.NoError(t, err)
	defer func() { require.NoError(t, server.Close(context.Background())) }()
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "server_encoding": "UTF8",
		"shared_buffers": "128MB", "max_connections": "100", "password_encryption": "scram-sha-256",
	} {
		require.Equal(t, want, query(t, server.AdminURL(), "SELECT current_setting($1)", name), name)
	}
	require.Equal(t, "reos", query(t, server.AdminURL(), "SELECT current_database()"))
	require.Equal(t, "", query(t, server.AdminURL(), "SELECT coalesce(inet_server_addr()::text, '') WHERE inet_server_addr() <> '127.0.0.1'"))

	t.Run("no password, no entry", func(t *testing.T) {
		for _, url := range []string{
			strings.Replace(server.AdminURL(), secretOf(t, server.AdminURL()), "wrong", 1),
			server.AppURL(), // until migrations have made the role
		} {
			_, err := pgx.Connect(t.Context(), url)
			require.ErrorContains(t, err, "password authentication failed")
		}
	})
	t.Run("invariant 9: neither values nor secrets in the log", func(t *testing.T) {
		conn, err := pgx.Connect(t.Context(), server.AdminURL())
		require.NoError(t, err)
		defer conn.Close(context.Background())
		_, err = conn.Exec(t.Context(), "CREATE TABLE t (v text PRIMARY KEY); INSERT INTO t VALUES ('PAYLOAD'); INSERT INTO t VALUES ('PAYLOAD')")
		require.Error(t, err)
		_, err = conn.Exec(t.Context(), "SELECT 'PAYLOAD'::int")
		require.Error(t, err)
		require.Contains(t, log.String(), "ready to accept connections")
		require.NotContains(t, log.String(), "PAYLOAD")
		require.NotContains(t, log.String(), secretOf(t, server.AdminURL()))
	})
	t.Run("Ctrl-C does not reach the server before us", func(t *testing.T) {
		pid, err := strconv.Atoi(query(t, server.AdminURL(), "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
		require.NoError(t, err)
		group, err := syscall.Getpgid(pid)
		require.NoError(t, err)
		require.NotEqual(t, syscall.Getpgrp(), group)
	})
}

func TestPostgresClosesInTime(t *testing.T) {
	dir := t.TempDir()
	server := startPostgres(t, dir)
	conn, err := pgx.Connect(t.Context(), server.AdminURL())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS n")
	require.NoError(t, err)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, server.Close(ended), "without a checkpoint")
	again := startPostgres(t, dir)
	require.Equal(t, "42", query(t, again.AdminURL(), "SELECT n::text FROM kept"))

	busy, err := pgx.Connect(t.Context(), again.AdminURL())
	require.NoError(t, err)
	defer busy.Close(context.Background())
	require.NoError(t, again.Close(t.Context()), "clients do not hold it up")
}

func TestPostgresThatEndsByItselfIsNoticed(t *testing.T) {
	server := startPostgres(t, t.TempDir())
	pid, err := strconv.Atoi(query(t, server.AdminURL(), "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGQUIT))
	<-server.Done()
	require.ErrorContains(t, server.Close(context.Background()), "ended by itself")
}

func TestInvariant1PostgresLosesNothingWhenWeAreKilled(t *testing.T) {
	dir := t.TempDir()
	child := startChild(t, nil, "postgres", dir)
	query(t, child.url, "CREATE TABLE kept AS SELECT 42 AS n")
	child.kill(t)

	// At once: the server may still be writing its checkpoint.
	server := startPostgres(t, dir)
	require.Equal(t, "42", query(t, server.AdminURL(), "SELECT n::text FROM kept"))
}

func TestPostgresDoesNotOutliveUs(t *testing.T) {
	child := startChild(t, nil, "postgres", t.TempDir())
	conn, err := pgx.Connect(t.Context(), child.url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	child.kill(t)
	// The server ends our connection when it stops, and closes its port.
	_, err = conn.Exec(t.Context(), "SELECT pg_sleep(60)")
	require.Error(t, err)
	address := net.JoinHostPort(conn.Config().Host, strconv.Itoa(int(conn.Config().Port)))
	require.Eventually(t, func() bool {
		probe, err := net.Dial("tcp", address)
		if err == nil {
			_ = probe.Close()
		}
		return err != nil
	}, 10*time.Second, 10*time.Millisecond)
}

func TestPostgresAsAnOrdinaryUser(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "reos-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	var credential *syscall.Credential
	if os.Geteuid() == 0 {
		nobody, err := user.Lookup("nobody")
		require.NoError(t, err)
		uid, err := strconv.Atoi(nobody.Uid)
		require.NoError(t, err)
		gid, err := strconv.Atoi(nobody.Gid)
		require.NoError(t, err)
		credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		require.NoError(t, os.Chown(dir, uid, gid))
	}
	child := startChild(t, credential, "postgres", dir)
	query(t, child.url, "CREATE TABLE kept AS SELECT 42 AS n")
	child.end(t)

	// And then, where that can be, as root.
	server := startPostgres(t, dir)
	require.Equal(t, "42", query(t, server.AdminURL(), "SELECT n::text FROM kept"))
}

// --- the client's side

func startPostgres(t *testing.T, dir string) *embedded.Postgres {
	started := time.Now()
	server, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: dir})
	require.NoError(t, err)
	t.Logf("started in %v", time.Since(started))
	t.Cleanup(func() { _ = server.Close(context.Background()) }) // what Close says, the tests that call it look at
	return server
}

// query returns the first column of the first row, as text.
func query(t *testing.T, url, sql string, args ...any) string {
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql, args...)
	require.NoError(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
