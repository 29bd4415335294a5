package events

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// BulkLane carries backfills, so that they never stand before live events.
const BulkLane = "bulk"

// Topology is where messages go, as data: every transport builds the same from it.
//
// A topic, in Watermill's sense, is either a queue's name or `exchange/routing key`.
type Topology struct {
	// Namespace begins every name. Installations that share a broker differ by it.
	Namespace string
	// Lanes are the names that new tenants are spread over; BulkLane is added to them.
	Lanes []string
	// ReservedLanes get no tenant by themselves: an operator moves a giant there.
	ReservedLanes []string
	// RetryDelays are the waits before the second, third, … attempt. A message that failed once more is dead.
	RetryDelays []time.Duration
	// DeliveryLimit is how often the broker hands out one message whose worker dies over it.
	DeliveryLimit int
}

// DefaultTopology is what an installation has to itself.
func DefaultTopology() Topology {
	return Topology{
		Namespace:     "reos",
		Lanes:         []string{"a", "b", "c", "d"},
		RetryDelays:   []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute},
		DeliveryLimit: 20,
	}
}

// ExchangeKind is an exchange's routing rule, in AMQP's words.
type ExchangeKind string

// The kinds in use.
const (
	TopicExchange  ExchangeKind = "topic"
	DirectExchange ExchangeKind = "direct"
	FanoutExchange ExchangeKind = "fanout"
)

// Exchange is a durable exchange.
type Exchange struct {
	Name      string
	Kind      ExchangeKind
	Alternate string // exchange for what no binding matches; empty: such a message is returned to its publisher
}

// Queue is a durable queue.
type Queue struct {
	Name          string
	TTL           time.Duration // messages leave for DeadLetterTo after it; 0 = never
	DeadLetterTo  string        // exchange for what expired or passed the delivery limit
	DeadLetterKey string        // routing key for it; empty = the message's own
	DeliveryLimit int           // 0 = none
}

// Binding routes messages from an exchange to a queue. Pattern is a topic pattern, a key or, for fanout, empty.
type Binding struct{ Exchange, Pattern, Queue string }

func (t Topology) name(parts ...string) string {
	return t.Namespace + "." + strings.Join(parts, ".")
}

// Intake is the exchange that upstreams publish to, with routing key `<tenant_id>.<type>`.
func (t Topology) Intake() string { return t.name("intake") }

// BulkIntake is the intake of backfills: same keys, but every tenant's events take the bulk lane.
func (t Topology) BulkIntake() string { return t.name("intake", BulkLane) }

// Unroutable names both the exchange and the queue of messages for unknown tenants.
func (t Topology) Unroutable() string { return t.name("unroutable") }

// Events is the exchange of what stages say, with routing key `<lane>.<tenant_id>.<type>`. Anyone may bind to it.
func (t Topology) Events() string { return t.name("events") }

// SLI is the exchange of freshness reports, with routing key `<tenant_id>`.
func (t Topology) SLI() string { return t.name("sli") }

// DeadLetterQueue names the queue, and the exchange before it, of messages that no retry can save.
func (t Topology) DeadLetterQueue() string { return t.name("deadletters") }

func (t Topology) redeliver() string { return t.name("redeliver") }

func (t Topology) retry(delay time.Duration) string { return t.name("retry", DelayName(delay)) }

// DelayName writes a delay as operators say it: 5s, 1m, 10m, 250ms.
func DelayName(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// TenantLanes lists the lanes that a tenant may be in.
func (t Topology) TenantLanes() []string { return slices.Concat(t.Lanes, t.ReservedLanes) }

// AllLanes lists the tenants' lanes and the bulk lane.
func (t Topology) AllLanes() []string { return append(t.TenantLanes(), BulkLane) }

// LaneFor is the lane of a new tenant: the one with the fewest, given how many each has. The first of several wins.
func (t Topology) LaneFor(tenants map[string]int) string {
	return slices.MinFunc(t.Lanes, func(a, b string) int { return cmp.Compare(tenants[a], tenants[b]) })
}

// StageQueue names the queue of a stage's lane.
func (t Topology) StageQueue(stage Stage, lane string) string { return t.name(string(stage), lane) }

// Source is a queue that a stage consumes, and the lane its messages belong to.
type Source struct{ Queue, Lane string }

// Sources lists the queues of a stage. Dead letters have no lanes; freshness has no queues, it reads Postgres.
func (t Topology) Sources(stage Stage) []Source {
	switch stage {
	case Freshness:
		return nil
	case DeadLetters:
		return []Source{{t.DeadLetterQueue(), ""}, {t.Unroutable(), ""}}
	}
	lanes := t.AllLanes()
	sources := make([]Source, 0, len(lanes))
	for _, lane := range lanes {
		sources = append(sources, Source{t.StageQueue(stage, lane), lane})
	}
	return sources
}

// IntakeTopic is where an upstream's event is published.
func (t Topology) IntakeTopic(tenant uuid.UUID, eventType string, bulk bool) string {
	exchange := t.Intake()
	if bulk {
		exchange = t.BulkIntake()
	}
	return exchange + "/" + tenant.String() + "." + eventType
}

// EventTopic is where a stage publishes what it did, so that it stays in its lane.
func (t Topology) EventTopic(lane string, tenant uuid.UUID, eventType string) string {
	return t.Events() + "/" + lane + "." + tenant.String() + "." + eventType
}

// SLITopic is where a tenant's freshness report is published.
func (t Topology) SLITopic(tenant uuid.UUID) string { return t.SLI() + "/" + tenant.String() }

// RetryTopic is where a copy of a message goes that failed its nth attempt (n from 1), to come back to the same
// queue after the nth delay. It reports false when the attempts are used up.
func (t Topology) RetryTopic(queue string, attempt int) (topic string, delay time.Duration, ok bool) {
	if attempt < 1 || attempt > len(t.RetryDelays) {
		return "", 0, false
	}
	delay = t.RetryDelays[attempt-1]
	return t.retry(delay) + "/" + queue, delay, true
}

// RedeliverTopic is where a message goes that comes back to a queue at once.
func (t Topology) RedeliverTopic(queue string) string { return t.redeliver() + "/" + queue }

// HeldQueue names the queue of a tenant's messages that a pause keeps from a stage. It is declared when it is needed.
func (t Topology) HeldQueue(stage Stage, tenant uuid.UUID) string {
	return t.name("held", string(stage), tenant.String())
}

// HeldQueues names all queues of a tenant that HeldQueue names.
func (t Topology) HeldQueues(tenant uuid.UUID) []string {
	queues := make([]string, len(Pausable))
	for i, stage := range Pausable {
		queues[i] = t.HeldQueue(stage, tenant)
	}
	return queues
}

// SplitTopic splits `exchange/routing key`. A topic without a slash is a queue's name: exchange is empty then.
func SplitTopic(topic string) (exchange, key string) {
	exchange, key, found := strings.Cut(topic, "/")
	if !found {
		return "", topic
	}
	return exchange, key
}

// FromIntake says whether a message published to this exchange came from outside: its own headers are then not to
// be trusted.
func (t Topology) FromIntake(exchange string) bool {
	return exchange == t.Intake() || exchange == t.BulkIntake()
}

// inputs lists, per stage behind ingestion, the event types it consumes.
func inputs(stage Stage) []string {
	var types []string
	for _, record := range RecordTypes {
		switch {
		case stage == Quality:
			types = append(types, Type(record, Ingested))
		case stage == Embedding && record.Searchable():
			types = append(types, Type(record, Passed))
		case stage == Indexing && record.Searchable():
			types = append(types, Type(record, Embedded), Type(record, Quarantined), Type(record, Removed))
		}
	}
	return types
}

// lastWords are the event types that no stage consumes: with one of them an event's way ends.
var lastWords = func() map[string]bool {
	types := map[string]bool{}
	for _, record := range RecordTypes {
		verbs := []Verb{Passed, Quarantined, Removed}
		if record.Searchable() {
			verbs = []Verb{Indexed, Unindexed}
		}
		for _, verb := range verbs {
			types[Type(record, verb)] = true
		}
	}
	return types
}()

// Optional says of a message whether nobody need listen to it: a freshness report, or the last that a stage says of an
// event. Any other one that reaches no queue is a failure.
func (t Topology) Optional(exchange, key string) bool {
	switch exchange {
	case t.SLI():
		return true
	case t.Events():
		words := strings.SplitN(key, ".", 3) // lane, tenant, type
		return len(words) == 3 && lastWords[words[2]]
	}
	return false
}

// Exchanges lists every exchange.
func (t Topology) Exchanges() []Exchange {
	all := []Exchange{
		{Name: t.Unroutable(), Kind: FanoutExchange},
		{Name: t.Intake(), Kind: TopicExchange, Alternate: t.Unroutable()},
		{Name: t.BulkIntake(), Kind: TopicExchange, Alternate: t.Unroutable()},
		{Name: t.Events(), Kind: TopicExchange},
		{Name: t.SLI(), Kind: TopicExchange},
		{Name: t.redeliver(), Kind: DirectExchange},
		{Name: t.DeadLetterQueue(), Kind: FanoutExchange},
	}
	for _, delay := range t.RetryDelays {
		all = append(all, Exchange{Name: t.retry(delay), Kind: FanoutExchange})
	}
	return all
}

// Queues lists every queue.
func (t Topology) Queues() []Queue {
	all := []Queue{{Name: t.Unroutable()}, {Name: t.DeadLetterQueue()}}
	for _, delay := range t.RetryDelays {
		all = append(all, Queue{Name: t.retry(delay), TTL: delay, DeadLetterTo: t.redeliver()})
	}
	for _, stage := range Stages {
		if stage == DeadLetters {
			continue
		}
		for _, source := range t.Sources(stage) {
			all = append(all, Queue{
				Name: source.Queue, DeliveryLimit: t.DeliveryLimit,
				DeadLetterTo: t.DeadLetterQueue(), DeadLetterKey: source.Queue,
			})
		}
	}
	return all
}

// Retired lists queues of earlier versions. Nobody consumes them any more: Declare deletes them.
func (t Topology) Retired() []string {
	var queues []string
	for _, lane := range t.AllLanes() {
		queues = append(queues, t.StageQueue(Freshness, lane))
	}
	return queues
}

// Bindings lists every binding but the tenants'.
func (t Topology) Bindings() []Binding {
	all := []Binding{
		{t.Unroutable(), "", t.Unroutable()},
		{t.DeadLetterQueue(), "", t.DeadLetterQueue()},
	}
	for _, delay := range t.RetryDelays {
		all = append(all, Binding{t.retry(delay), "", t.retry(delay)})
	}
	for _, stage := range Stages {
		for _, source := range t.Sources(stage) {
			all = append(all, Binding{t.redeliver(), source.Queue, source.Queue})
			for _, eventType := range inputs(stage) {
				all = append(all, Binding{t.Events(), fmt.Sprintf("%s.*.%s", source.Lane, eventType), source.Queue})
			}
		}
	}
	return all
}

// TenantBindings are the bindings that let a tenant's events in.
func (t Topology) TenantBindings(tenant uuid.UUID, lane string) []Binding {
	return []Binding{
		t.LaneBinding(tenant, lane),
		{t.BulkIntake(), tenantPattern(tenant), t.StageQueue(Ingestion, BulkLane)},
	}
}

// LaneBinding is the one of a tenant's bindings that is another in another lane. Backfills take the bulk lane always.
func (t Topology) LaneBinding(tenant uuid.UUID, lane string) Binding {
	return Binding{t.Intake(), tenantPattern(tenant), t.StageQueue(Ingestion, lane)}
}

// IntakeKeys is the regular expression of the routing keys that a tenant may publish with.
func IntakeKeys(tenant uuid.UUID) string { return "^" + tenant.String() + `\.` }

func tenantPattern(tenant uuid.UUID) string { return tenant.String() + ".#" }
