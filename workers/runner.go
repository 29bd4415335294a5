package workers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/codybias9/real-estate-os/events"
)

// Config is how a runner works.
type Config struct {
	BatchSize    int           `env:"WORKER_BATCH_SIZE, default=500"`      // messages of one tenant that a batch holds at most
	BatchBytes   int           `env:"WORKER_BATCH_BYTES, default=8388608"` // payload a batch holds at most, but for its first message
	StageTimeout time.Duration `env:"WORKER_STAGE_TIMEOUT, default=60s"`   // for one call of a stage
}

const (
	// tenantsAtOnce bounds how many tenants' parts of one batch are in the stores at once, and how many full parts a batch
	// may hold: where many tenants' messages are mixed, each part is as small as the batch lets it be.
	tenantsAtOnce = 4

	// smallPart is how many messages count as a whole part. Of smaller ones as many more are in the stores at once: there
	// they go together.
	smallPart = 16
)

// Surroundings are what the runners of one process share.
type Surroundings struct {
	Transport events.Transport
	Topology  events.Topology
	Config    Config
	Gate      *Gate // nil: nobody is paused
	// Probe says why the stores cannot work; nil when they can. Without it a store that does not answer in time is always
	// the store's fault.
	Probe    func(context.Context) error
	Courtesy *Courtesy
	Metrics  *Metrics
	Version  string // of this program, for the dead letters
	Log      zerolog.Logger
}

// Runner moves messages through one stage: it takes what is there, hands each tenant's part to the stage, publishes
// the outputs and acks.
type Runner struct {
	stage     Stage
	transport events.Transport
	topology  events.Topology
	config    Config
	gate      *Gate
	probe     func(context.Context) error
	courtesy  *Courtesy
	metrics   *Metrics
	version   string
	log       zerolog.Logger

	mu     sync.Mutex
	paused map[string]error // per queue: why it waits
}

// NewRunner makes a runner; Run starts it.
func NewRunner(stage Stage, s Surroundings) *Runner {
	return &Runner{
		stage: stage, transport: s.Transport, topology: s.Topology, config: s.Config, gate: s.Gate, probe: s.Probe,
		courtesy: s.Courtesy, metrics: s.Metrics, version: s.Version,
		log: s.Log.With().Str("stage", string(stage.Name())).Logger(), paused: map[string]error{},
	}
}

// Run consumes the stage's queues until intake ends, finishes what is in hand, and returns. When work ends first it
// returns at once; what was not acked by then is delivered again.
//
// Invariant 8: shutdown drains. The two contexts are the two halves of it.
func (r *Runner) Run(intake, work context.Context) error {
	intake, stop := context.WithCancel(intake)
	defer stop()
	var group errgroup.Group
	for _, source := range r.topology.Sources(r.stage.Name()) {
		group.Go(func() error {
			defer stop() // a source that cannot go on ends the others, drained
			return r.consume(intake, work, source)
		})
	}
	return group.Wait()
}

// Ready says why the stage does not work just now; nil when it does.
func (r *Runner) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for queue, err := range r.paused {
		return fmt.Errorf("%s: %w", queue, err)
	}
	return nil
}

// pause notes why a queue waits; nil ends the wait.
func (r *Runner) pause(queue string, err error) {
	r.mu.Lock()
	_, was := r.paused[queue]
	if err == nil {
		delete(r.paused, queue)
	} else {
		r.paused[queue] = err
	}
	r.mu.Unlock()
	switch {
	case err != nil && !was:
		r.log.Warn().Err(err).Str("queue", queue).Msg("paused")
	case err == nil && was:
		r.log.Info().Str("queue", queue).Msg("resumed")
	}
}

// consume runs one queue: one batch in hand at a time, so that a lane keeps its order.
func (r *Runner) consume(intake, work context.Context, source events.Source) error {
	deliveries, err := r.transport.Subscribe(intake, source.Queue)
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", source.Queue, err)
	}
	if r.gate != nil && !r.gate.await(intake) {
		return nil
	}
	pending := newBuffer()
	go pending.fill(deliveries, func(carrier *message.Message) []Delivery {
		return newDeliveries(r.topology, source, carrier)
	})
	for {
		batch := pending.take(work, r.config.BatchSize, r.config.BatchBytes)
		if len(batch) == 0 {
			break
		}
		r.work(work, source, batch)
	}
	if work.Err() == nil && intake.Err() == nil {
		return fmt.Errorf("consume %s: the transport closed the subscription", source.Queue)
	}
	return nil
}

// work takes one batch from deliveries to acks.
func (r *Runner) work(ctx context.Context, source events.Source, batch []Delivery) {
	started := time.Now()
	r.metrics.began(r.stage.Name(), source.Lane, started)
	settled := make([]settlement, len(batch))
	parts := map[uuid.UUID]*[2][]int{} // per tenant: messages at their first attempt, and those that failed before
	messages := make([]Message, len(batch))
	for i, delivery := range batch {
		message, err := r.accept(delivery)
		if err != nil {
			message = Message{Delivery: delivery, Tenant: blamed(delivery)}
		}
		if r.gate != nil && r.gate.deleted(message.Tenant) {
			settled[i] = settlement{result: tenantGone(), tenant: message.Tenant, event: message.Event}
			continue
		}
		if why := r.held(message.Tenant); why != nil {
			settled[i] = r.hold(message, why)
			continue
		}
		if err != nil {
			settled[i] = r.reject(message, err)
			continue
		}
		messages[i] = message
		if parts[message.Tenant] == nil {
			parts[message.Tenant] = &[2][]int{}
		}
		kind := min(message.Attempt-1, 1)
		parts[message.Tenant][kind] = append(parts[message.Tenant][kind], i)
	}
	r.process(ctx, source, parts, messages, settled)
	if !r.publish(ctx, source.Queue, r.outgoing(source.Lane, settled)) {
		return // cut off: nothing of this batch is acked, all of it comes again
	}
	for i := range settled {
		r.finish(batch[i], settled[i])
	}
	r.tell(ctx, settled)
	r.metrics.batch(r.stage.Name(), source.Lane, len(batch), time.Since(started))
}

// process hands each tenant's parts of a batch to the stage, several at once, and settles their messages. Those that ctx
// cuts off are left as they are.
func (r *Runner) process(ctx context.Context, source events.Source, parts map[uuid.UUID]*[2][]int, messages []Message, settled []settlement) {
	var group sync.WaitGroup
	defer group.Wait()
	room := semaphore.NewWeighted(tenantsAtOnce * smallPart)
	for tenant, kinds := range parts {
		weight := int64(min(len(kinds[0])+len(kinds[1]), smallPart))
		if room.Acquire(ctx, weight) != nil {
			return
		}
		work := func() {
			defer room.Release(weight)
			for _, indices := range kinds { // apart, so that what failed before drags no others into its splits
				part := make([]Message, len(indices))
				for n, i := range indices {
					part[n] = messages[i]
				}
				for n, result := range r.attempt(ctx, source, tenant, part) {
					settled[indices[n]] = r.settle(part[n], result)
				}
			}
		}
		if len(parts) == 1 { // a live event: waking another goroutine takes longer than it should
			work()
			return
		}
		group.Go(work)
	}
}

// held says why a tenant's messages must wait; nil when they need not.
func (r *Runner) held(tenant uuid.UUID) error {
	if r.gate == nil {
		return nil
	}
	return r.gate.holds(r.stage.Name(), tenant)
}

// tell lets the gate know what it holds, and its breaker what ended.
func (r *Runner) tell(ctx context.Context, settled []settlement) {
	if r.gate == nil {
		return
	}
	type end struct {
		ended, dead int
		last        error
	}
	ends := map[uuid.UUID]*end{}
	for i := range settled {
		s := &settled[i]
		if s.result.Outcome == events.Retried {
			if s.result.Reason == events.Paused {
				r.gate.keeps(r.stage.Name(), s.tenant)
			}
			continue
		}
		e := ends[s.tenant]
		if e == nil {
			e = &end{}
			ends[s.tenant] = e
		}
		e.ended++
		if s.result.Outcome == events.Dead {
			e.dead++
			e.last = s.result.Err
		}
	}
	for tenant, e := range ends {
		r.gate.ended(ctx, r.stage.Name(), tenant, e.ended, e.dead, e.last)
	}
}

// accept reads a delivery; a panic over foreign bytes is the message's fault, not the worker's end.
func (r *Runner) accept(delivery Delivery) (message Message, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicError{value: p}
		}
	}()
	return r.stage.Accept(delivery)
}

// settlement is what is left to do for a delivery: publish, then ack.
type settlement struct {
	result Result
	tenant uuid.UUID
	event  events.Event
	copied []events.Outgoing // the message itself, on its way to another attempt or to the dead letters
}

// settle turns a result into what must be published before the ack.
func (r *Runner) settle(m Message, result Result) settlement {
	s := settlement{result: result, tenant: m.Tenant, event: m.Event}
	switch result.Outcome {
	case events.Retried:
		s.result, s.copied = r.retryOrDie(m.Delivery, m.Tenant, result)
	case events.Dead:
		s.copied = []events.Outgoing{r.deadLetter(m.Delivery, m.Tenant, result)}
	}
	return s
}

// outgoing lists what a batch has to say: the outputs of its results, and copies of what failed.
func (r *Runner) outgoing(lane string, settled []settlement) []events.Outgoing {
	var out []events.Outgoing
	var outputs []events.Event
	for i := range settled {
		out = append(out, settled[i].copied...)
		outputs = append(outputs, settled[i].result.Outputs...)
	}
	return append(out, Outgoing(r.topology, lane, outputs)...)
}

// Outgoing bundles what stages say of events on a lane, for PublishBatch. Events of one tenant and type keep their order.
func Outgoing(topology events.Topology, lane string, outputs []events.Event) []events.Outgoing {
	type addressee struct {
		tenant    uuid.UUID
		eventType string
	}
	grouped := map[addressee][]events.Event{}
	var order []addressee
	for _, output := range outputs {
		to := addressee{output.TenantID, output.Type}
		if grouped[to] == nil {
			order = append(order, to)
		}
		grouped[to] = append(grouped[to], output)
	}
	var out []events.Outgoing
	for _, to := range order {
		topic := topology.EventTopic(lane, to.tenant, to.eventType)
		for _, bundle := range events.Bundles(grouped[to]) {
			out = append(out, events.Outgoing{Topic: topic, Message: bundle})
		}
	}
	return out
}

// publish sends everything the batch has to say and waits for the broker's confirms, for as long as it takes. It
// reports false when ctx ended first.
//
// Invariant 1: a message is acked only after its outputs are confirmed.
func (r *Runner) publish(ctx context.Context, queue string, out []events.Outgoing) bool {
	done := publishAll(ctx, r.transport, out, func(err error) { r.pause(queue, fmt.Errorf("publish outputs: %w", err)) })
	if done {
		r.pause(queue, nil)
	}
	return done && ctx.Err() == nil
}

// publishAll publishes until everything is confirmed. It reports false when ctx ended first.
func publishAll(ctx context.Context, transport events.Transport, out []events.Outgoing, failed func(error)) bool {
	wait := newBackoff()
	for len(out) > 0 {
		err := transport.PublishBatch(ctx, out)
		if err == nil {
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		failed(err)
		out = unconfirmed(out, err)
		if !wait.sleep(ctx) {
			return false
		}
	}
	return true
}

// unconfirmed keeps what a failed publish left over.
func unconfirmed(out []events.Outgoing, err error) []events.Outgoing {
	var failures events.PublishErrors
	if !errors.As(err, &failures) || len(failures) != len(out) {
		return out
	}
	var rest []events.Outgoing
	for i, failure := range failures {
		if failure != nil {
			rest = append(rest, out[i])
		}
	}
	return rest
}

// finish acks a delivery and tells what became of it. A bundle is in one batch as a whole, so all of it is settled when
// its first event is acked.
func (r *Runner) finish(d Delivery, s settlement) {
	d.carrier.Ack()
	r.metrics.message(r.stage.Name(), s.result.Outcome, s.result.Reason)
	if s.result.Outcome == events.Dead || s.result.Outcome == events.Retried && s.result.Reason != events.Paused {
		r.log.Warn().Str("tenant_id", s.tenant.String()).Str("event_id", s.event.ID).Str("record_key", events.Cut(s.event.Subject, events.MaxKeyBytes)).
			Str("queue", d.Queue).Int("attempt", d.Attempt).Str("outcome", string(s.result.Outcome)).
			Str("reason", string(s.result.Reason)).Str("error", loggable(s.result.Err)).Msg("message not done")
	}
}

// loggable is an error without what upstreams sent.
func loggable(err error) string {
	var rejection *events.Rejection
	if errors.As(err, &rejection) {
		return rejection.Redacted()
	}
	return fmt.Sprint(err)
}
