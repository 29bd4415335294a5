package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	postgresOwner    = "reos"     // superuser of the embedded cluster, and owner of the database
	postgresApp      = "reos_app" // the role that workers and API connect as; migrations create it
	postgresDatabase = "reos"

	// startTimeout is long because a download may be slow, and a server that was killed first replays its log.
	startTimeout = 5 * time.Minute
	// portAttempts is how often another free port is tried: between choosing one and using it, anybody may take it.
	portAttempts = 3
)

// PostgresConfig says where an embedded Postgres lives.
type PostgresConfig struct {
	// Dir is the server's own directory; it is created. Nothing else should be kept in it.
	//
	// Postgres refuses to run as root. Started by root, it runs as the user postgres or, failing that, nobody, who must
	// be able to reach the data: see postgres_home.go.
	Dir string
	// Log takes the server's log, line by line; nil drops it. It never holds statements, parameters or rows.
	Log io.Writer
}

// Postgres is a PostgreSQL server that runs as a child of this process and ends with it, even if it is killed.
// What it has committed is on the disk.
type Postgres struct {
	lock       *os.File
	server     *postmaster
	port       int
	admin, app string // passwords

	closing  sync.Once
	closeErr error
}

// StartPostgres starts the server of cfg.Dir and returns when it takes connections. The first start creates the cluster
// with a database `reos`, which takes about a second; without PostgreSQL on the machine its binaries are downloaded
// before that. A server of the same directory that an earlier process left behind is stopped first. The directory of
// a process that lives is an error.
//
// ctx bounds the start alone.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	p, err := startPostgres(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("start embedded Postgres: %w", err)
	}
	return p, nil
}

func startPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	p := &Postgres{lock: lock}
	if err := p.start(ctx, dir, cfg.Log); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return p, nil
}

func (p *Postgres) start(ctx context.Context, dir string, log io.Writer) error {
	if log == nil {
		log = io.Discard
	}
	var err error
	if p.admin, err = keptSecret(filepath.Join(dir, "admin.password")); err != nil {
		return err
	}
	if p.app, err = keptSecret(filepath.Join(dir, "app.password")); err != nil {
		return err
	}
	user, err := serverUser(dir)
	if err != nil {
		return err
	}
	home, err := homeFor(dir, user)
	if err != nil {
		return err
	}
	c := cluster{home: home, data: filepath.Join(home, "data"), user: user, log: log}
	if err := stopLeftovers(ctx, c.data); err != nil {
		return err
	}
	if c.bin, err = findBinaries(ctx, c); err != nil {
		return err
	}
	if err := c.ensure(ctx, p.admin); err != nil {
		return err
	}
	return p.launch(ctx, c)
}

// launch starts the postmaster on a free port, and on another one if that was taken meanwhile.
func (p *Postgres) launch(ctx context.Context, c cluster) error {
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.port = port
		p.server, err = c.launch(ctx, port)
		if err == nil || attempt == portAttempts || ctx.Err() != nil || !portTaken(port) {
			return err
		}
	}
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func portTaken(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return true
	}
	_ = listener.Close()
	return false
}

// AdminURL connects as the superuser `reos` to the database `reos`: for migrations. It holds a password: do not log it.
func (p *Postgres) AdminURL() string { return p.connection(postgresOwner, p.admin) }

// AppURL connects as `reos_app`, with a password that was generated for the directory. The role can log in once the
// migrations have created it and given it this password. It holds a password: do not log it.
func (p *Postgres) AppURL() string { return p.connection(postgresApp, p.app) }

func (p *Postgres) connection(user, password string) string {
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path:     "/" + postgresDatabase,
		RawQuery: "sslmode=disable",
	}).String()
}

// Done is closed when the server has ended, by Close or by itself.
func (p *Postgres) Done() <-chan struct{} { return p.server.done }

// Close disconnects all clients and stops the server with a checkpoint. When ctx ends first it is stopped at once, and
// recovers at the next start; nothing committed is lost either way, but Close says so. It is idempotent: a second call
// waits for the first and returns the same.
func (p *Postgres) Close(ctx context.Context) error {
	p.closing.Do(func() {
		if err := errors.Join(p.server.stop(ctx), p.lock.Close()); err != nil {
			p.closeErr = fmt.Errorf("close embedded Postgres: %w", err)
		}
	})
	return p.closeErr
}
