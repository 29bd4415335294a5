package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// bare is an environment without any service, on a data directory of its own.
func bare(dir string) []string {
	env := []string{"REOS_DATA_DIR=" + dir, "ADMIN_ADDR=127.0.0.1:0"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func TestDemoFindsWhatTheFeedCallsFor(t *testing.T) {
	t.Parallel()
	tmp := t.TempDir()
	require.NoError(t, os.Chmod(tmp, 0o755)) // Postgres runs as another user when the test is root
	env := append(bare(tmp), "TMPDIR="+tmp)
	stdout, stderr, code := runReos(t, env, "demo", "--json")
	require.Equal(t, exitOK, code, "%s\n%s", stdout, stderr)
	var report demoReport
	decode(t, stdout, &report)
	require.GreaterOrEqual(t, report.Published, 400)
	require.GreaterOrEqual(t, report.Quarantined, 12)
	require.Equal(t, 1, report.Unroutable)
	require.Zero(t, report.Unfinished)
	require.Empty(t, report.Differences)
	require.Len(t, report.Tenants, 2)
	for _, tenant := range report.Tenants {
		require.Zero(t, tenant.ForeignHits)
		require.NotEmpty(t, tenant.Search.Hits)
		require.Positive(t, tenant.Search.Hits[0].Score)
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left, "the demo removes what it made")
	requireNoProcess(t, tmp)
}

// requireNoProcess checks that no process names a directory.
func requireNoProcess(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(processesOf(t, dir)) == 0 }, 15*time.Second, 50*time.Millisecond,
		"processes are left behind: %v", processesOf(t, dir))
}

func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, line := range lines {
		content, err := os.ReadFile(line)
		if err == nil && strings.Contains(string(content), dir) {
			found = append(found, strings.ReplaceAll(string(content), "\x00", " "))
		}
	}
	return found
}

// home writes a feed with one home.
func home(t *testing.T, key string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "home.ndjson")
	line := strings.ReplaceAll(fmt.Sprintf(goodHome, key), "\n", " ")
	require.NoError(t, os.WriteFile(path, []byte(line+"\n"), 0o600))
	return path
}

// publishHome publishes one home to a running `reos up` and waits until search finds it.
func publishHome(t *testing.T, env []string, key string) {
	t.Helper()
	for _, args := range [][]string{
		{"publish", home(t, key), "--tenant", tenantName},
		{"status", "--wait", "--timeout", "1m"},
	} {
		_, stderr, code := runReos(t, env, args...)
		require.Equal(t, exitOK, code, stderr)
	}
	require.Contains(t, searchKeys(t, env), key)
}

func searchKeys(t *testing.T, env []string) []string {
	t.Helper()
	stdout, stderr, code := runReos(t, env, "search", "--tenant", tenantName, "--json", "home in Kirkland")
	require.Equal(t, exitOK, code, stderr)
	var found struct{ Hits []hit }
	decode(t, stdout, &found)
	keys := make([]string, len(found.Hits))
	for i, h := range found.Hits {
		keys[i] = h.Key
	}
	return keys
}

func createTenant(t *testing.T, env []string) {
	t.Helper()
	_, stderr, code := runReos(t, env, "tenant", "create", tenantName, "--id", uuid.NewString())
	require.Equal(t, exitOK, code, stderr)
}

func dataDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o755))
	return dir
}

func TestUpKeepsItsDataThroughStopAndKill(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	env := bare(dir)
	up := startReos(t, env, "up")
	createTenant(t, env)
	publishHome(t, env, "first")
	up.stop()
	requireNoProcess(t, dir)

	up = startReos(t, env, "up")
	require.Equal(t, []string{"first"}, searchKeys(t, env), "the index is rebuilt from Postgres")
	publishHome(t, env, "second")
	up.kill()
	requireNoProcess(t, dir)

	up = startReos(t, env, "up")
	require.ElementsMatch(t, []string{"first", "second"}, searchKeys(t, env))
	publishHome(t, env, "third")
	up.stop()
	requireNoProcess(t, dir)
}

func TestTwoUpsOnTwoDirectoriesDoNotMeet(t *testing.T) {
	t.Parallel()
	one, two := dataDir(t), dataDir(t)
	first, second := startReos(t, bare(one), "up"), startReos(t, bare(two), "up")
	createTenant(t, bare(one))
	createTenant(t, bare(two))
	publishHome(t, bare(one), "of-one")
	publishHome(t, bare(two), "of-two")
	require.Equal(t, []string{"of-one"}, searchKeys(t, bare(one)))
	require.Equal(t, []string{"of-two"}, searchKeys(t, bare(two)))
	_, stderr, code := runReos(t, bare(one), "up")
	require.Equal(t, exitEnvironment, code, "a second up on the same directory")
	require.Contains(t, stderr, one)
	first.stop()
	second.stop()
}

func TestUpAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		return // the other tests are that already
	}
	dir, err := os.MkdirTemp("", "reos-nobody-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	const nobody = 65534
	require.NoError(t, os.Chown(dir, nobody, nobody))
	program := filepath.Join(dir, "reos")
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755))
	cmd := exec.Command(program, "demo", "--json")
	cmd.Env = append(bare(dir), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	stdout, err := cmd.Output()
	require.NoError(t, err, string(stdout))
}
