package embedded

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// begin starts and registers the close of a server.
func begin(t *testing.T, dir string) *Postgres {
	server, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Close(context.Background())) })
	return server
}

// created is the cluster of a directory in which a server has been started and closed.
func created(t *testing.T, dir string) cluster {
	server, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, server.Close(context.Background()))
	user, err := serverUser(dir)
	require.NoError(t, err)
	home, err := homeFor(dir, user)
	require.NoError(t, err)
	c := cluster{home: home, data: filepath.Join(home, "data"), user: user, log: io.Discard}
	c.bin, err = findBinaries(t.Context(), c)
	require.NoError(t, err)
	return c
}

func ping(t *testing.T, server *Postgres) {
	conn, err := pgx.Connect(t.Context(), server.AdminURL())
	require.NoError(t, err)
	require.NoError(t, conn.Close(context.Background()))
}

func TestPostgresStopsTheServerThatWasLeftBehind(t *testing.T) {
	dir := t.TempDir()
	c := created(t, dir)
	for name, hang := range map[string]bool{"running": false, "first process killed": true} {
		t.Run(name, func(t *testing.T) {
			port, err := freePort()
			require.NoError(t, err)
			left, err := c.launch(t.Context(), port)
			require.NoError(t, err)
			if hang {
				left.kill()
			}
			ping(t, begin(t, dir))
			<-left.done
		})
	}
}

func TestPostgresIgnoresANoteWithAnotherProcessesID(t *testing.T) {
	dir := t.TempDir()
	c := created(t, dir)
	// A living process of the server's own user, which a server would take for its predecessor.
	other := exec.Command("sleep", "600")
	other.Dir = "/"
	if c.user != nil {
		other.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: c.user.uid, Gid: c.user.gid}}
	}
	require.NoError(t, other.Start())
	defer func() { _ = other.Wait() }()
	defer func() { _ = other.Process.Kill() }()
	note := strconv.Itoa(other.Process.Pid) + "\n" + c.data + "\n1\n1\n\n\n"
	require.NoError(t, os.WriteFile(filepath.Join(c.data, "postmaster.pid"), []byte(note), 0o600))
	ping(t, begin(t, dir))
	require.NoError(t, other.Process.Signal(syscall.Signal(0)), "the other process lives")
}

func TestPostgresStartsAnewAfterAKillDuringCreation(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, "data.new")
	require.NoError(t, os.Mkdir(half, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(half, "PG_VERSION"), []byte("15\n"), 0o600))
	ping(t, begin(t, dir))
	_, err := os.Stat(half)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPostgresRefusesDataOfAVersionThatIsNotInstalled(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("8\n"), 0o600))
	_, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir})
	require.ErrorContains(t, err, "PostgreSQL 8's, which is not installed")
	// And it holds nothing.
	lock, err := lockDir(dir)
	require.NoError(t, err)
	require.NoError(t, lock.Close())
}

func TestPostgresStartGivesUpWithItsContext(t *testing.T) {
	dir := t.TempDir()
	c := created(t, dir)
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	_, err := StartPostgres(ctx, PostgresConfig{Dir: dir})
	require.ErrorIs(t, err, stopped)
	require.Empty(t, pidFile(c.data), "nothing runs")
}

func TestPostgresSaysWhyItsServerDoesNotStart(t *testing.T) {
	dir := t.TempDir()
	c := created(t, dir)
	require.NoError(t, os.WriteFile(filepath.Join(c.data, "postgresql.conf"), []byte("no_such_setting = 1\n"), 0o600))
	if c.user != nil {
		require.NoError(t, os.Chown(filepath.Join(c.data, "postgresql.conf"), int(c.user.uid), int(c.user.gid)))
	}
	_, err := StartPostgres(t.Context(), PostgresConfig{Dir: dir})
	require.ErrorContains(t, err, "no_such_setting")
}

// What follows concerns root alone: an ordinary user's server has no other user's directory to cross.

func TestPostgresUnderRootReachesPrivateTemporaryDirectories(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	outer, err := os.MkdirTemp("", "reos-test-")
	require.NoError(t, err)
	defer func() { require.NoError(t, os.RemoveAll(outer)) }()
	secret := filepath.Join(outer, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("root's own"), 0o600))
	dir := filepath.Join(outer, "a", "b")
	require.NoError(t, os.Mkdir(filepath.Join(outer, "a"), 0o700))
	c := created(t, dir)
	require.Equal(t, dir, c.home)
	for _, path := range []string{outer, filepath.Join(outer, "a"), dir} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		owner := info.Sys().(*syscall.Stat_t)
		require.Equal(t, os.FileMode(0o710), info.Mode().Perm(), "%s: others have no way in", path)
		require.Zero(t, owner.Uid)
		require.Equal(t, c.user.gid, owner.Gid)
	}
	content, err := os.ReadFile(secret)
	require.NoError(t, err)
	require.Equal(t, "root's own", string(content))
}

func TestPostgresUnderRootMovesOutOfPrivateDirectories(t *testing.T) {
	if os.Geteuid() != 0 {
		return
	}
	outer, err := os.MkdirTemp("/tmp", "reos-test-")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(outer)) })
	t.Setenv("TMPDIR", "/var/tmp") // so that outer is no temporary directory
	dir := filepath.Join(outer, "postgres")
	c := created(t, dir)
	require.True(t, strings.HasPrefix(c.home, elsewhere+"/postgres-"), c.home)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(c.home)) })
	info, err := os.Stat(outer)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm(), "nothing was opened")
	ping(t, begin(t, dir))
	again, err := os.Readlink(filepath.Join(dir, homeLink))
	require.NoError(t, err)
	require.Equal(t, c.home, again)
}
