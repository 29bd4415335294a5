package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/store/embedded"
)

// privateServers are RabbitMQ, Postgres and S3 of a test's own, which it may kill, and an embedded Qdrant. S3 and
// Qdrant are reached through wires that can be cut.
type privateServers struct {
	t           *testing.T
	dir         string
	rabbitmqctl string
	direct      servers // past the wires
	wired       servers // as the workers reach them
	s3, qdrant  *wire
}

func startPrivateServers(t *testing.T) *privateServers {
	t.Helper()
	dir, err := os.MkdirTemp("", "rc") // t.TempDir's paths are too long for what lies below
	require.NoError(t, err)
	p := &privateServers{t: t, dir: dir}
	t.Cleanup(func() {
		p.services("down", "--remove")
		require.NoError(t, os.RemoveAll(dir))
	})
	p.services("up")
	variables := p.variables("RABBITMQ_URL", "RABBITMQ_CTL", "DATABASE_ADMIN_URL", "DATABASE_URL", "S3_URL")
	p.rabbitmqctl = variables[1]

	points, err := embedded.StartQdrant(context.Background(), "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, points.Close()) })
	p.direct = servers{
		rabbit: variables[0], admin: parse(t, variables[2]), app: parse(t, variables[3]), s3: parse(t, variables[4]),
		qdrant: points.URL(),
	}

	p.wired = p.direct
	s3, qdrant := *p.direct.s3, parse(t, p.direct.qdrant)
	p.s3, p.qdrant = newWire(t, s3.Host), newWire(t, qdrant.Host)
	s3.Host, qdrant.Host = p.s3.address(), p.qdrant.address()
	p.wired.s3, p.wired.qdrant = &s3, qdrant.String()
	return p
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	parsed, err := url.Parse(text)
	require.NoError(t, err)
	return parsed
}

// services runs compose/services on the servers' directory.
func (p *privateServers) services(arguments ...string) string {
	p.t.Helper()
	script, err := filepath.Abs("../../compose/services")
	require.NoError(p.t, err)
	out, err := output(script, append(arguments, "--dir", p.dir)...)
	require.NoError(p.t, err)
	return out
}

// variables reads what `compose/services env` exports; its quoting is a shell's.
func (p *privateServers) variables(names ...string) []string {
	p.t.Helper()
	script := p.services("env")
	for _, name := range names {
		script += "printf '%s\\n' \"$" + name + "\"\n"
	}
	out, err := output("bash", "-euc", script)
	require.NoError(p.t, err)
	values := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(p.t, values, len(names))
	return values
}

// rabbit runs rabbitmqctl against the node.
func (p *privateServers) rabbit(arguments ...string) string {
	p.t.Helper()
	out, err := output(p.rabbitmqctl, arguments...)
	require.NoError(p.t, err)
	return out
}

func output(name string, arguments ...string) (string, error) {
	var stderr bytes.Buffer
	command := exec.Command(name, arguments...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", filepath.Base(name), strings.Join(arguments, " "), err, out, stderr.Bytes())
	}
	return string(out), nil
}
