package pgqueue

import (
	"slices"
	"strings"
	"sync"

	"github.com/codybias9/real-estate-os/events"
)

// memoSize bounds how many routing keys a table remembers the way of.
const memoSize = 20_000

// table is the routing of one moment: what Postgres knew of exchanges, bindings and queues. Nothing but its memory of
// routing keys changes after it was made; safe for concurrent use.
type table struct {
	exchanges map[string]events.Exchange
	queues    map[string]events.Queue
	bindings  map[string][]binding // by exchange
	optional  func(exchange, key string) bool

	mu   sync.Mutex
	memo map[address]route
}

type address struct{ exchange, key string }

type binding struct {
	pattern string
	words   []string
	queue   string
}

// route is where messages of one address go.
type route struct {
	queues   []string
	accepted bool // that no queue is bound is fine
	detour   bool // no binding of the exchange itself matched: a newer table may know better
}

func newTable(
	exchanges []events.Exchange, queues []events.Queue, bindings []events.Binding, optional func(exchange, key string) bool,
) *table {
	t := &table{
		exchanges: make(map[string]events.Exchange, len(exchanges)),
		queues:    make(map[string]events.Queue, len(queues)),
		bindings:  map[string][]binding{},
		optional:  optional,
		memo:      map[address]route{},
	}
	for _, e := range exchanges {
		t.exchanges[e.Name] = e
	}
	for _, q := range queues {
		t.queues[q.Name] = q
	}
	for _, b := range bindings {
		t.bindings[b.Exchange] = append(t.bindings[b.Exchange], binding{b.Pattern, strings.Split(b.Pattern, "."), b.Queue})
	}
	return t
}

// route finds the queues of an address. The empty exchange routes to the queue that the key names.
func (t *table) route(to address) route {
	t.mu.Lock()
	found, ok := t.memo[to]
	t.mu.Unlock()
	if ok {
		return found
	}
	found = t.find(to)
	t.mu.Lock()
	if len(t.memo) >= memoSize {
		clear(t.memo)
	}
	t.memo[to] = found
	t.mu.Unlock()
	return found
}

func (t *table) find(to address) route {
	if to.exchange == "" {
		if _, ok := t.queues[to.key]; ok {
			return route{queues: []string{to.key}}
		}
		return route{detour: true}
	}
	visited := map[string]bool{}
	for name := to.exchange; name != "" && !visited[name]; name = t.exchanges[name].Alternate {
		visited[name] = true
		if queues := t.bound(t.exchanges[name], to.key); len(queues) > 0 {
			return route{queues: queues, detour: name != to.exchange}
		}
	}
	optional := t.optional(to.exchange, to.key)
	return route{accepted: optional, detour: !optional}
}

// bound lists the queues that an exchange's own bindings send a key to, each once.
func (t *table) bound(exchange events.Exchange, key string) []string {
	var queues []string
	words := strings.Split(key, ".")
	for _, b := range t.bindings[exchange.Name] {
		if b.matches(exchange.Kind, key, words) && !slices.Contains(queues, b.queue) {
			queues = append(queues, b.queue)
		}
	}
	return queues
}

func (b binding) matches(kind events.ExchangeKind, key string, words []string) bool {
	switch kind {
	case events.FanoutExchange:
		return true
	case events.DirectExchange:
		return b.pattern == key
	default:
		return matchWords(b.words, words)
	}
}

// matchWords matches a topic pattern as AMQP does: `*` is one word, `#` any number, none included.
func matchWords(pattern, words []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "#" {
			for skip := 0; skip <= len(words); skip++ {
				if matchWords(pattern[1:], words[skip:]) {
					return true
				}
			}
			return false
		}
		if len(words) == 0 || (pattern[0] != "*" && pattern[0] != words[0]) {
			return false
		}
		pattern, words = pattern[1:], words[1:]
	}
	return len(words) == 0
}
