package isolation

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Report is what came of a run.
type Report struct {
	Started  time.Time       `json:"started"`
	Seconds  float64         `json:"seconds"`
	Attacker uuid.UUID       `json:"attacker"`
	Victim   uuid.UUID       `json:"victim"`
	Counts   map[Verdict]int `json:"counts"`
	Leaks    int             `json:"leaks"`
	Faults   int             `json:"faults"`
	Complete bool            `json:"complete"` // every attempt was made that the installation has a way for
	Results  []Result        `json:"attempts"`
}

// Result is an attempt with its outcome.
type Result struct {
	Layer        Layer   `json:"layer"`
	Name         string  `json:"name"`
	Verdict      Verdict `json:"outcome"`
	Detail       string  `json:"detail,omitempty"`
	Probes       int     `json:"probes"` // tables, keys, endpoints: how often it was tried
	Milliseconds float64 `json:"milliseconds"`
}

func newReport(w *World) *Report {
	return &Report{
		Started: time.Now().UTC(), Attacker: w.Attacker.ID, Victim: w.Victim.ID, Counts: map[Verdict]int{}, Results: []Result{},
	}
}

func (r *Report) add(attempt Attempt, outcome Outcome, took time.Duration) {
	r.Results = append(r.Results, Result{
		Layer: attempt.Layer, Name: attempt.Name, Verdict: outcome.Verdict, Detail: outcome.Detail, Probes: outcome.Probes,
		Milliseconds: float64(took.Microseconds()) / 1000,
	})
	r.Counts[outcome.Verdict]++
}

func (r *Report) end() {
	r.Seconds = time.Since(r.Started).Seconds()
	r.Leaks, r.Faults = r.Counts[Leaked], r.Counts[Fault]
	slices.SortStableFunc(r.Results, func(a, b Result) int { return slices.Index(Layers, a.Layer) - slices.Index(Layers, b.Layer) })
}
