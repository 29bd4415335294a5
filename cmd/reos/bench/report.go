package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is all that one call of the benchmark found, raw runs first.
type Report struct {
	Started  time.Time         `json:"started"`
	Seconds  float64           `json:"seconds"`
	Machine  Machine           `json:"machine"`
	Commit   string            `json:"commit"` // of the reos that ran; "+" where the tree had changes
	Versions map[string]string `json:"versions"`
	Seed     uint64            `json:"seed"`
	Sizes    Sizes             `json:"sizes"`
	Runs     []Run             `json:"runs"` // in the order in which they ran
	Findings []Finding         `json:"findings"`
	Notes    []string          `json:"notes,omitempty"` // what was left out, and why
}

// Run is one measurement.
type Run struct {
	Scenario        string             `json:"scenario"`
	Of              string             `json:"of"`             // reos, or its baseline
	Case            string             `json:"case,omitempty"` // what sets it apart within the scenario
	Data            string             `json:"data"`
	Events          int                `json:"events"`
	Seconds         float64            `json:"seconds"` // from before the first publish to the last end
	EventsPerSecond float64            `json:"events_per_second"`
	Publishing      float64            `json:"publishing_seconds,omitempty"` // of these, until everything was confirmed
	Latency         *Latency           `json:"latency,omitempty"`            // from publish to searchable
	CPU             map[string]float64 `json:"cpu_ms_per_event,omitempty"`   // per component
	Memory          *Memory            `json:"memory,omitempty"`             // of the worker
}

// The two that are measured.
const (
	ofReos = "reos"
	ofPeer = "watermill-router"
)

// Finding is a figure that something is demanded of, or that others are to be read by.
type Finding struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Low    float64 `json:"low,omitempty"` // the spread, where there is one
	High   float64 `json:"high,omitempty"`
	Unit   string  `json:"unit"`
	Target string  `json:"target,omitempty"` // what is demanded
	Met    *bool   `json:"met,omitempty"`
}

// atLeast and atMost hold a finding against its target.
func (f Finding) atLeast(target float64) Finding {
	met := f.Value >= target
	f.Target, f.Met = fmt.Sprintf("≥ %g", target), &met
	return f
}

func (f Finding) atMost(target float64) Finding {
	met := f.Value <= target
	f.Target, f.Met = fmt.Sprintf("≤ %g", target), &met
	return f
}

// asFinding names a ratio.
func (r Ratio) asFinding(name string) Finding {
	return Finding{Name: name, Value: r.Median, Low: r.Low, High: r.High, Unit: "×"}
}

// rates lists the throughputs of the runs that are like one.
func (r *Report) rates(scenario, of, which, data string) []float64 {
	var rates []float64
	for _, run := range r.Runs {
		if run.Scenario == scenario && run.Of == of && run.Case == which && run.Data == data {
			rates = append(rates, run.EventsPerSecond)
		}
	}
	return rates
}

// Table writes the report for people, as tab-separated columns.
func (r *Report) Table(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %.0f GiB, Linux %s\n", r.Machine.CPU, r.Machine.Cores, r.Machine.MemoryGiB, r.Machine.Kernel)
	fmt.Fprintf(w, "reos %s", r.Commit)
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(w, ", %s %s", name, r.Versions[name])
	}
	fmt.Fprintf(w, "\n\n")
	r.runRows(w)
	r.cpuRows(w)
	if len(r.Findings) > 0 {
		fmt.Fprintln(w, "\nFINDING\tVALUE\tSPREAD\tTARGET\t")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%s\t%.3g %s\t%s\t%s\t%s\n", f.Name, f.Value, f.Unit, f.spread(), f.Target, f.verdict())
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\n%s\n", note)
	}
}

func (f Finding) spread() string {
	if f.Low == 0 && f.High == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g – %.3g", f.Low, f.High)
}

func (f Finding) verdict() string {
	switch {
	case f.Met == nil:
		return ""
	case *f.Met:
		return "met"
	}
	return "NOT MET"
}

func (r *Report) runRows(w io.Writer) {
	fmt.Fprintln(w, "SCENARIO\tOF\tCASE\tDATA\tEVENTS\tEVENTS/S\tP50 MS\tP95 MS\tP99 MS\tMAX MS\tMIB")
	for _, run := range r.Runs {
		latency := "\t\t\t"
		if l := run.Latency; l != nil {
			latency = fmt.Sprintf("%.1f\t%s\t%.1f\t%s", l.P50, known(l.P95), l.P99, known(l.Max))
		}
		memory := ""
		if run.Memory != nil {
			memory = fmt.Sprintf("%.0f", run.Memory.PeakMiB)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%.0f\t%s\t%s\n", run.Scenario, run.Of, run.Case, run.Data, run.Events,
			run.EventsPerSecond, latency, memory)
	}
}

// known writes a figure that a baseline may not report.
func known(ms float64) string {
	if ms == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", ms)
}

// cpuOrder is how components stand in the table.
var cpuOrder = []string{cpuPublisher, cpuBroker, cpuPostgres, cpuObjects, cpuVectors, cpuWorker, cpuPeer}

// medianCPU is the median of a component's times over the runs that saw it.
func medianCPU(runs []Run, component string) (ms float64, seen bool) {
	var values []float64
	for _, run := range runs {
		if value, ok := run.CPU[component]; ok {
			values = append(values, value)
		}
	}
	return median(values), len(values) > 0
}

// cpuRows says where the time goes: the median over the saturated runs of each kind.
func (r *Report) cpuRows(w io.Writer) {
	kinds := map[string][]Run{}
	var order []string
	for _, run := range r.Runs {
		if run.CPU == nil {
			continue
		}
		kind := strings.Join([]string{run.Scenario, run.Of, run.Case, run.Data}, "\t")
		if kinds[kind] == nil {
			order = append(order, kind)
		}
		kinds[kind] = append(kinds[kind], run)
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintf(w, "\nCPU MS PER EVENT\tOF\tCASE\tDATA\t%s\tSUM\tOTHERS\n", strings.ToUpper(strings.Join(cpuOrder, "\t")))
	for _, kind := range order {
		fmt.Fprint(w, kind)
		sum := 0.0
		for _, component := range cpuOrder {
			if ms, seen := medianCPU(kinds[kind], component); seen {
				sum += ms
				fmt.Fprintf(w, "\t%.3f", ms)
			} else {
				fmt.Fprint(w, "\t-")
			}
		}
		fmt.Fprintf(w, "\t%.3f", sum)
		if ms, seen := medianCPU(kinds[kind], cpuOthers); seen {
			fmt.Fprintf(w, "\t%.3f", ms)
		}
		fmt.Fprintln(w)
	}
}
