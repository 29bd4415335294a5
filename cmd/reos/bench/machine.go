package bench

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/jackc/pgx/v5"
	amqp "github.com/rabbitmq/amqp091-go"
)

// Machine is what the runs ran on; the servers are assumed to be on it too.
type Machine struct {
	CPU       string  `json:"cpu"`
	Cores     int     `json:"cores"`
	MemoryGiB float64 `json:"memory_gib"`
	Kernel    string  `json:"kernel"`
}

// thisMachine reads what the kernel says; what it does not say stays empty.
func thisMachine() Machine {
	kernel, _ := os.ReadFile(procRoot + "/sys/kernel/osrelease") // empty where it is not Linux
	return Machine{
		CPU: procField(procRoot+"/cpuinfo", "model name"), Cores: runtime.NumCPU(),
		MemoryGiB: parseKiB(procField(procRoot+"/meminfo", "MemTotal")) / (1 << 20), Kernel: strings.TrimSpace(string(kernel)),
	}
}

// commit is the revision that this binary was built from, with a "+" where the tree had changes.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			revision = setting.Value[:min(len(setting.Value), 12)]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			dirty = "+"
		}
	}
	return revision + dirty
}

// versions asks the servers.
func versions(ctx context.Context, options Options) (map[string]string, error) {
	found := map[string]string{"Go": strings.TrimPrefix(runtime.Version(), "go")}
	conn, err := pgx.Connect(ctx, options.Postgres.AdminURL)
	if err != nil {
		return nil, fmt.Errorf("connect to DATABASE_ADMIN_URL: %w", err)
	}
	defer conn.Close(ctx)
	var version string
	if err := conn.QueryRow(ctx, "SHOW server_version").Scan(&version); err != nil {
		return nil, fmt.Errorf("ask Postgres for its version: %w", err)
	}
	found["PostgreSQL"], _, _ = strings.Cut(version, " ")
	broker, err := amqp.Dial(options.RabbitMQ.URL)
	if err != nil {
		return nil, fmt.Errorf("connect to RABBITMQ_URL: %w", err)
	}
	defer broker.Close()
	found["RabbitMQ"] = fmt.Sprint(broker.Properties["version"])
	for name, location := range map[string]string{"S3": options.Objects.URL, "vector store": options.Qdrant.URL} {
		if pid, ok := serverOf(location); ok {
			found[name] = procField(fmt.Sprintf("%s/%d/status", procRoot, pid), "Name")
		}
	}
	if options.Qdrant.URL == "" {
		found["vector store"] = "embedded"
	}
	return found, nil
}
