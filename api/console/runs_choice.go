package console

import (
	"net/url"
	"slices"

	"github.com/codybias9/real-estate-os/store"
)

// runChoice is what a list of runs is narrowed to, and what it can be.
type runChoice struct{ store.RunFilter }

// option is one that a field offers.
type option struct {
	Value, Says string
	Chosen      bool
}

// options are those of one kind.
type options struct {
	Label string
	All   []option
}

var (
	runKinds = []store.RunKind{store.ReplayRun, store.RerunRun, store.FeedRun}
	// runKindsSaid are the kinds as a field offers them.
	runKindsSaid = map[store.RunKind]string{store.ReplayRun: "replays", store.RerunRun: "reruns", store.FeedRun: "feeds"}
	feedStates   = []store.RunState{store.RunPublishing, store.RunPublished, store.RunInterrupted, store.RunFailed}
)

// runChoiceOf reads what an address asks for; what is no kind and no state narrows nothing.
func runChoiceOf(query url.Values) runChoice {
	c := runChoice{store.RunFilter{Kind: store.RunKind(query.Get("kind")), State: store.RunState(query.Get("state"))}}
	if !slices.Contains(runKinds, c.Kind) {
		c.Kind = ""
	}
	if !slices.Contains(store.RunsBehind, c.State) && !slices.Contains(feedStates, c.State) {
		c.State = ""
	}
	return c
}

// Any says whether anything is narrowed.
func (c runChoice) Any() bool { return c.RunFilter != (store.RunFilter{}) }

func (c runChoice) query() url.Values {
	query := url.Values{}
	if c.Kind != "" {
		query.Set("kind", string(c.Kind))
	}
	if c.State != "" {
		query.Set("state", string(c.State))
	}
	return query
}

// Kinds are the options of the field kind.
func (c runChoice) Kinds() []option {
	all := []option{{"", "all", c.Kind == ""}}
	for _, kind := range runKinds {
		all = append(all, option{string(kind), runKindsSaid[kind], c.Kind == kind})
	}
	return all
}

// States are the options of the field state. Feeds have others than runs with items.
func (c runChoice) States() []options {
	of := func(states []store.RunState) (all []option) {
		for _, state := range states {
			says := string(state)
			if state == store.RunPublished {
				says = "published, or done"
			}
			all = append(all, option{string(state), says, c.State == state})
		}
		return all
	}
	return []options{{"Replays and reruns", of(store.RunsBehind)}, {"Feeds", of(feedStates)}}
}
