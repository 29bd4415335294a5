package pgqueue

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/codybias9/real-estate-os/events"
)

func TestTopicPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, key string
		matches      bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.c", false},
		{"a.b", "a.b.c", false},
		{"a.*", "a.b", true},
		{"a.*", "a", false},
		{"a.*", "a.", true}, // an empty word is a word
		{"*.b", "a.b", true},
		{"*", "", true},
		{"#", "", true},
		{"#", "a.b.c", true},
		{"a.#", "a", true},
		{"a.#", "a.b.c", true},
		{"a.#", "b.a", false},
		{"#.c", "a.b.c", true},
		{"#.c", "c", true},
		{"#.c", "a.b", false},
		{"a.#.c", "a.c", true},
		{"a.#.c", "a.b.b.c", true},
		{"a.#.c", "a.b", false},
		{"a.*.#", "a", false},
		{"a.*.#", "a.b", true},
		{"*.#.*", "a", false},
		{"*.#.*", "a.b", true},
		{"a.*.reos.property.passed.v1", "a.5.reos.property.passed.v1", true},
	} {
		got := matchWords(strings.Split(c.pattern, "."), strings.Split(c.key, "."))
		require.Equal(t, c.matches, got, "%s against %s", c.pattern, c.key)
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	table := newTable(
		[]events.Exchange{
			{Name: "in", Kind: events.TopicExchange, Alternate: "lost"},
			{Name: "lost", Kind: events.FanoutExchange},
			{Name: "direct", Kind: events.DirectExchange},
			{Name: "ring", Kind: events.DirectExchange, Alternate: "ring"},
			{Name: "optional", Kind: events.TopicExchange},
		},
		[]events.Queue{{Name: "q1"}, {Name: "q2"}, {Name: "kept"}},
		[]events.Binding{
			{Exchange: "in", Pattern: "t1.#", Queue: "q1"},
			{Exchange: "in", Pattern: "#.both", Queue: "q1"},
			{Exchange: "in", Pattern: "#.both", Queue: "q2"},
			{Exchange: "lost", Queue: "kept"},
			{Exchange: "direct", Pattern: "*", Queue: "q1"},
			{Exchange: "direct", Pattern: "q2", Queue: "q2"},
		},
		func(exchange, _ string) bool { return exchange == "optional" },
	)
	for name, c := range map[string]struct {
		to   address
		want route
	}{
		"topic":                            {address{"in", "t1.x"}, route{queues: []string{"q1"}}},
		"two bindings, one message":        {address{"in", "t1.both"}, route{queues: []string{"q1", "q2"}}},
		"alternate":                        {address{"in", "t9.x"}, route{queues: []string{"kept"}, detour: true}},
		"direct":                           {address{"direct", "q2"}, route{queues: []string{"q2"}}},
		"direct takes no patterns":         {address{"direct", "q1"}, route{detour: true}},
		"an exchange is its own alternate": {address{"ring", "x"}, route{detour: true}},
		"optional":                         {address{"optional", "x"}, route{accepted: true}},
		"no such exchange":                 {address{"none", "x"}, route{detour: true}},
		"a queue by its name":              {address{"", "q1"}, route{queues: []string{"q1"}}},
		"no such queue":                    {address{"", "q9"}, route{detour: true}},
	} {
		require.Equal(t, c.want, table.route(c.to), name)
		require.Equal(t, c.want, table.route(c.to), "%s, remembered", name)
	}
}
