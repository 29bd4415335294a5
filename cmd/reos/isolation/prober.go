package isolation

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Config is how often isolation is probed.
type Config struct {
	// Interval is the time between two probes; 0 for never.
	Interval time.Duration `env:"ISOLATION_PROBE_INTERVAL, default=1h"`
}

// Prober makes the attempts that disturb nobody, again and again. It keeps its canaries between two probes: a tenant that
// is deleted leaves a tombstone and entries in the audit log.
type Prober struct {
	installation Installation
	metrics      *Metrics
	log          zerolog.Logger
	only         func(Attempt) bool // nil: all
}

// NewProber makes a prober; Probe runs it once.
func NewProber(installation Installation, metrics *Metrics, log zerolog.Logger) *Prober {
	return &Prober{installation: installation, metrics: metrics, log: log.With().Str("component", "isolation").Logger()}
}

// Probe makes the attempts once. Leaks are counted and logged; the error says why the probe is not complete. Another
// process that probes at the same moment is no error.
func (p *Prober) Probe(ctx context.Context) error {
	report, err := Verify(ctx, p.installation, Options{Keep: true, only: p.only})
	if errors.Is(err, ErrBusy) {
		return nil
	}
	if report != nil {
		p.tell(report)
	}
	if err == nil && !report.Complete {
		err = errors.New("isolation could not be probed in full")
	}
	if err != nil {
		return err
	}
	p.metrics.completed(time.Now())
	p.log.Info().Int("attempts", len(report.Results)).Int("leaks", report.Leaks).Float64("seconds", report.Seconds).Msg("isolation probed")
	return nil
}

// tell counts and logs what was found. Details name tables, keys and endpoints of canaries; there is no customer's data
// in them.
func (p *Prober) tell(report *Report) {
	for _, r := range report.Results {
		if r.Verdict != Leaked && r.Verdict != Fault {
			continue
		}
		line := p.log.Warn()
		if r.Verdict == Leaked {
			p.metrics.failures.WithLabelValues(string(r.Layer)).Inc()
			line = p.log.Error()
		}
		line.Str("layer", string(r.Layer)).Str("attempt", r.Name).Str("outcome", string(r.Verdict)).Str("detail", r.Detail).Msg("isolation")
	}
}

// Metrics are the prober's.
type Metrics struct {
	failures *prometheus.CounterVec
	complete *prometheus.GaugeVec
}

// NewMetrics registers the prober's metrics. Every layer is there from the start, so that its first failure is an
// increase.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_isolation_probe_failures_total", Help: "Attempts that got from one canary tenant to another's data, by layer.",
		}, []string{"layer"}),
		complete: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_isolation_probe_last_complete_timestamp_seconds",
			Help: "When every attempt was last made. Absent in processes that do not probe.",
		}, nil),
	}
	for _, layer := range Layers {
		m.failures.WithLabelValues(string(layer))
	}
	registry.MustRegister(m.failures, m.complete)
	return m
}

func (m *Metrics) completed(at time.Time) {
	m.complete.WithLabelValues().Set(float64(at.UnixMilli()) / 1000)
}

// Retire takes back when the last probe was: another process probes now.
func (m *Metrics) Retire() { m.complete.Reset() }
