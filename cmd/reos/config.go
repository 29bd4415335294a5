package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/sethvargo/go-envconfig"

	"github.com/codybias9/real-estate-os/api"
	"github.com/codybias9/real-estate-os/api/auth"
	"github.com/codybias9/real-estate-os/cmd/reos/isolation"
	"github.com/codybias9/real-estate-os/events/rabbitmq"
	"github.com/codybias9/real-estate-os/store/objects"
	"github.com/codybias9/real-estate-os/store/postgres"
	"github.com/codybias9/real-estate-os/store/qdrant"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/archive"
	"github.com/codybias9/real-estate-os/workers/freshness"
	"github.com/codybias9/real-estate-os/workers/reconcile"
)

// config is everything that the environment says.
type config struct {
	Postgres  postgres.Config
	RabbitMQ  rabbitmq.Config
	Qdrant    qdrant.Config
	Objects   objects.Config
	Worker    workers.Config
	Breaker   workers.BreakerConfig
	Freshness freshness.Config
	Reconcile reconcile.Config
	Isolation isolation.Config
	Archive   archive.Config
	API       api.Config
	Auth      auth.Config

	APIAddrGiven  bool          // API_ADDR is set: no other address will do
	Namespace     string        `env:"REOS_NAMESPACE, default=reos"`    // begins the names of exchanges and queues
	Lanes         []string      `env:"REOS_LANES, default=a,b,c,d"`     // new tenants are spread over them
	ReservedLanes []string      `env:"REOS_RESERVED_LANES"`             // for tenants that an operator moves there
	AdminAddr     string        `env:"ADMIN_ADDR, default=127.0.0.1:0"` // /healthz, /readyz, /metrics
	Host          string        `env:"REOS_HOST"`                       // name or address at which other processes reach this one; default the system's name
	DrainTimeout  time.Duration `env:"DRAIN_TIMEOUT, default=20s"`      // to finish what is in hand
	LogLevel      zerolog.Level `env:"LOG_LEVEL, default=info"`
	APIURL        string        `env:"REOS_API_URL"`  // of the API that `reos tenant verify` attacks
	Actor         string        `env:"REOS_ACTOR"`    // who runs this process, for the audit log; default the system's user and host
	Mappings      string        `env:"REOS_MAPPINGS"` // directory of mappings that have a name, beside those shipped
	ReceiptsKept  time.Duration `env:"RECEIPT_RETENTION, default=720h"`
	EventsKept    time.Duration `env:"PROGRESS_RETENTION, default=720h"` // of events that have ended; 0 = for ever
	DiscardLimit  int64         `env:"DLQ_DISCARD_LIMIT, default=1000"`  // dead letters that one person may discard at once
	DiscardedKept time.Duration `env:"DLQ_RETENTION, default=720h"`      // of dead letters that were discarded or replayed
	DataDir       string        `env:"REOS_DATA_DIR"`                    // of what runs in the process; default below the user's data directory
}

// The variables that say where the services are.
const (
	envDatabase = "DATABASE_URL"
	envAdmin    = "DATABASE_ADMIN_URL"
	envRabbitMQ = "RABBITMQ_URL"
	envQdrant   = "QDRANT_URL"
	envS3       = "S3_URL"
)

// loadConfig reads the environment.
func loadConfig(ctx context.Context) (config, error) {
	var c config
	var reading string // the variable that is being read: envconfig's errors name fields
	err := envconfig.ProcessWith(ctx, &envconfig.Config{
		Target: &c, Lookuper: envconfig.OsLookuper(),
		Mutators: []envconfig.Mutator{envconfig.MutatorFunc(
			func(_ context.Context, name, _, _, value string) (string, bool, error) {
				reading = name
				return value, false, nil
			})},
	})
	if err != nil {
		return config{}, environmentError{fmt.Errorf("%s must be %s", reading, kindOf(err))}
	}
	if err := c.check(); err != nil {
		return config{}, environmentError{err}
	}
	_, c.APIAddrGiven = os.LookupEnv("API_ADDR")
	if c.DataDir == "" {
		if c.DataDir, err = defaultDataDir(); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

// kindOf says what a variable must be that could not be read. The value may be a secret: it is not repeated.
func kindOf(err error) string {
	var number *strconv.NumError
	switch {
	case errors.As(err, &number) && number.Func == "ParseFloat":
		return "a number"
	case errors.As(err, &number):
		return "a whole number"
	case strings.Contains(err.Error(), "time:"): // the time package has no type for it
		return "a duration such as 20s or 5m"
	}
	return "a log level: debug, info, warn or error"
}

// check refuses values that are of the right kind but cannot work.
func (c *config) check() error {
	for name, ok := range map[string]bool{
		"WORKER_BATCH_SIZE must be 1 or more":                            c.Worker.BatchSize >= 1,
		"WORKER_BATCH_BYTES must be 1 or more":                           c.Worker.BatchBytes >= 1,
		"WORKER_STAGE_TIMEOUT must be more than 0s":                      c.Worker.StageTimeout > 0,
		"BREAKER_SHARE must be more than 0":                              c.Breaker.Share > 0,
		"BREAKER_LEAST must be 1 or more":                                c.Breaker.Least >= 1,
		"BREAKER_WINDOW must be more than 0s":                            c.Breaker.Window > 0,
		"FRESHNESS_INTERVAL must be more than 0s":                        c.Freshness.Interval > 0,
		"FRESHNESS_HISTORY must be more than 0s":                         c.Freshness.History > 0,
		"FRESHNESS_TENANT_LABELS must be from 1 to 80":                   c.Freshness.TenantLabels >= 1 && c.Freshness.TenantLabels <= 80,
		"REDRIVE_AFTER must be more than 0s":                             c.Reconcile.RedriveAfter > 0,
		"REDRIVE_INTERVAL must be more than 0s":                          c.Reconcile.RedriveInterval > 0,
		"RECONCILE_INTERVAL must be 0s (never) or more":                  c.Reconcile.Interval >= 0,
		"ISOLATION_PROBE_INTERVAL must be 0s (never) or more":            c.Isolation.Interval >= 0,
		"ARCHIVE_AFTER must be more than 0s":                             c.Archive.After > 0,
		"RECONCILE_OBJECT_GRACE must be 0s or more":                      c.Reconcile.ObjectGrace >= 0,
		"RECEIPT_RETENTION must be more than 0s":                         c.ReceiptsKept > 0,
		"PROGRESS_RETENTION must be 0s (for ever) or 168h or more":       c.EventsKept == 0 || c.EventsKept >= leastEventsKept,
		"PROGRESS_RETENTION must not be shorter than RECEIPT_RETENTION":  c.EventsKept == 0 || c.EventsKept >= c.ReceiptsKept,
		"DLQ_DISCARD_LIMIT must be 0 or more":                            c.DiscardLimit >= 0,
		"DLQ_RETENTION must be more than 0s":                             c.DiscardedKept > 0,
		"DRAIN_TIMEOUT must be more than 0s":                             c.DrainTimeout > 0,
		"API_REQUESTS_PER_SECOND must be more than 0":                    c.API.RequestsPerSec > 0,
		"API_REQUEST_BURST must be 1 or more":                            c.API.RequestBurst >= 1,
		"API_CONCURRENT_PER_TENANT must be 0 (no bound) or more":         c.API.ConcurrentPerTenant >= 0,
		"API_CONCURRENT must be 0 (no bound) or more":                    c.API.Concurrent >= 0,
		"API_MAX_EVENTS_BYTES must be 1 or more":                         c.API.MaxEventsBytes >= 1,
		"API_MAX_DOCUMENT_BYTES must be 1 or more":                       c.API.MaxDocumentBytes >= 1,
		"API_REQUEST_TIMEOUT must be more than 0s":                       c.API.RequestTimeout > 0,
		"API_BODY_TIMEOUT must be more than 0s":                          c.API.BodyTimeout > 0,
		"API_DRAIN_DELAY must be 0s or more":                             c.API.DrainDelay >= 0,
		"API_TENANT_CACHE must be 0s (ask every time) or more":           c.API.TenantCacheTime >= 0,
		"REOS_NAMESPACE must be letters, digits, dashes and underscores": namespaceForm.MatchString(c.Namespace),
	} {
		if !ok {
			return errors.New(name)
		}
	}
	return c.checkLanes()
}

// leastEventsKept is the span from which the tracker learns how long sources use to be silent, and far longer than any
// message is under way.
const leastEventsKept = 7 * 24 * time.Hour

// namespaceForm keeps a namespace out of the way of topics (`exchange/key`) and patterns.
var namespaceForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)

// defaultDataDir follows the XDG base directories.
func defaultDataDir() (string, error) {
	if base := os.Getenv("XDG_DATA_HOME"); base != "" {
		return filepath.Join(base, "reos"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", environmentError{errors.New("set REOS_DATA_DIR: this user has no home directory")}
	}
	return filepath.Join(home, ".local", "share", "reos"), nil
}

// adopt fills in the services of a running `reos up` where the environment names none.
func (c *config) adopt() error {
	if c.Postgres.URL != "" || c.RabbitMQ.URL != "" || c.Objects.URL != "" || c.Qdrant.URL != "" {
		return nil
	}
	running, err := readRuntime(c.DataDir)
	if err != nil || running == nil {
		return err
	}
	c.use(running.Services)
	return nil
}

// use takes services over, by the name of their variable.
func (c *config) use(services map[string]string) {
	for name, url := range services {
		switch name {
		case envDatabase:
			c.Postgres.URL = url
		case envAdmin:
			c.Postgres.AdminURL = url
		case envRabbitMQ:
			c.RabbitMQ.URL = url
		case envQdrant:
			c.Qdrant.URL = url
		case envS3:
			c.Objects.URL = url
		}
	}
}

// adoptTokens fills in how a running `reos up` signs tokens where the environment says nothing of it.
func (c *config) adoptTokens() error {
	if c.Auth.Secret != "" || c.Auth.JWKSURL != "" {
		return nil
	}
	running, err := readRuntime(c.DataDir)
	if err != nil || running == nil {
		return err
	}
	c.Auth.Secret = running.Services[auth.EnvSecret]
	c.Auth.Issuer, c.Auth.Audience = running.Services[auth.EnvIssuer], running.Services[auth.EnvAudience]
	return nil
}

// demand fails when a variable that a verb needs is not set, and says which.
func (c *config) demand(names ...string) error {
	urls := map[string]string{
		envDatabase: c.Postgres.URL, envAdmin: c.Postgres.AdminURL, envRabbitMQ: c.RabbitMQ.URL,
		envQdrant: c.Qdrant.URL, envS3: c.Objects.URL,
	}
	var missing []string
	for _, name := range names {
		if urls[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return environmentError{fmt.Errorf("set %s, or start everything in one process with `reos up`", strings.Join(missing, ", "))}
}

// runtimeFile is what a running `reos up` tells other verbs on the same machine.
type runtimeFile struct {
	PID      int               `json:"pid"`
	Services map[string]string `json:"services"`
}

func runtimePath(dataDir string) string { return filepath.Join(dataDir, "runtime.json") }

// readRuntime finds the `reos up` that runs on a data directory; nil where none does.
func readRuntime(dataDir string) (*runtimeFile, error) {
	content, err := os.ReadFile(runtimePath(dataDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, environmentError{fmt.Errorf("read the running installation: %w", err)}
	}
	var running runtimeFile
	if err := json.Unmarshal(content, &running); err != nil || syscall.Kill(running.PID, 0) != nil {
		return nil, nil // left behind by a process that was killed
	}
	return &running, nil
}

// writeRuntime tells other verbs where the services are. It holds passwords: only its owner may read it.
func writeRuntime(dataDir string, services map[string]string) (remove func() error, err error) {
	content, err := json.Marshal(runtimeFile{PID: os.Getpid(), Services: maps.Clone(services)})
	if err != nil {
		return nil, err
	}
	path := runtimePath(dataDir)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return nil, environmentError{err}
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, environmentError{err}
	}
	return func() error { return os.Remove(path) }, nil
}
