package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/embedded"
)

const childVariable = "REOS_TEST_CHILD"

// TestChild is the child process of the tests below: it starts the server that the variable names, prints its URL, and
// runs until its standard input ends. Without the variable it has nothing to do.
func TestChild(t *testing.T) {
	kind, dir, ok := strings.Cut(os.Getenv(childVariable), ":")
	if !ok {
		return
	}
	switch kind {
	case "s3":
		server, err := embedded.StartS3(dir)
		require.NoError(t, err)
		defer server.Close()
		fmt.Println(childPrefix + server.URL())
	case "postgres":
		server, err := embedded.StartPostgres(t.Context(), embedded.PostgresConfig{Dir: dir, Log: os.Stderr})
		require.NoError(t, err)
		defer func() { require.NoError(t, server.Close(context.Background())) }()
		fmt.Println(childPrefix + server.AdminURL())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

const childPrefix = "url="

// child is a process of this test binary that runs TestChild.
type child struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
	url   string
}

// startChild runs TestChild, as another user if credential is given, and ends it with the test.
func startChild(t *testing.T, credential *syscall.Credential, kind, dir string) *child {
	binary, err := os.Executable()
	require.NoError(t, err)
	if credential != nil {
		binary = copyFor(t, binary)
	}
	cmd := exec.Command(binary, "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childVariable+"="+kind+":"+dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c := &child{cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	for c.url == "" {
		require.True(t, c.lines.Scan(), "the child ended before its server ran")
		_, c.url, _ = strings.Cut(c.lines.Text(), childPrefix)
	}
	return c
}

// copyFor puts the test binary where other users can run it: go test builds it in a private directory.
func copyFor(t *testing.T, binary string) string {
	dir, err := os.MkdirTemp("/tmp", "reos-test-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	content, err := os.ReadFile(binary)
	require.NoError(t, err)
	target := filepath.Join(dir, "embedded.test")
	require.NoError(t, os.WriteFile(target, content, 0o755))
	return target
}

// kill ends the child as an out-of-memory killer would.
func (c *child) kill(t *testing.T) {
	require.NoError(t, c.cmd.Process.Kill())
	_ = c.cmd.Wait() // killed: an error by definition
}

// end lets the child close its server.
func (c *child) end(t *testing.T) {
	require.NoError(t, c.stdin.Close())
	for c.lines.Scan() {
	}
	require.NoError(t, c.cmd.Wait())
}
