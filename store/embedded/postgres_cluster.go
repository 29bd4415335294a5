package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// cluster is a data directory and what it takes to work on it.
type cluster struct {
	home string // holds data and, while it is made, data.new
	data string
	bin  string
	user *account
	log  io.Writer
}

// accessRules let everybody in over the loopback interface who knows a password, and nobody else.
const accessRules = "host all all 127.0.0.1/32 scram-sha-256\n"

// ensure creates the cluster unless it exists. It is made beside its place and moved there when it is complete and
// synced, so a kill leaves either none or all of it. Leaving out initdb's sync would save 0.35 s, once, and risk a
// cluster that looks complete after a power failure and is not.
func (c cluster) ensure(ctx context.Context, password string) error {
	_, err := os.Stat(c.data)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fresh := c
	fresh.data = c.data + ".new"
	if err := fresh.create(ctx, password); err != nil {
		return fmt.Errorf("create cluster: %w", err)
	}
	if err := os.Rename(fresh.data, c.data); err != nil {
		return fmt.Errorf("create cluster: %w", err)
	}
	return syncDir(c.data)
}

func (c cluster) create(ctx context.Context, password string) error {
	if err := os.RemoveAll(c.data); err != nil {
		return err
	}
	if err := os.Mkdir(c.data, 0o700); err != nil {
		return err
	}
	if err := c.user.own(c.data); err != nil {
		return err
	}
	// A password by file would have to be readable for the server's user: it is set below, before anybody can connect.
	if err := c.run(ctx, nil, "initdb", "--pgdata="+c.data, "--username="+postgresOwner, "--auth=trust",
		"--encoding=UTF8", "--locale=C", "--data-checksums"); err != nil {
		return err
	}
	// The single-user mode talks to no network. It takes one statement a line.
	statements := "ALTER ROLE " + postgresOwner + " PASSWORD '" + password + "'\n" +
		"CREATE DATABASE " + postgresDatabase + "\n"
	if err := c.run(ctx, strings.NewReader(statements), "postgres", "--single", "-D", c.data,
		"-c", "exit_on_error=on", "-c", "password_encryption=scram-sha-256",
		// Invariant 9: a statement that fails is not logged, for it holds the password.
		"-c", "log_min_error_statement=panic", "postgres"); err != nil {
		return err
	}
	return c.writeRules()
}

// writeRules replaces the rules that initdb wrote, and makes that durable.
func (c cluster) writeRules() error {
	// The directory is another user's, whose links root does not follow.
	path := filepath.Join(c.data, "pg_hba.conf")
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(accessRules)
	return errors.Join(err, file.Sync(), file.Close())
}

// run waits for one of the programs to end. What it says is of interest when it fails.
func (c cluster) run(ctx context.Context, stdin io.Reader, program string, args ...string) error {
	child, err := c.spawn(stdin, io.Discard, program, args...)
	if err != nil {
		return err
	}
	select {
	case <-child.done:
	case <-ctx.Done():
		child.kill()
		return fmt.Errorf("run %s: %w", program, context.Cause(ctx))
	}
	if child.err != nil {
		return fmt.Errorf("run %s: %w: %s", program, child.err, child.output)
	}
	return nil
}
