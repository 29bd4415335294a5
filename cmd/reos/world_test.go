package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store/embedded"
)

// binary is reos as its users run it: built once, without the race detector.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "reos-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "reos")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build reos: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// servers says where the services of a world are.
type servers struct {
	rabbit     string
	admin, app *url.URL // of Postgres: its superuser and the role of the workers
	s3         *url.URL
	qdrant     string
}

// sharedServers are those that all tests use beside each other, and Qdrant: the one of QDRANT_URL, else an embedded one.
func sharedServers(t *testing.T) servers {
	t.Helper()
	s := servers{
		rabbit: required(t, "RABBITMQ_URL").String(),
		admin:  required(t, "DATABASE_ADMIN_URL"), app: required(t, "DATABASE_URL"),
		s3: required(t, "S3_URL"), qdrant: os.Getenv("QDRANT_URL"),
	}
	if s.qdrant == "" {
		server, err := embedded.StartQdrant(context.Background(), "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		s.qdrant = server.URL()
	}
	return s
}

// world is an installation of a test's own on real services: a database, a namespace on the broker, a bucket and a
// collection.
type world struct {
	t          *testing.T
	env        []string
	topology   events.Topology
	admin      string // URL of the database, as its owner
	rabbit     string
	s3         *url.URL
	collection string
	tenant     uuid.UUID
}

const (
	tenantName = "acme"
	apiSecret  = "only for tests: thirty-two bytes or more"
)

// required reads a service's URL. A test without its services fails; it never skips.
func required(t *testing.T, name string) *url.URL {
	t.Helper()
	value := os.Getenv(name)
	require.NotEmpty(t, value, "%s: run ./task test, or compose/services up and eval its env", name)
	parsed, err := url.Parse(value)
	require.NoError(t, err)
	return parsed
}

// newWorld makes a world on the shared servers and takes it away when the test ends.
func newWorld(t *testing.T) *world {
	t.Helper()
	at := sharedServers(t)
	w := emptyWorld(t, at)
	w.exec(at.admin.String(), "CREATE DATABASE "+w.database())
	t.Cleanup(func() { w.exec(at.admin.String(), "DROP DATABASE "+w.database()+" WITH (FORCE)") })
	t.Cleanup(func() { removeBucket(t, w.s3) })
	t.Cleanup(w.removeTopology)
	w.ok("migrate", "up")
	w.tenant = w.createTenant(tenantName)
	return w
}

// emptyWorld names a world's own parts of the servers; it makes nothing there.
func emptyWorld(t *testing.T, at servers) *world {
	t.Helper()
	id := strings.ReplaceAll(uuid.NewString(), "-", "")[:10]
	w := &world{t: t, topology: events.DefaultTopology(), rabbit: at.rabbit, collection: "e2e_" + id}
	w.topology.Namespace = "e2e" + id
	admin, app, bucket := *at.admin, *at.app, *at.s3
	admin.Path, app.Path, bucket.Path = "/e2e_"+id, "/e2e_"+id, "/e2e-"+id
	w.admin, w.s3 = admin.String(), &bucket
	w.env = append(os.Environ(),
		"DATABASE_URL="+app.String(), "DATABASE_ADMIN_URL="+w.admin, "RABBITMQ_URL="+w.rabbit, "S3_URL="+bucket.String(),
		"QDRANT_URL="+at.qdrant, "QDRANT_COLLECTION="+w.collection, "REOS_NAMESPACE="+w.topology.Namespace,
		"REOS_DATA_DIR="+t.TempDir(), "ADMIN_ADDR=127.0.0.1:0", "API_ADDR=127.0.0.1:0", "API_JWT_SECRET="+apiSecret,
		"RABBITMQ_MANAGEMENT_URL=") // users outlive their test: see withUsers
	return w
}

// database is the name of the world's own.
func (w *world) database() string { return w.collection }

func (w *world) createTenant(name string) uuid.UUID {
	w.t.Helper()
	var created struct{ ID uuid.UUID }
	w.okJSON(&created, "tenant", "create", name)
	return created.ID
}

// exec runs one statement as the owner.
func (w *world) exec(databaseURL, statement string) {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), databaseURL)
	require.NoError(w.t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(context.Background(), statement)
	require.NoError(w.t, err)
}

// number reads one number as the owner, who is a superuser here and so sees every tenant.
func (w *world) number(query string, arguments ...any) int {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.admin)
	require.NoError(w.t, err)
	defer conn.Close(context.Background())
	var n int
	require.NoError(w.t, conn.QueryRow(context.Background(), query, arguments...).Scan(&n))
	return n
}

// text reads one text as the owner.
func (w *world) text(query string, arguments ...any) string {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), w.admin)
	require.NoError(w.t, err)
	defer conn.Close(context.Background())
	var s string
	require.NoError(w.t, conn.QueryRow(context.Background(), query, arguments...).Scan(&s))
	return s
}

func removeBucket(t *testing.T, location *url.URL) {
	ctx := context.Background()
	secret, _ := location.User.Password()
	client, err := minio.New(location.Host, &minio.Options{
		Creds: credentials.NewStaticV4(location.User.Username(), secret, ""), Secure: location.Scheme == "https",
	})
	require.NoError(t, err)
	bucket := strings.TrimPrefix(location.Path, "/")
	if found, err := client.BucketExists(ctx, bucket); err == nil && !found {
		return
	}
	objects := client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true})
	for failure := range client.RemoveObjects(ctx, bucket, objects, minio.RemoveObjectsOptions{}) {
		require.NoError(t, failure.Err)
	}
	require.NoError(t, client.RemoveBucket(ctx, bucket))
}

func (w *world) channel() (*amqp.Channel, func()) {
	w.t.Helper()
	conn, err := amqp.Dial(w.rabbit)
	require.NoError(w.t, err)
	channel, err := conn.Channel()
	require.NoError(w.t, err)
	return channel, func() { _ = conn.Close() }
}

func (w *world) removeTopology() {
	channel, done := w.channel()
	defer done()
	for _, queue := range w.topology.Queues() {
		_, err := channel.QueueDelete(queue.Name, false, false, false)
		require.NoError(w.t, err)
	}
	for _, exchange := range w.topology.Exchanges() {
		require.NoError(w.t, channel.ExchangeDelete(exchange.Name, false, false))
	}
}

// reos runs a verb to its end.
func (w *world) reos(args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	return runReos(w.t, w.env, args...)
}

func runReos(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// ok runs a verb that must succeed.
func (w *world) ok(args ...string) string {
	w.t.Helper()
	stdout, stderr, code := w.reos(args...)
	require.Equal(w.t, exitOK, code, "reos %s\n%s\n%s", strings.Join(args, " "), stdout, stderr)
	return stdout
}

// okJSON runs a verb that must succeed and print exactly one JSON object.
func (w *world) okJSON(into any, args ...string) {
	w.t.Helper()
	stdout := w.ok(append(args, "--json")...)
	decoder := json.NewDecoder(strings.NewReader(stdout))
	require.NoError(w.t, decoder.Decode(into), stdout)
	_, err := decoder.Token()
	require.ErrorIs(w.t, err, io.EOF, "more than one JSON value")
}

// settled waits for the end of everything and returns the one tenant's status.
func (w *world) settled() statusReport {
	w.t.Helper()
	var r statusReport
	w.okJSON(&r, "status", "--wait", "--timeout", "4m")
	require.True(w.t, r.Settled)
	return r
}

type statusReport struct {
	Settled bool           `json:"settled"`
	Queues  map[string]int `json:"queues"`
	Tenants []struct {
		Tenant struct {
			ID   uuid.UUID
			Name string
		}
		Events, Records, Indexed, Quarantined int
		DeadLetters                           int `json:"dead_letters"`
	} `json:"tenants"`
}

// process is a verb that runs until it is told to end.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	name   string
	mu     sync.Mutex
	log    bytes.Buffer
	admin  chan string
	apiURL string // of its API; read it after ready
	ended  chan error
}

// start runs a verb beside the test and waits until it is ready. It is killed when the test ends before it.
func (w *world) start(args ...string) *process {
	w.t.Helper()
	return startReos(w.t, w.env, args...)
}

func startReos(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p, err := launchReos(t, env, args...)
	require.NoError(t, err)
	p.ready()
	return p
}

// launchReos runs a verb beside the test. It is killed when the test ends before it.
func launchReos(t *testing.T, env []string, args ...string) (*process, error) {
	p := &process{t: t, name: strings.Join(args, " "), admin: make(chan string, 1), ended: make(chan error, 1)}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = env
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.read(stderr)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		if t.Failed() {
			t.Logf("reos %s (process %d):\n%s", p.name, p.cmd.Process.Pid, p.logged())
		}
	})
	return p, nil
}

func (p *process) read(stderr io.Reader) {
	lines := bufio.NewScanner(stderr)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Admin, API string }
		_ = json.Unmarshal(lines.Bytes(), &line)
		p.mu.Lock()
		p.log.Write(append(lines.Bytes(), '\n'))
		p.mu.Unlock()
		if line.Admin != "" {
			p.apiURL = line.API
			p.admin <- line.Admin
		}
	}
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func (p *process) ready() {
	p.t.Helper()
	select {
	case admin := <-p.admin:
		require.Eventually(p.t, func() bool {
			response, err := http.Get(admin + "/readyz")
			if err != nil {
				return false
			}
			defer response.Body.Close()
			return response.StatusCode == http.StatusOK
		}, 30*time.Second, 20*time.Millisecond, "reos %s is not ready", p.name)
	case err := <-p.ended:
		require.FailNow(p.t, "ended at its start", "reos %s: %v\n%s", p.name, err, p.logged())
	case <-time.After(60 * time.Second):
		require.FailNow(p.t, "does not start", "reos %s\n%s", p.name, p.logged())
	}
}

// stop sends SIGTERM and expects a drained end with code 0.
func (p *process) stop() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-p.ended:
		require.NoError(p.t, err, "reos %s\n%s", p.name, p.logged())
	case <-time.After(40 * time.Second):
		require.FailNow(p.t, "does not drain", "reos %s\n%s", p.name, p.logged())
	}
}

// kill sends SIGKILL.
func (p *process) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	<-p.ended
}
