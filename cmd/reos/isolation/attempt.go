package isolation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/codybias9/real-estate-os/store"
)

// Layer is what stands between tenants. Each must hold by itself.
type Layer string

// The layers.
const (
	Broker    Layer = "broker"    // topic permission; the envelope's tenant must be the routing key's
	API       Layer = "api"       // the token
	Types     Layer = "types"     // no handle without a tenant
	Postgres  Layer = "postgres"  // forced row-level security
	Qdrant    Layer = "qdrant"    // a filter that cannot be left out
	S3        Layer = "s3"        // a prefix that cannot be escaped
	Telemetry Layer = "telemetry" // no value of a tenant in metrics or log lines
)

// Layers lists every layer, from the outside in.
var Layers = []Layer{Broker, API, Types, Postgres, Qdrant, S3, Telemetry}

// Attempt is one way of getting at another tenant's data.
type Attempt struct {
	Name  string // what it tries
	Layer Layer
	// Intrusive attempts have the installation's workers handle hostile messages, which leaves dead letters of the
	// attacker. They are not made on a schedule.
	Intrusive bool
	// Costly attempts read whole tables of all tenants, or take locks that everybody else waits behind. They are not made on
	// a schedule either.
	Costly bool
	Try    func(context.Context, *World) Outcome
}

// Verdict is what came of an attempt.
type Verdict string

// The verdicts.
const (
	Refused       Verdict = "refused"        // the layer said no
	Empty         Verdict = "empty"          // it answered as if there were nothing
	Leaked        Verdict = "leaked"         // something of the victim's was seen or changed
	NotApplicable Verdict = "not applicable" // the installation has no such way in
	Fault         Verdict = "error"          // could not be tried
)

// Outcome is what came of an attempt, and why it is said.
type Outcome struct {
	Verdict Verdict
	Detail  string
	Probes  int // how often it was tried: once per table, key or endpoint
}

func notApplicable(format string, args ...any) Outcome {
	return Outcome{Verdict: NotApplicable, Detail: fmt.Sprintf(format, args...)}
}

func fault(err error) Outcome { return Outcome{Verdict: Fault, Detail: err.Error()} }

// tally sums up the probes of one attempt.
type tally struct {
	refused, empty int
	leaks, faults  []string
}

func (t *tally) refuse() { t.refused++ }

func (t *tally) nothing() { t.empty++ }

func (t *tally) leak(format string, args ...any) {
	t.leaks = append(t.leaks, fmt.Sprintf(format, args...))
}

func (t *tally) fail(format string, args ...any) {
	t.faults = append(t.faults, fmt.Sprintf(format, args...))
}

// changed counts what became of something of the victim's that was looked at after an attempt: nil where it is as it was
// planted. A store that is away has leaked nothing.
func (t *tally) changed(what string, err error) {
	switch {
	case err == nil:
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		t.fail("look at the victim's %s: %v", what, err)
	default:
		t.leak("the victim's %s changed: %v", what, err)
	}
}

// maxTold bounds how many findings an outcome spells out.
const maxTold = 5

// outcome is the worst of all probes. No probe at all is a fault: it proves nothing.
func (t *tally) outcome() Outcome {
	o := Outcome{Probes: t.refused + t.empty + len(t.leaks) + len(t.faults)}
	switch {
	case len(t.leaks) > 0:
		o.Verdict, o.Detail = Leaked, told(t.leaks)
	case len(t.faults) > 0:
		o.Verdict, o.Detail = Fault, told(t.faults)
	case o.Probes == 0:
		o.Verdict, o.Detail = Fault, "there was nothing to try it on"
	case t.empty > 0:
		o.Verdict = Empty
	default:
		o.Verdict = Refused
	}
	return o
}

func told(findings []string) string {
	if more := len(findings) - maxTold; more > 0 {
		return fmt.Sprintf("%s; and %d more", strings.Join(findings[:maxTold], "; "), more)
	}
	return strings.Join(findings, "; ")
}
