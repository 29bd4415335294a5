package workers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/codybias9/real-estate-os/events"
	"github.com/codybias9/real-estate-os/store"
)

// attempt gives a tenant's part of a batch to the stage and returns one result per message. A part that fails is
// split, so that one poison message harms only itself. Results are zero where ctx ended first.
func (r *Runner) attempt(ctx context.Context, source events.Source, tenant uuid.UUID, part []Message) []Result {
	if len(part) == 0 {
		return nil
	}
	results, err := r.patiently(ctx, source, tenant, part)
	switch {
	case err == nil:
		return results
	case ctx.Err() != nil:
		return make([]Result, len(part))
	case errors.Is(err, store.ErrTenantDeleted):
		return slices.Repeat([]Result{tenantGone()}, len(part))
	case len(part) == 1:
		return []Result{{Outcome: events.Retried, Reason: reasonFor(err), Err: err}}
	}
	r.log.Warn().Err(err).Str("tenant_id", tenant.String()).Str("queue", source.Queue).Int("messages", len(part)).Msg("batch split")
	half := len(part) / 2
	return append(r.attempt(ctx, source, tenant, part[:half]), r.attempt(ctx, source, tenant, part[half:])...)
}

// patiently calls the stage until it has an answer that is about the messages. A dependency that is down pauses the
// queue; it burns no attempt.
//
// The probe settles what an error alone cannot. Whatever the error says, a store that cannot work is to blame for it: its
// credentials were withdrawn, its bucket is gone. And a store that gave no answer in time may be busy with one message
// that takes for ever: if all stores work, a part of several messages is split, and a message that stood alone for
// loneTries times out.
func (r *Runner) patiently(ctx context.Context, source events.Source, tenant uuid.UUID, part []Message) ([]Result, error) {
	wait := newBackoff()
	for try := 1; ; try++ {
		leave := r.courtesy.Enter(source.Lane, len(part))
		results, err := r.call(ctx, tenant, part)
		leave()
		if err == nil || ctx.Err() != nil {
			r.pause(source.Queue, nil)
			return results, err
		}
		down := r.probed(ctx, err)
		late := errors.Is(err, context.DeadlineExceeded) && r.probe != nil && (len(part) > 1 || try >= loneTries)
		switch {
		case down == nil && !errors.Is(err, store.ErrUnavailable):
			r.pause(source.Queue, nil)
			return nil, err
		case down == nil && late:
			return nil, fmt.Errorf("%w: %v", errStageTimeout, err)
		}
		r.pause(source.Queue, cmp.Or(down, err))
		if !wait.sleep(ctx) {
			return nil, ctx.Err()
		}
	}
}

// probed says why the stores cannot work, after an error that may be theirs; nil when they can, and for a panic, which
// is ours.
func (r *Runner) probed(ctx context.Context, err error) error {
	var panicked *panicError
	if r.probe == nil || errors.As(err, &panicked) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return r.probe(ctx)
}

const probeTimeout = 10 * time.Second

// loneTries is how often a message alone may keep a store from answering while the stores work.
const loneTries = 2

// call runs the stage once, within its time, and turns a panic into an error.
func (r *Runner) call(ctx context.Context, tenant uuid.UUID, part []Message) (results []Result, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.config.StageTimeout, errStageTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p}
			r.log.Error().Err(err).Str("tenant_id", tenant.String()).Bytes("stack", debug.Stack()).Msg("stage panicked")
		}
	}()
	results, err = r.stage.Process(ctx, tenant, part)
	if err != nil && errors.Is(context.Cause(ctx), errStageTimeout) {
		return nil, fmt.Errorf("%w: %v", errStageTimeout, err) // not unavailable: the stage, not a store, took too long
	}
	if err == nil && len(results) != len(part) {
		return nil, fmt.Errorf("stage returned %d results for %d messages", len(results), len(part))
	}
	return results, err
}

var errStageTimeout = errors.New("stage timed out")

type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// reasonFor names an error that is not the message's own.
func reasonFor(err error) events.Reason {
	var panicked *panicError
	switch {
	case errors.As(err, &panicked):
		return events.StagePanic
	case errors.Is(err, errStageTimeout):
		return events.StageTimeout
	}
	return events.StageError
}

// backoff waits longer every time, with jitter, so that workers do not return to a store all at once.
type backoff struct{ next time.Duration }

func newBackoff() *backoff { return &backoff{next: 50 * time.Millisecond} }

const maxBackoff = 3 * time.Second

// sleep waits; it reports false when ctx ended first.
func (b *backoff) sleep(ctx context.Context) bool {
	timer := time.NewTimer(b.next/2 + rand.N(b.next))
	defer timer.Stop()
	b.next = min(2*b.next, maxBackoff)
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
