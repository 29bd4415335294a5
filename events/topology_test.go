package events_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestEveryBindingNamesWhatExists(t *testing.T) {
	topology := events.DefaultTopology()
	exchanges, queues := map[string]bool{}, map[string]bool{}
	for _, exchange := range topology.Exchanges() {
		require.False(t, exchanges[exchange.Name], "%s is declared twice", exchange.Name)
		exchanges[exchange.Name] = true
	}
	for _, queue := range topology.Queues() {
		require.False(t, queues[queue.Name], "%s is declared twice", queue.Name)
		queues[queue.Name] = true
		if queue.DeadLetterTo != "" {
			require.True(t, exchanges[queue.DeadLetterTo], queue.Name)
		}
	}
	for _, exchange := range topology.Exchanges() {
		if exchange.Alternate != "" {
			require.True(t, exchanges[exchange.Alternate], exchange.Name)
		}
	}
	bindings := append(topology.Bindings(), topology.TenantBindings(tenant, "a")...)
	for _, binding := range bindings {
		require.True(t, exchanges[binding.Exchange], "%+v", binding)
		require.True(t, queues[binding.Queue], "%+v", binding)
	}
	for _, stage := range events.Stages {
		for _, source := range topology.Sources(stage) {
			require.True(t, queues[source.Queue], "%s consumes %s", stage, source.Queue)
		}
	}
}

// matches implements the topic exchange's rule for the patterns in use: * is one word, a last # any number of them.
func matches(pattern, key string) bool {
	p, k := strings.Split(pattern, "."), strings.Split(key, ".")
	for i, word := range p {
		if word == "#" {
			return true
		}
		if i >= len(k) || word != "*" && word != k[i] {
			return false
		}
	}
	return len(p) == len(k)
}

// routes gives the queues that a published message reaches.
func routes(bindings []events.Binding, topic string) []string {
	exchange, key := events.SplitTopic(topic)
	var queues []string
	for _, binding := range bindings {
		if binding.Exchange == exchange && matches(binding.Pattern, key) {
			queues = append(queues, binding.Queue)
		}
	}
	slices.Sort(queues)
	return slices.Compact(queues)
}

func TestWhatAStageSaysReachesTheNextStageInItsLane(t *testing.T) {
	topology := events.DefaultTopology()
	next := func(eventType string) events.Stage {
		record, verb, _ := events.ParseType(eventType)
		switch {
		case verb == events.Ingested:
			return events.Quality
		case !record.Searchable(), verb == events.Indexed, verb == events.Unindexed:
			return "" // the event's way has ended
		case verb == events.Passed:
			return events.Embedding
		}
		return events.Indexing
	}
	for _, eventType := range stageTypes() {
		for _, lane := range topology.AllLanes() {
			topic := topology.EventTopic(lane, tenant, eventType)
			stage, optional := next(eventType), topology.Optional(events.SplitTopic(topic))
			if stage == "" {
				require.Empty(t, routes(topology.Bindings(), topic), topic)
				require.True(t, optional, "%s: nobody need listen", topic)
				continue
			}
			require.Equal(t, []string{topology.StageQueue(stage, lane)}, routes(topology.Bindings(), topic), topic)
			require.False(t, optional, "%s: a stage waits for it", topic)
		}
	}
}

func TestOnlyWhatNobodyWaitsForIsOptional(t *testing.T) {
	topology := events.DefaultTopology()
	require.True(t, topology.Optional(events.SplitTopic(topology.SLITopic(tenant))))
	indexed := "a." + tenant.String() + "." + events.Type(events.Property, events.Indexed)
	for exchange, keys := range map[string][]string{
		topology.Intake():          {tenant.String() + "." + events.Type(events.Property, events.Indexed), indexed},
		topology.Events():          {"", "a", "a." + tenant.String(), "a." + tenant.String() + ".x", indexed + ".x"},
		topology.DeadLetterQueue(): {indexed},
		"":                         {indexed, "reos.quality.a"},
	} {
		for _, key := range keys {
			require.False(t, topology.Optional(exchange, key), "%s/%s", exchange, key)
		}
	}
}

// Invariant 4: a tenant's events take the tenant's lane; another tenant's binding lets none of them in.
func TestInvariant4IntakeIsBoundPerTenant(t *testing.T) {
	topology := events.DefaultTopology()
	bindings := append(topology.Bindings(), topology.TenantBindings(tenant, "b")...)
	for _, eventType := range events.IntakeTypes() {
		require.Equal(t, []string{"reos.ingestion.b"}, routes(bindings, topology.IntakeTopic(tenant, eventType, false)))
		require.Equal(t, []string{"reos.ingestion.bulk"}, routes(bindings, topology.IntakeTopic(tenant, eventType, true)))
		require.Empty(t, routes(bindings, topology.IntakeTopic(origin, eventType, false)), "left to the alternate exchange")
	}
	require.True(t, topology.FromIntake(topology.Intake()))
	require.True(t, topology.FromIntake(topology.BulkIntake()))
	require.False(t, topology.FromIntake(topology.Events()))
}

func TestNamespacesShareNothing(t *testing.T) {
	one, other := events.DefaultTopology(), events.DefaultTopology()
	other.Namespace = "staging"
	names := map[string]bool{}
	for _, exchange := range one.Exchanges() {
		names[exchange.Name] = true
	}
	for _, queue := range one.Queues() {
		names[queue.Name] = true
	}
	for _, exchange := range other.Exchanges() {
		require.False(t, names[exchange.Name])
		require.True(t, strings.HasPrefix(exchange.Name, "staging."))
	}
	for _, queue := range other.Queues() {
		require.False(t, names[queue.Name])
		require.True(t, strings.HasPrefix(queue.Name, "staging."))
	}
	for _, binding := range other.Bindings() {
		require.True(t, strings.HasPrefix(binding.Exchange, "staging.") && strings.HasPrefix(binding.Queue, "staging."))
	}
}

func TestARetryComesBackToItsQueue(t *testing.T) {
	topology := events.DefaultTopology()
	queues := map[string]events.Queue{}
	for _, queue := range topology.Queues() {
		queues[queue.Name] = queue
	}
	for _, stage := range events.Stages {
		for _, source := range topology.Sources(stage) {
			for attempt := 1; attempt <= len(topology.RetryDelays); attempt++ {
				topic, delay, ok := topology.RetryTopic(source.Queue, attempt)
				require.True(t, ok)
				require.Equal(t, topology.RetryDelays[attempt-1], delay)
				waiting := routesFanout(topology, topic)
				require.Len(t, waiting, 1)
				require.Equal(t, delay, queues[waiting[0]].TTL)
				require.Empty(t, queues[waiting[0]].DeadLetterKey, "the message keeps its own key: the queue it failed in")
				back := routes(topology.Bindings(), queues[waiting[0]].DeadLetterTo+"/"+source.Queue)
				require.Equal(t, []string{source.Queue}, back)
			}
			for _, attempt := range []int{-1, 0, len(topology.RetryDelays) + 1} {
				_, _, ok := topology.RetryTopic(source.Queue, attempt)
				require.False(t, ok)
			}
		}
	}
}

// routesFanout gives the queues bound to a topic's exchange, whatever the key.
func routesFanout(topology events.Topology, topic string) []string {
	exchange, _ := events.SplitTopic(topic)
	var queues []string
	for _, binding := range topology.Bindings() {
		if binding.Exchange == exchange {
			queues = append(queues, binding.Queue)
		}
	}
	return queues
}

// Invariant 5: whatever the broker gives up on lies in the dead-letter queue, and says whence it came.
func TestInvariant5StageQueuesDeadLetter(t *testing.T) {
	topology := events.DefaultTopology()
	stageQueues := 0
	for _, queue := range topology.Queues() {
		if queue.DeliveryLimit == 0 {
			continue
		}
		stageQueues++
		require.Equal(t, queue.Name, queue.DeadLetterKey)
		require.Equal(t, []string{topology.DeadLetterQueue()}, routesFanout(topology, queue.DeadLetterTo+"/"+queue.DeadLetterKey))
	}
	require.Equal(t, 4*len(topology.AllLanes()), stageQueues)
}

func TestTenantsAreSpreadOverTheLanes(t *testing.T) {
	topology := events.DefaultTopology()
	topology.ReservedLanes = []string{"giant"}
	tenants := map[string]int{"c": 2, "gone": 7}
	for range 10 {
		tenants[topology.LaneFor(tenants)]++
	}
	require.Equal(t, map[string]int{"a": 3, "b": 3, "c": 3, "d": 3, "gone": 7}, tenants)
	require.Equal(t, []string{"a", "b", "c", "d", "giant", events.BulkLane}, topology.AllLanes())
	require.Equal(t, []string{"a", "b", "c", "d"}, topology.Lanes)
}

// A tenant in another lane differs by one binding: its backfills stay where they are.
func TestALaneIsOneBinding(t *testing.T) {
	topology := events.DefaultTopology()
	before, after := topology.TenantBindings(tenant, "a"), topology.TenantBindings(tenant, "b")
	require.Equal(t, topology.LaneBinding(tenant, "a"), before[0])
	require.Equal(t, topology.LaneBinding(tenant, "b"), after[0])
	require.NotEqual(t, before[0], after[0])
	require.Equal(t, before[1:], after[1:])
}

func TestDelaysAreNamedAsOperatorsSayThem(t *testing.T) {
	for delay, want := range map[time.Duration]string{
		5 * time.Second: "5s", time.Minute: "1m", 10 * time.Minute: "10m", time.Hour: "1h",
		250 * time.Millisecond: "250ms", 90 * time.Second: "1m30s", 70 * time.Minute: "1h10m",
	} {
		require.Equal(t, want, events.DelayName(delay))
	}
}

func TestTopicsAreSplit(t *testing.T) {
	exchange, key := events.SplitTopic("reos.events/a.b/c")
	require.Equal(t, "reos.events", exchange)
	require.Equal(t, "a.b/c", key)
	exchange, key = events.SplitTopic("reos.quality.a")
	require.Empty(t, exchange)
	require.Equal(t, "reos.quality.a", key)
}
