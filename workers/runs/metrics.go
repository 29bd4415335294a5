package runs

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// Metrics are what the leading process exports of runs with items.
type Metrics struct {
	releasedEvents, endedEvents, stoppedRuns *prometheus.CounterVec
	atWork, inFlight                         *prometheus.GaugeVec
}

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		releasedEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_run_released_events_total", Help: "Events that runs with items have let go, by the runs' kind.",
		}, []string{"kind"}),
		endedEvents: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_run_ended_events_total", Help: "Events of runs with items that have ended, by the runs' kind and the outcome.",
		}, []string{"kind", "outcome"}),
		stoppedRuns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "reos_runs_stopped_total", Help: "Runs that stopped by themselves because too many of their events died, by kind.",
		}, []string{"kind"}),
		atWork: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_runs_at_work", Help: "Runs with items that are not finished, by kind and state.",
		}, []string{"kind", "state"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "reos_run_unfinished_events", Help: "Events of runs with items that are on their way, by the runs' kind.",
		}, []string{"kind"}),
	}
	registry.MustRegister(m.releasedEvents, m.endedEvents, m.stoppedRuns, m.atWork, m.inFlight)
	return m
}

func (m *Metrics) released(kind store.RunKind, n int) {
	m.releasedEvents.WithLabelValues(string(kind)).Add(float64(n))
}

func (m *Metrics) ended(kind store.RunKind, ended map[events.Outcome]int) {
	for outcome, n := range ended {
		m.endedEvents.WithLabelValues(string(kind), string(outcome)).Add(float64(n))
	}
}

func (m *Metrics) stopped(kind store.RunKind) { m.stoppedRuns.WithLabelValues(string(kind)).Inc() }

// show says which runs are at work. One over several tenants counts once, in the state of the first.
func (m *Metrics) show(groups map[string][]*member) {
	m.retire()
	for _, members := range groups {
		first := members[0].run
		if first.Kind == "" { // it could not be looked at
			continue
		}
		m.atWork.WithLabelValues(string(first.Kind), string(first.State)).Inc()
		for _, member := range members {
			m.inFlight.WithLabelValues(string(first.Kind)).Add(float64(member.run.InFlight()))
		}
	}
}

// retire takes back what is shown: another process may lead by now.
func (m *Metrics) retire() {
	m.atWork.Reset()
	m.inFlight.Reset()
}
