// Package workers runs the stages of the pipeline: one runner for all of them, one folder for each.
//
// Reading order: stage.go (what a stage is), delivery.go (what reaches it), runner.go (how batches are taken and
// settled), attempt.go (what happens when a batch fails), dead.go (what is kept of a message that cannot be saved), gate.go,
// breaker.go and hold.go (tenants that are paused), courtesy.go (what a burst owes its neighbours).
package workers

import (
	"context"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
)

// Stage is one step of the pipeline. A stage keeps nothing between batches; state lives in the stores.
type Stage interface {
	// Name is the stage's word in queues, metrics and log lines.
	Name() events.Stage

	// Accept reads a delivery: whose it is and what it says. A *events.Rejection makes it a dead letter at once.
	Accept(Delivery) (Message, error)

	// Process works on messages of one tenant, in the order of their arrival, and returns one result for each, in the
	// same order. When it returns, the effects of every result are committed; the runner publishes the outputs and
	// acks after that.
	//
	// An error means that nothing is known of any message: the runner pauses when it is store.ErrUnavailable, and
	// else splits the batch until the message that causes it stands alone. So Process must be idempotent.
	// Process is called concurrently for different tenants, never twice at once for one tenant and lane.
	Process(ctx context.Context, tenant uuid.UUID, batch []Message) ([]Result, error)
}

// Message is a delivery that a stage accepted.
type Message struct {
	Delivery
	Tenant uuid.UUID
	Event  events.Event
	Step   events.Step // set behind ingestion
}

// Result is what a stage made of one message.
type Result struct {
	Outcome events.Outcome
	Reason  events.Reason  // empty when plainly done
	Err     error          // for dead: what an operator should read
	Outputs []events.Event // to be published on the message's lane before it is acked
}

// Done is the result of a message whose effects are committed.
func Done(outputs ...events.Event) Result {
	return Result{Outcome: events.Done, Outputs: outputs}
}

// Stale is the result of a message that a newer version overtook.
func Stale(reason events.Reason, outputs ...events.Event) Result {
	return Result{Outcome: events.Stale, Reason: reason, Outputs: outputs}
}

// tenantGone is the result of a message whose tenant is deleted. A delete is a version too: that of everything the tenant
// had. An operator has ordered it, and the audit log says who.
func tenantGone() Result { return Stale(events.TenantDeleted) }

// Rejected is the result of a message that no retry can help.
func Rejected(rejection *events.Rejection) Result {
	return Result{Outcome: events.Dead, Reason: rejection.Reason, Err: rejection}
}
