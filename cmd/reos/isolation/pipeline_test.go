package isolation

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/workers"
	"github.com/codybias9/real-estate-os/workers/deadletters"
	"github.com/codybias9/real-estate-os/workers/embedding"
	"github.com/codybias9/real-estate-os/workers/freshness"
	"github.com/codybias9/real-estate-os/workers/indexing"
	"github.com/codybias9/real-estate-os/workers/ingestion"
	"github.com/codybias9/real-estate-os/workers/quality"
)

// logged is what a pipeline has logged. Safe for concurrent use.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// work runs the stages of a message's way on the fixture's installation until the test ends, with every log line and
// metric that they have.
func (f *fixture) work(t *testing.T) {
	t.Helper()
	var lines logged
	registry := prometheus.NewRegistry()
	around := workers.Surroundings{
		Transport: f.Transport, Topology: f.Topology, Courtesy: workers.NewCourtesy(), Metrics: workers.NewMetrics(registry),
		Config: workers.Config{BatchSize: 100, BatchBytes: 1 << 20, StageTimeout: 10 * time.Second},
		Log:    zerolog.New(&lines).Level(zerolog.TraceLevel),
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	intake := ingestion.New(func(id uuid.UUID) ingestion.Records { return f.DB.Tenant(id) }, func(id uuid.UUID) ingestion.Archive { return f.objects.Tenant(id) })
	var first workers.Stage = intake
	if f.believe {
		first = believing{intake}
	}
	for _, stage := range []workers.Stage{
		first,
		quality.New(func(id uuid.UUID) quality.Records { return f.DB.Tenant(id) }),
		embedding.New(func(id uuid.UUID) embedding.Records { return f.DB.Tenant(id) }, f.embedder),
		indexing.New(func(id uuid.UUID) indexing.Records { return f.DB.Tenant(id) },
			func(id uuid.UUID) indexing.Points { return f.points.Tenant(id) }, f.embedder.Model(),
			freshness.NewTimes(func(id uuid.UUID) freshness.TimesRecords { return f.DB.Tenant(id) }, registry, zerolog.Nop())),
		deadletters.New(func(id uuid.UUID) deadletters.Records { return f.DB.Tenant(id) }, f.Topology),
	} {
		runner := workers.NewRunner(stage, around)
		running.Go(func() {
			if err := runner.Run(ctx, ctx); err != nil && ctx.Err() == nil {
				t.Errorf("run %s: %v", stage.Name(), err)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	f.Metrics, f.Logs = registry, lines.String
}

// The search for what must not be logged has to find what was: lines and metrics of both tenants' work.
func (f *fixture) requireTelemetry(t *testing.T, report *Report) {
	t.Helper()
	require.Contains(t, f.Logs(), report.Attacker.String(), "the attacker's messages died: that is logged")
	require.Contains(t, f.Logs(), string(events.TenantMismatch))
}
